//! Output formats: how a followed job, its result and a command's failure are printed.
//!
//! ```text
//! follow.rs --> Printer --+--> human.rs --> lines on stderr
//!                         +--> bars.rs, if stderr is a terminal
//!                         +--> json.rs --> lines on stdout, with --json
//!                         +--> sink.rs: the result, on stdout or in a file
//! ```

mod bars;
mod human;
mod job;
mod json;
mod question;
mod redact;
mod shown;
mod sink;
mod table;
pub(crate) mod terminal;

use std::io;
use std::path::Path;

use console::Term;
use nuncio_tokio::arcp::{Accepted, ChunkEvent, FinalStatus, JobEvent, Outcome, Product, SessionEvent, Subscribed};

use crate::error::Error;
use crate::exit::Exit;
use crate::text::eprint_line;
use bars::Bars;
pub(crate) use job::FollowedJob;
use json::Line;
pub(crate) use question::{expected, value_of};
pub(crate) use shown::Shown;
use sink::Sink;
pub(crate) use table::{Width, age, grid, table, took};

/// Prints everything that happens to one job and to those it delegates.
pub(crate) struct Printer {
    format: Format,
    sink: Sink,
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
    pub(crate) fn new(json: bool, output: Option<&Path>) -> Result<Printer, Error> {
        let sink = Sink::open(output)?;
        let format = match () {
            () if json => Format::Json,
            () if terminal::can_redraw(&Term::stderr()) => Format::Bars(Bars::new()),
            () => Format::Lines,
        };
        Ok(Printer { format, sink })
    }

    pub(crate) async fn accepted(&mut self, job: &FollowedJob, info: &Accepted) -> Result<(), Error> {
        match &mut self.format {
            Format::Json => self.sink.line(&Line::accepted(job, info)).await?,
            Format::Lines | Format::Bars(_) => {
                let verb = if job.is_child { "delegated" } else { "accepted" };
                self.message(&format!("{verb} {} {}", job.job_id, job.agent)).await;
            }
        }
        if let Format::Bars(bars) = &mut self.format {
            bars.add(job, &info.budget);
        }
        Ok(())
    }

    /// Prints the id of a job that is not followed, and how to follow and cancel it. `saved` is what came of saving the
    /// session: the time until which the job can be cancelled.
    pub(crate) async fn detached(&mut self, job: &FollowedJob, saved: Option<io::Result<String>>) -> Result<(), Error> {
        if let Format::Bars(bars) = &self.format {
            bars.clear();
        }
        match self.format {
            Format::Json => return Ok(()),
            Format::Bars(_) => self.format = Format::Lines,
            Format::Lines => {}
        }
        self.left(job, saved).await;
        self.sink.write(format!("{}\n", job.job_id).as_bytes()).await
    }

    /// Prints how to follow and cancel a job that is followed no more.
    pub(crate) async fn left(&mut self, job: &FollowedJob, saved: Option<io::Result<String>>) {
        self.message(&format!("follow it with `nuncio tail {}`", job.job_id)).await;
        match saved {
            Some(Ok(until)) => {
                let cancel = format!("cancel it with `nuncio cancel {}` on this machine until {until}", job.job_id);
                self.message(&cancel).await;
            }
            Some(Err(error)) => {
                self.message(&format!("the job cannot be cancelled, because its session cannot be saved: {error}"))
                    .await;
            }
            None => {}
        }
    }

    pub(crate) async fn subscribed(&mut self, job: &FollowedJob, info: &Subscribed) -> Result<(), Error> {
        match &mut self.format {
            Format::Json => self.sink.line(&Line::subscribed(job, info)).await?,
            Format::Lines | Format::Bars(_) => {
                let status = info.current_status.as_deref().unwrap_or("in an unknown state");
                self.message(&format!("{} {} is {status}", job.job_id, job.agent)).await;
                if info.history_truncated {
                    self.message("the first events are missing: the runtime no longer has them").await;
                }
            }
        }
        if let Format::Bars(bars) = &mut self.format {
            bars.add(job, &info.budget);
        }
        Ok(())
    }

    pub(crate) async fn event(&mut self, job: &FollowedJob, event: &JobEvent) -> Result<(), Error> {
        match &self.format {
            Format::Json => return self.sink.line(&Line::event(job, event)).await,
            Format::Bars(bars) if bars.update(job, event) => {}
            Format::Bars(bars) => bars.event(job, event),
            Format::Lines => {
                let agent = if job.is_child { format!("{}: ", job.agent) } else { String::new() };
                let text = human::event(&event.kind, event.body.as_str());
                self.message(&format!("#{} {agent}{} {text}", event.seq, event.kind.as_str())).await;
            }
        }
        Ok(())
    }

    /// Prints a chunk of the followed job's result.
    pub(crate) async fn chunk(&mut self, job: &FollowedJob, chunk: &ChunkEvent) -> Result<(), Error> {
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
                self.message(&format!("{} {} {}", job.job_id, job.agent, human::outcome(outcome))).await;
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
                self.message(&line).await;
                Ok(())
            }
            (Format::Json, None, _) | (Format::Lines | Format::Bars(_), _, None) => Ok(()),
        }
    }

    /// Prints a line for people on stderr, whatever the format.
    pub(crate) async fn message(&mut self, line: &str) {
        match &self.format {
            Format::Bars(bars) => bars.line(line),
            Format::Lines | Format::Json => {
                self.sink.end_line().await;
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

    /// Finishes the output: writes an inline result, gives the result's file its name, and prints the outcome.
    pub(crate) async fn outcome(mut self, job: &FollowedJob, outcome: &Outcome) -> Result<Exit, Error> {
        let exit = Exit::from(outcome.status);
        if let Format::Bars(bars) = &self.format {
            bars.clear();
            self.format = Format::Lines;
        }
        if let Product::Inline(result) = &outcome.result
            && (self.sink.is_file() || !matches!(self.format, Format::Json))
        {
            self.sink.write(result.as_str().as_bytes()).await?;
            self.sink.write(b"\n").await?;
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
                let advice = if exit == Exit::TimedOut { "; allow more time with --max-runtime" } else { "" };
                eprint_line(&format!("the job {}{advice}", human::outcome(outcome)));
            }
        }
        Ok(exit)
    }
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

/// Reports an error on stderr, unless it is that stdout was closed by its reader.
pub(crate) fn report(error: &Error) -> Exit {
    if !error.is_closed_pipe() {
        eprint_line(&format!("nuncio: {error}"));
    }
    error.exit()
}
