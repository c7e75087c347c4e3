//! Reports what the client sees, to the ledger and to the reader.

use std::pin::Pin;

use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, JobHandle, JobId, Outcome, Update};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;

use crate::commands::demo::narration::narrate;
use crate::commands::demo::session::SessionReport;
use crate::text::sanitize;

/// Something that the client saw. `child` is set if it concerns the delegated job.
pub(super) enum Report {
    Event { child: bool, event: JobEvent },
    Chunk { seq: u64, bytes: usize },
    Delegated { job_id: JobId },
    Ended { child: bool, outcome: Box<Outcome> },
    Session(SessionReport),
}

/// A metric, with its value as it was sent.
#[derive(Deserialize)]
pub(super) struct Metric<'a> {
    pub(super) name: String,
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
}

#[derive(Deserialize)]
struct Step {
    current: u64,
    total: Option<u64>,
}

#[derive(Deserialize)]
struct Call {
    tool: String,
    args: Args,
}

#[derive(Deserialize)]
struct Args {
    url: String,
}

#[derive(Deserialize)]
struct Returned {
    error: Option<Denial>,
}

#[derive(Deserialize)]
struct Denial {
    code: String,
    message: String,
}

/// Reports a job, and the jobs it delegates, to the job's end.
pub(super) fn report_job(
    mut job: JobHandle,
    child: bool,
    reports: UnboundedSender<Report>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // Fails when the demonstration is over.
        let send = |report| drop(reports.send(report));
        while let Ok(Some(update)) = job.try_next().await {
            match update {
                Update::Event(event) => send(Report::Event { child, event }),
                Update::Chunk(chunk) => send(Report::Chunk { seq: chunk.seq, bytes: chunk.data.len() }),
                Update::ChunkFault(reason) => send(SessionReport::Trouble(reason.to_owned()).into()),
                Update::Child(handle) => {
                    send(Report::Delegated { job_id: handle.job_id().clone() });
                    tokio::spawn(report_job(*handle, true, reports.clone()));
                }
                // Credentials, which the demonstration does not use.
                _ => {}
            }
        }
        match job.outcome().await {
            Ok(outcome) => send(Report::Ended { child, outcome: Box::new(outcome) }),
            Err(end) => send(SessionReport::Trouble(end.to_string()).into()),
        }
    })
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
            Report::Event { child, event } => {
                if let Some(what) = summary(event) {
                    narrate(if *child { "  search" } else { "report" }, &format!("#{:<4} {what}", event.seq));
                }
            }
            Report::Chunk { .. } => {}
            Report::Delegated { job_id } => {
                narrate("runtime", &format!("accepts {job_id}, which report delegates to search"));
            }
            Report::Ended { child, outcome } => {
                let status = match outcome.status {
                    FinalStatus::Success => "success",
                    FinalStatus::Error => "error",
                    FinalStatus::Cancelled => "cancelled",
                    FinalStatus::TimedOut => "timed out",
                };
                let summary = outcome.summary.as_deref().map(|text| format!(", {text}")).unwrap_or_default();
                narrate(
                    if *child { "  search" } else { "report" },
                    &format!("#{:<4} ends: {status}{summary}", outcome.seq),
                );
            }
            Report::Session(report) => report.narrate(),
        }
    }
}

/// An event in a few words; `None` for one that is not printed.
fn summary(event: &JobEvent) -> Option<String> {
    match event.kind {
        EventKind::Progress => {
            let step: Step = event.body.parse().ok()?;
            let total = step.total?;
            step.current.is_multiple_of(20).then(|| format!("progress     page {} of {total}", step.current))
        }
        EventKind::ToolCall => {
            let call: Call = event.body.parse().ok()?;
            Some(format!("tool_call    {} {}", call.tool, call.args.url))
        }
        EventKind::ToolResult => {
            let returned: Returned = event.body.parse().ok()?;
            let Denial { code, message } = returned.error?;
            Some(format!("tool_result  {code}: {}", sanitize(&message)))
        }
        EventKind::Metric => {
            let metric: Metric<'_> = event.body.parse().ok()?;
            let charge = metric.name != "cost.budget.remaining";
            charge.then(|| format!("metric       {} USD {}", metric.name, metric.value.get()))
        }
        EventKind::Log
        | EventKind::Thought
        | EventKind::Status
        | EventKind::ArtifactRef
        | EventKind::Delegate
        | EventKind::ResultChunk
        | EventKind::Other(_) => None,
    }
}
