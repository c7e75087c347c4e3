//! Reports what the client sees, to the ledger and to the reader.

use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, JobHandle, Outcome, Update};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedSender;

use super::narration::narrate;
use super::session::SessionReport;
use crate::text::sanitize;

/// Something that the client saw, with the name of the job it concerns.
pub(super) enum Report {
    Event(&'static str, JobEvent),
    Ended(&'static str, Box<Outcome>),
    Session(SessionReport),
}

#[derive(Deserialize)]
struct Step {
    current: u64,
    total: Option<u64>,
    message: Option<String>,
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
        Err(end) => send(SessionReport::Trouble(end.to_string()).into()),
    }
}

impl From<SessionReport> for Report {
    fn from(report: SessionReport) -> Report {
        Report::Session(report)
    }
}

impl Report {
    /// Prints the report, unless it is one of many similar ones.
    pub(super) fn narrate(&self) {
        match self {
            Report::Event(name, event) => {
                let step = step(event).filter(|step| step.current > 0 && step.current.is_multiple_of(20));
                if let Some(Step { current, total: Some(total), message }) = step {
                    let step = message.unwrap_or_else(|| format!("step {current} of {total}"));
                    narrate(name, &format!("#{:<4} {}", event.seq, sanitize(&step)));
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
            Report::Session(report) => report.narrate(),
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
