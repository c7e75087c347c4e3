//! What the client sees, as reports to one place.

use std::pin::Pin;

use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, JobHandle, Outcome, SessionEvent, SessionEvents, Update};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;

use super::say;

/// Something the client saw. `child` says that it is of the delegated job.
pub(super) enum Report {
    Event { child: bool, event: JobEvent },
    Chunk { seq: u64, bytes: usize },
    Delegated { job_id: String },
    Ended { child: bool, outcome: Box<Outcome> },
    Lost { reason: String },
    Resumed,
    Trouble(String),
}

/// A metric, its value as it was written.
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
    call_id: String,
    error: Option<Denial>,
}

#[derive(Deserialize)]
struct Denial {
    code: String,
}

/// Reports a job and the jobs it delegates until its end.
pub(super) fn follow(
    mut job: JobHandle,
    child: bool,
    reports: UnboundedSender<Report>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // Nobody listens any more once all was said.
        let tell = |report| drop(reports.send(report));
        while let Some(update) = job.next().await {
            match update {
                Update::Event(event) => tell(Report::Event { child, event }),
                Update::Chunk(chunk) => tell(Report::Chunk { seq: chunk.seq, bytes: chunk.data.len() }),
                Update::ChunkFault(reason) => tell(Report::Trouble(reason.to_owned())),
                Update::Child(handle) => {
                    tell(Report::Delegated { job_id: handle.job_id().to_owned() });
                    tokio::spawn(follow(*handle, true, reports.clone()));
                }
                // The demonstration has no credentials.
                _ => {}
            }
        }
        match job.outcome().await {
            Ok(outcome) => tell(Report::Ended { child, outcome: Box::new(outcome) }),
            Err(end) => tell(Report::Trouble(end.to_string())),
        }
    })
}

/// Reports what happens to the session.
pub(super) async fn follow_session(mut events: SessionEvents, reports: UnboundedSender<Report>) {
    while let Some(event) = events.next().await {
        let report = match event {
            SessionEvent::Lost(reason) => Report::Lost { reason: reason.to_string() },
            SessionEvent::Live(welcome) if welcome.resumed => Report::Resumed,
            SessionEvent::Gap { from, to } => Report::Trouble(format!("the events {from} to {to} are gone")),
            SessionEvent::Notice(fault) => Report::Trouble(fault.to_string()),
            SessionEvent::Live(_) | SessionEvent::Reconnecting { .. } | SessionEvent::Over(_) => continue,
        };
        // Nobody listens any more once all was said.
        drop(reports.send(report));
    }
}

impl Report {
    /// Shows it, unless it is one of many alike.
    pub(super) fn narrate(&self) {
        match self {
            Report::Event { child, event } => {
                if let Some(what) = worth_telling(event) {
                    say(if *child { "  search" } else { "report" }, &format!("#{:<4} {what}", event.seq));
                }
            }
            Report::Chunk { .. } => {}
            Report::Delegated { job_id } => say("runtime", &format!("accepts {job_id}, delegated to search")),
            Report::Ended { child, outcome } => {
                let status = match outcome.status {
                    FinalStatus::Success => "success",
                    FinalStatus::Error => "error",
                    FinalStatus::Cancelled => "cancelled",
                    FinalStatus::TimedOut => "timed out",
                };
                let summary = outcome.summary.as_deref().map(|text| format!(", {text}")).unwrap_or_default();
                say(
                    if *child { "  search" } else { "report" },
                    &format!("#{:<4} ends: {status}{summary}", outcome.seq),
                );
            }
            Report::Lost { reason } => say("client", &format!("notices: {reason}; reconnects by itself")),
            Report::Resumed => say("client", "has RESUMED the session"),
            Report::Trouble(what) => say("client", what),
        }
    }
}

fn worth_telling(event: &JobEvent) -> Option<String> {
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
            let denial = returned.error?;
            Some(format!("tool_result  {} is refused by the lease: {}", returned.call_id, denial.code))
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
