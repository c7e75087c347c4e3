//! Output formats: how a followed job, its result and a command's failure are printed.
//!
//! ```text
//! follow.rs --> Printer --+--> human.rs, line.rs --> lines on stderr
//!                         +--> bars.rs, if stderr is a terminal
//!                         +--> json.rs --> lines on stdout, with --json
//!                         +--> sink.rs: the result, on stdout or in a file
//! ```

mod bars;
mod changes;
mod fit;
mod grid;
mod human;
mod job;
mod json;
mod line;
mod question;
mod redact;
mod shown;
mod sink;
mod table;
pub(crate) mod terminal;
mod view;
mod waiting;

use std::path::Path;

use console::Term;
use nuncio_core::surrogates;
use nuncio_tokio::arcp::{
    Accepted, ChunkEvent, FinalStatus, JobEvent, Outcome, Product, SessionEvent, SessionId, Subscribed,
};

use tokio::time::Instant;

use crate::detached::Left;
use crate::error::Error;
use crate::exit::Exit;
use crate::text::{eprint_line, eprint_styled, sanitize};
use bars::Bars;
pub(crate) use changes::{Changes, reported};
pub(crate) use fit::fit;
pub(crate) use grid::grid;
pub(crate) use human::progress;
pub(crate) use job::FollowedJob;
use json::Line;
pub(crate) use line::{Clock, Shown as ShownEvent, Stream, event_line};
pub(crate) use question::{expected, value_of};
pub(crate) use shown::Shown;
use sink::Sink;
pub(crate) use table::{Width, age, columns, left, table, terminal_width, took};
pub(crate) use view::{View, kind};
use waiting::Waiting;

/// Prints everything that happens to one job and to those it delegates.
pub(crate) struct Printer {
    format: Format,
    sink: Sink,
    view: View,
    clock: Clock,
    waiting: Waiting,
}

enum Format {
    /// Lines on stderr.
    Lines,
    /// Lines above progress bars on stderr.
    Bars(Bars),
    /// JSON lines on stdout.
    Json,
}

impl Printer {
    /// Opens the result's file, if there is one. Without `json`, chooses bars if stderr is a terminal that can show them.
    pub(crate) fn new(json: bool, output: Option<&Path>, view: View) -> Result<Printer, Error> {
        let sink = Sink::open(output)?;
        let format = match () {
            () if json => Format::Json,
            () if !view.quiet && terminal::can_redraw(&Term::stderr()) => Format::Bars(Bars::new()),
            () => Format::Lines,
        };
        let (clock, waiting) = (Clock::new(view.timestamps), Waiting::default());
        Ok(Printer { format, sink, view, clock, waiting })
    }

    /// Prints that a job was accepted in a session: the one that the command has submitted, or one that it has delegated.
    pub(crate) async fn accepted(
        &mut self,
        job: &FollowedJob,
        info: &Accepted,
        session: Option<&SessionId>,
    ) -> Result<(), Error> {
        match &mut self.format {
            Format::Json => self.sink.line(&Line::accepted(job, info, session)).await?,
            Format::Lines | Format::Bars(_) => {
                let verb = if job.is_child { "delegated" } else { "accepted" };
                let session = session.map(|session| format!(", session {session}")).unwrap_or_default();
                self.clock.begin(info.accepted_at.as_deref());
                let accepted_at = info.accepted_at.as_deref();
                let time = if self.view.timestamps { self.clock.show(accepted_at) } else { String::new() };
                self.note(&format!("{time}{verb} {} {}{session}", job.job_id, job.agent)).await;
            }
        }
        if let Format::Bars(bars) = &mut self.format {
            bars.add(job, &info.budget);
        }
        Ok(())
    }

    /// Prints the id of a job that is not followed, and how to follow and cancel it.
    pub(crate) async fn detached(&mut self, job: &FollowedJob, left: Option<Left>) -> Result<(), Error> {
        if let Format::Bars(bars) = &self.format {
            bars.clear();
        }
        match self.format {
            Format::Json => return Ok(()),
            Format::Bars(_) => self.format = Format::Lines,
            Format::Lines => {}
        }
        self.left(job, left).await;
        self.sink.write(format!("{}\n", job.job_id).as_bytes()).await
    }

    /// Prints how to follow and cancel a job that is followed no more.
    pub(crate) async fn left(&mut self, job: &FollowedJob, left: Option<Left>) {
        self.note(&format!("follow it with `nuncio tail {}`", job.job_id)).await;
        let Some(Left { saved, until, then_principal }) = left else { return };
        let id = &job.job_id;
        match (saved, then_principal) {
            (Ok(()), true) => {
                self.note(&format!("cancel it with `nuncio cancel {id}` on this machine")).await;
                let then = "every machine can cancel it with a token of the same principal";
                self.note(&format!("from {until} on, {then}")).await;
            }
            (Ok(()), false) => {
                self.note(&format!("cancel it with `nuncio cancel {id}` on this machine before {until}")).await;
            }
            (Err(error), true) => {
                let only_then = format!("the job can be cancelled only from {until} on, with `nuncio cancel {id}`");
                self.message(&format!("{only_then}, because its session cannot be saved: {error}")).await;
            }
            (Err(error), false) => {
                self.message(&format!("the job cannot be cancelled, because its session cannot be saved: {error}"))
                    .await;
            }
        }
    }

    pub(crate) async fn subscribed(
        &mut self,
        job: &FollowedJob,
        info: &Subscribed,
        session: Option<&SessionId>,
    ) -> Result<(), Error> {
        match &mut self.format {
            Format::Json => self.sink.line(&Line::subscribed(job, info, session)).await?,
            Format::Lines | Format::Bars(_) => {
                self.clock.begin(info.accepted_at.as_deref());
                let status = info.current_status.as_deref().unwrap_or("unknown");
                self.note(&format!("following {} {}, status {status}", job.job_id, job.agent)).await;
                if info.history_truncated {
                    let missing = "the first events are missing, because the runtime no longer has them";
                    self.message(missing).await;
                }
            }
        }
        if let Format::Bars(bars) = &mut self.format {
            bars.add(job, &info.budget);
        }
        Ok(())
    }

    pub(crate) async fn event(&mut self, job: &FollowedJob, event: &JobEvent) -> Result<(), Error> {
        self.clock.begin(Some(event.ts()));
        if !self.view.shows(event) {
            return Ok(());
        }
        match &self.format {
            Format::Json => return self.sink.line(&Line::event(job, event)).await,
            Format::Bars(bars) if bars.update(job, event) => {}
            Format::Bars(bars) => bars.line(&event_line(Stream::Stderr, &mut self.clock, shown(job, event))),
            Format::Lines if self.view.quiet => {}
            Format::Lines => {
                self.sink.begin_message().await;
                eprint_styled(&event_line(Stream::Stderr, &mut self.clock, shown(job, event)));
            }
        }
        Ok(())
    }

    /// Prints a chunk of the followed job's result.
    pub(crate) async fn chunk(&mut self, job: &FollowedJob, chunk: &ChunkEvent) -> Result<(), Error> {
        if !self.view.is_after(chunk.seq) {
            return Ok(());
        }
        match &mut self.format {
            Format::Json if !self.sink.is_file() => return self.sink.line(&Line::chunk(job, chunk)).await,
            Format::Bars(bars) if self.sink.is_terminal() => {
                // Bars would be drawn over the result.
                bars.clear();
                self.format = Format::Lines;
            }
            Format::Bars(bars) => bars.received(job, chunk.data.len()),
            Format::Json | Format::Lines => {}
        }
        self.sink.write(&chunk.data).await
    }

    pub(crate) async fn child_ended(&mut self, job: &FollowedJob, outcome: &Outcome) -> Result<(), Error> {
        match &mut self.format {
            Format::Json => self.sink.line(&Line::child_outcome(job, outcome)).await?,
            Format::Lines | Format::Bars(_) => {
                self.note(&format!("{} {} {}", job.job_id, job.agent, human::outcome(outcome, None))).await;
            }
        }
        if let Format::Bars(bars) = &mut self.format {
            bars.remove(job);
        }
        Ok(())
    }

    /// Prints that the connection was lost or restored, and the like.
    pub(crate) async fn session(&mut self, event: &SessionEvent) -> Result<(), Error> {
        match (&mut self.format, json::session(event), human::session(event)) {
            (Format::Json, Some(line), _) => self.sink.line(&line).await,
            (Format::Lines | Format::Bars(_), _, Some(line)) => {
                if self.waiting.reports(event, Instant::now()) {
                    self.note(&line).await;
                }
                Ok(())
            }
            (Format::Json, None, _) | (Format::Lines | Format::Bars(_), _, None) => Ok(()),
        }
    }

    /// Prints a line for people on stderr, unless only the result is wanted.
    pub(crate) async fn note(&mut self, line: &str) {
        if !self.view.quiet {
            self.message(line).await;
        }
    }

    /// Prints a line for people on stderr that nobody should miss, whatever the format.
    pub(crate) async fn message(&mut self, line: &str) {
        match &self.format {
            Format::Bars(bars) => bars.line(&sanitize(line)),
            Format::Lines | Format::Json => {
                self.sink.begin_message().await;
                eprint_line(line);
            }
        }
    }

    /// Shows a question on the terminal. Bars would be drawn over what is typed, so they are shown no more.
    pub(crate) async fn prompt(&mut self, agent: &str, question: &str, expected: &str) {
        if let Format::Bars(bars) = &self.format {
            bars.clear();
            self.format = Format::Lines;
        }
        self.message(&format!("{agent} asks: {question}")).await;
        self.message(&format!("type the answer and press Enter ({expected}):")).await;
    }

    /// Finishes the output: writes an inline result, gives the result's file its name, and prints the outcome. A reader that has
    /// closed stdout does not change how the command ends.
    pub(crate) async fn outcome(mut self, job: &FollowedJob, outcome: &Outcome) -> Result<Exit, Error> {
        let exit = Exit::from(outcome.status);
        match self.finish(job, outcome, exit).await {
            Err(error) if !error.is_closed_pipe() => Err(error),
            Ok(()) | Err(_) => Ok(exit),
        }
    }

    async fn finish(&mut self, job: &FollowedJob, outcome: &Outcome, exit: Exit) -> Result<(), Error> {
        if let Format::Bars(bars) = &self.format {
            bars.clear();
            self.format = Format::Lines;
        }
        if let Product::Inline(result) = &outcome.result
            && (self.sink.is_file() || !matches!(self.format, Format::Json))
        {
            let text = if self.view.raw { raw_text(result.as_str()) } else { None };
            self.sink.write(text.as_deref().unwrap_or(result.as_str()).as_bytes()).await?;
            if text.is_none_or(|text| !text.ends_with('\n')) {
                self.sink.write(b"\n").await?;
            }
        }
        if outcome.status == FinalStatus::Success {
            self.sink.persist()?;
        }
        match self.format {
            Format::Json => {
                let file = self.sink.file_name();
                self.sink.line(&Line::outcome(job, outcome, file, exit)).await?;
            }
            Format::Lines | Format::Bars(_) => {
                self.sink.end_line().await;
                let completed_at = outcome.completed_at.as_deref();
                let took = completed_at.and_then(|at| self.clock.since(at));
                let time = if self.view.timestamps { self.clock.show(completed_at) } else { String::new() };
                let code = outcome.fault.as_ref().map(|fault| &*fault.code);
                let advice = match (exit, code) {
                    (Exit::TimedOut, _) => "; allow more time with --max-runtime",
                    (_, Some("LEASE_EXPIRED")) => "; allow more time with --expires-in",
                    _ => "",
                };
                let line = format!("{time}the job {}{advice}", human::outcome(outcome, took));
                if exit == Exit::Success {
                    self.note(&line).await;
                } else {
                    self.message(&line).await;
                }
            }
        }
        Ok(())
    }
}

/// What is shown of an event of a job that is followed.
fn shown<'a>(job: &'a FollowedJob, event: &'a JobEvent) -> line::Shown<'a> {
    let of = job.is_child.then_some(&*job.agent);
    line::Shown { seq: event.seq, of, kind: &event.kind, ts: event.ts(), body: event.body.as_str() }
}

/// Returns the text of a JSON string, in which half of a character becomes U+FFFD; `None` for any other value.
fn raw_text(json: &str) -> Option<String> {
    serde_json::from_str(&surrogates::replaced(json)).ok()
}

/// Ends a command that prints for people: reports its error on stderr.
pub(crate) fn finish(result: Result<Exit, Error>) -> Exit {
    result.unwrap_or_else(|error| report(&error))
}

/// Ends a command that has `--json`: reports its error on stderr, and with `json` as the last line on stdout, too.
pub(crate) async fn finish_with(json: bool, result: Result<Exit, Error>) -> Exit {
    let error = match result {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    let exit = report(&error);
    if json && let Ok(mut sink) = Sink::open(None) {
        // If stdout cannot be written, the error is on stderr all the same.
        drop(sink.line(&Line::Error { message: error.to_string(), exit_code: exit.code() }).await);
    }
    exit
}

/// Reports an error on stderr. That stdout was closed by its reader is none.
pub(crate) fn report(error: &Error) -> Exit {
    if error.is_closed_pipe() {
        return Exit::Success;
    }
    eprint_line(&format!("nuncio: {error}"));
    error.exit()
}
