//! Reports what the client sees, to the ledger and to the reader.

use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, JobHandle, Outcome, SessionEvent, SessionEvents, Update};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::commands::demo::narration::narrate;

/// Something that the client saw, with the name of the job it concerns.
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

/// Reports a job to its end.
pub(super) async fn report_job(name: &'static str, mut job: JobHandle, reports: UnboundedSender<Report>) {
    // Fails when the demonstration is over.
    let send = |report| drop(reports.send(report));
    while let Ok(Some(update)) = job.try_next().await {
        // These agents neither stream results nor delegate.
        if let Update::Event(event) = update {
            send(Report::Event(name, event));
        }
    }
    match job.outcome().await {
        Ok(outcome) => send(Report::Ended(name, Box::new(outcome))),
        Err(end) => send(Report::Trouble(end.to_string())),
    }
}

/// Reports what happens to the session.
pub(super) async fn report_session(mut events: SessionEvents, reports: UnboundedSender<Report>) {
    while let Some(event) = events.next().await {
        let report = match event {
            SessionEvent::Lost(reason) => Report::Lost(reason.to_string()),
            SessionEvent::Live(welcome) if welcome.resumed => Report::Resumed,
            SessionEvent::Gap { from, to } => Report::Trouble(format!("events {from} to {to} are lost")),
            SessionEvent::Notice(fault) => Report::Trouble(fault.to_string()),
            SessionEvent::Live(_) | SessionEvent::Reconnecting { .. } | SessionEvent::Over(_) => continue,
        };
        // Fails when the demonstration is over.
        drop(reports.send(report));
    }
}

impl Report {
    /// Prints the report, unless it is one of many similar ones.
    pub(super) fn narrate(&self) {
        match self {
            Report::Event(name, event) => {
                let step = step(event).filter(|step| step.current > 0 && step.current.is_multiple_of(20));
                if let Some(Step { current, total: Some(total) }) = step {
                    narrate(name, &format!("#{:<4} step {current} of {total}", event.seq));
                }
            }
            Report::Ended(name, outcome) => {
                let how = match (&outcome.fault, outcome.status) {
                    (Some(fault), _) if fault.retryable => format!("{}, retryable: {}", fault.code, fault.message),
                    (Some(fault), _) => format!("{}: {}", fault.code, fault.message),
                    (None, FinalStatus::Success) => "success".to_owned(),
                    (None, status) => status.as_str().to_owned(),
                };
                narrate(name, &format!("#{:<4} ends: {how}", outcome.seq));
            }
            Report::Lost(reason) => narrate("client", &format!("notices: {reason}; it reconnects")),
            Report::Resumed => narrate("client", "has RESUMED the session"),
            Report::Trouble(what) => narrate("client", what),
        }
    }

    /// Returns whether an event is a step of a job.
    pub(super) fn is_step(event: &JobEvent) -> bool {
        step(event).is_some()
    }
}

fn step(event: &JobEvent) -> Option<Step> {
    if event.kind == EventKind::Progress { event.body.parse().ok() } else { None }
}
