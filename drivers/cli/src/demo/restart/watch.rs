//! What the client sees of its jobs, as reports to one place.

use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, JobHandle, Outcome, Update};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedSender;

use super::super::say;

/// Something the client saw; of which job, if it is of one.
pub(super) enum Report {
    Event(&'static str, JobEvent),
    Ended(&'static str, Box<Outcome>),
    Lost(String),
    Resumed,
    Trouble(String),
}

#[derive(Deserialize)]
struct Step {
    current: u64,
    total: Option<u64>,
}

/// Reports a job until its end.
pub(super) async fn watch(name: &'static str, mut job: JobHandle, reports: UnboundedSender<Report>) {
    // Nobody listens any more once all was said.
    let tell = |report| drop(reports.send(report));
    while let Some(update) = job.next().await {
        // These agents do nothing else.
        if let Update::Event(event) = update {
            tell(Report::Event(name, event));
        }
    }
    match job.outcome().await {
        Ok(outcome) => tell(Report::Ended(name, Box::new(outcome))),
        Err(end) => tell(Report::Trouble(end.to_string())),
    }
}

impl Report {
    /// Shows it, unless it is one of many alike.
    pub(super) fn narrate(&self) {
        match self {
            Report::Event(name, event) => {
                let step = step(event).filter(|step| step.current > 0 && step.current.is_multiple_of(20));
                if let Some(Step { current, total: Some(total) }) = step {
                    say(name, &format!("#{:<4} step {current} of {total}", event.seq));
                }
            }
            Report::Ended(name, outcome) => {
                let how = match (&outcome.fault, outcome.status) {
                    (Some(fault), _) if fault.retryable => format!("{}, retryable: {}", fault.code, fault.message),
                    (Some(fault), _) => format!("{}: {}", fault.code, fault.message),
                    (None, FinalStatus::Success) => "success".to_owned(),
                    (None, status) => status.as_str().to_owned(),
                };
                say(name, &format!("#{:<4} ends: {how}", outcome.seq));
            }
            Report::Lost(reason) => say("client", &format!("notices: {reason}; reconnects by itself")),
            Report::Resumed => say("client", "has RESUMED the session"),
            Report::Trouble(what) => say("client", what),
        }
    }

    /// Whether a job has come a step further.
    pub(super) fn is_step(event: &JobEvent) -> bool {
        step(event).is_some()
    }
}

fn step(event: &JobEvent) -> Option<Step> {
    if event.kind == EventKind::Progress { event.body.parse().ok() } else { None }
}
