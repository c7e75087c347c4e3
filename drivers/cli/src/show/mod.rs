//! What happens, as a user or a program sees it.
//!
//! ```text
//! follow.rs --> Show --+--> words.rs --> lines on stderr
//!                      +--> bars.rs, if stderr is a terminal
//!                      +--> json.rs --> lines on stdout, with --json
//!                      +--> out.rs: the result, on stdout or in a file
//! ```

mod bars;
mod json;
mod out;
mod table;
mod words;

use std::io;
use std::path::Path;
use std::sync::Arc;

use console::Term;
use nuncio_tokio::arcp::{
    Accepted, ChunkEvent, EventKind, FinalStatus, JobEvent, Outcome, Product, SessionEvent, Subscribed,
};

use crate::text::tell;
use crate::verdict::{Trouble, Verdict};
use bars::Bars;
use json::Line;
use out::Out;
pub(crate) use table::table;

/// A job that is followed.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) job_id: Arc<str>,
    pub(crate) agent: Arc<str>,
    /// Delegated by the job the command is about, or by one of its children.
    pub(crate) child: bool,
}

/// Tells everything that happens to one job and those it delegates.
pub(crate) struct Show {
    voice: Voice,
    out: Out,
}

enum Voice {
    Lines,
    Bars(Bars),
    /// Everything is on stdout.
    Json,
}

impl Show {
    /// With colours and bars if stderr is a terminal that can; the result goes to stdout, or into the file.
    pub(crate) fn new(json: bool, output: Option<&Path>) -> Result<Show, Trouble> {
        let out = Out::open(output)?;
        let voice = match () {
            () if json => Voice::Json,
            () if can_redraw(&Term::stderr()) => Voice::Bars(Bars::new()),
            () => Voice::Lines,
        };
        Ok(Show { voice, out })
    }

    pub(crate) async fn accepted(&mut self, who: &Who, info: &Accepted) -> Result<(), Trouble> {
        match &mut self.voice {
            Voice::Json => self.out.line(&Line::accepted(who, info)).await?,
            Voice::Lines | Voice::Bars(_) => {
                let verb = if who.child { "delegated" } else { "accepted" };
                self.say(&format!("{verb} {} {}", who.job_id, who.agent)).await;
            }
        }
        if let Voice::Bars(bars) = &mut self.voice {
            bars.add(who, &info.budget);
        }
        Ok(())
    }

    /// The job goes on without this: its id is all that is left on stdout. `kept` says until when it may be cancelled.
    pub(crate) async fn detached(&mut self, who: &Who, kept: Option<io::Result<String>>) -> Result<(), Trouble> {
        if let Voice::Bars(bars) = &self.voice {
            bars.clear();
        }
        match self.voice {
            Voice::Json => return Ok(()),
            Voice::Bars(_) => self.voice = Voice::Lines,
            Voice::Lines => {}
        }
        self.say(&format!("follow it with `nuncio tail {}`", who.job_id)).await;
        match kept {
            Some(Ok(until)) => {
                self.say(&format!("cancel it with `nuncio cancel {}` on this machine until {until}", who.job_id)).await;
            }
            Some(Err(error)) => {
                self.say(&format!("it cannot be cancelled: nothing could be kept for that: {error}")).await;
            }
            None => {}
        }
        self.out.write(format!("{}\n", who.job_id).as_bytes()).await
    }

    pub(crate) async fn subscribed(&mut self, who: &Who, info: &Subscribed) -> Result<(), Trouble> {
        match &mut self.voice {
            Voice::Json => self.out.line(&Line::subscribed(who, info)).await?,
            Voice::Lines | Voice::Bars(_) => {
                let status = info.current_status.as_deref().unwrap_or("in an unknown state");
                self.say(&format!("{} {} is {status}", who.job_id, who.agent)).await;
                if info.history_truncated {
                    self.say("the beginning is missing: the runtime no longer has it").await;
                }
            }
        }
        if let Voice::Bars(bars) = &mut self.voice {
            bars.add(who, &info.budget);
        }
        Ok(())
    }

    pub(crate) async fn event(&mut self, who: &Who, event: &JobEvent) -> Result<(), Trouble> {
        match &self.voice {
            Voice::Json => return self.out.line(&Line::event(who, event)).await,
            Voice::Bars(bars) if bars.absorb(who, event) => {}
            Voice::Bars(bars) => bars.event(who, event),
            Voice::Lines => {
                let whose = if who.child { format!("{}: ", who.agent) } else { String::new() };
                let words = words::of(&event.kind, event.body.as_str());
                self.say(&format!("#{} {whose}{} {words}", event.seq, event.kind.as_str())).await;
            }
        }
        Ok(())
    }

    /// A piece of the result.
    pub(crate) async fn chunk(&mut self, who: &Who, chunk: &ChunkEvent) -> Result<(), Trouble> {
        match &mut self.voice {
            Voice::Json if !self.out.is_file() => return self.out.line(&Line::chunk(who, chunk)).await,
            Voice::Bars(bars) if self.out.is_terminal() => {
                // Bars would be drawn over the result.
                bars.clear();
                self.voice = Voice::Lines;
            }
            Voice::Bars(bars) => bars.received(who, chunk.data.len()),
            Voice::Json | Voice::Lines => {}
        }
        self.out.write(&chunk.data).await
    }

    pub(crate) async fn child_ended(&mut self, who: &Who, outcome: &Outcome) -> Result<(), Trouble> {
        match &mut self.voice {
            Voice::Json => self.out.line(&Line::child_outcome(who, outcome)).await?,
            Voice::Lines | Voice::Bars(_) => {
                self.say(&format!("{} {} {}", who.job_id, who.agent, words::ending(outcome))).await;
            }
        }
        if let Voice::Bars(bars) = &mut self.voice {
            bars.remove(who);
        }
        Ok(())
    }

    /// What becomes of the connection.
    pub(crate) async fn session(&mut self, event: &SessionEvent) -> Result<(), Trouble> {
        match (&mut self.voice, json::session(event), words::session(event)) {
            (Voice::Json, Some(line), _) => self.out.line(&line).await,
            (Voice::Lines | Voice::Bars(_), _, Some(line)) => {
                self.say(&line).await;
                Ok(())
            }
            (Voice::Json, None, _) | (Voice::Lines | Voice::Bars(_), _, None) => Ok(()),
        }
    }

    /// A sentence on stderr, whatever the voice.
    pub(crate) async fn say(&mut self, line: &str) {
        match &self.voice {
            Voice::Bars(bars) => bars.line(line),
            Voice::Lines | Voice::Json => {
                self.out.end_line().await;
                tell(line);
            }
        }
    }

    /// The end: the result is where it belongs, and the outcome is told.
    pub(crate) async fn outcome(mut self, who: &Who, outcome: &Outcome) -> Result<Verdict, Trouble> {
        let verdict = Verdict::from(outcome.status);
        if let Voice::Bars(bars) = &self.voice {
            bars.clear();
            self.voice = Voice::Lines;
        }
        if let Product::Inline(result) = &outcome.result
            && (self.out.is_file() || !matches!(self.voice, Voice::Json))
        {
            self.out.write(result.as_str().as_bytes()).await?;
            self.out.write(b"\n").await?;
        }
        if outcome.status == FinalStatus::Success {
            self.out.keep()?;
        }
        match self.voice {
            Voice::Json => {
                let file = self.out.file_name();
                self.out.line(&Line::outcome(who, outcome, file, verdict)).await?;
            }
            Voice::Lines | Voice::Bars(_) => {
                self.out.end_line().await;
                let advice = words::advice(verdict);
                tell(&format!("the job {}{advice}", words::ending(outcome)));
            }
        }
        Ok(verdict)
    }
}

/// The verdict, or why there is none, which is told.
pub(crate) async fn verdict(json: bool, done: Result<Verdict, Trouble>) -> Verdict {
    let trouble = match done {
        Ok(verdict) => return verdict,
        Err(trouble) => trouble,
    };
    tell(&format!("nuncio: {trouble}"));
    let verdict = trouble.verdict();
    if json && let Ok(mut out) = Out::open(None) {
        // Who does not read stdout any more reads it on stderr.
        drop(out.line(&Line::Error { message: trouble.to_string(), exit_code: verdict.code() }).await);
    }
    verdict
}

/// Colours where the terminal can, and nowhere else.
pub(crate) fn colours() {
    console::set_colors_enabled(Term::stdout().features().colors_supported());
    console::set_colors_enabled_stderr(Term::stderr().features().colors_supported());
}

/// Whether it is a terminal on which a cursor moves.
pub(crate) fn can_redraw(term: &Term) -> bool {
    term.is_term() && std::env::var_os("TERM").is_some_and(|name| name != "dumb")
}

/// Whether its body may hold a secret.
fn is_rotation(kind: &EventKind, body: &str) -> bool {
    *kind == EventKind::Status && body.contains("credential_rotated")
}
