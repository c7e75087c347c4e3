//! What a frame of a client asks for, as far as its refusal depends on it.

use alloc::boxed::Box;

use serde::Deserialize;

use crate::arcp::wire::envelope::Envelope;
use crate::json::Text;
use crate::trace::TraceId;

/// What the refused frame asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A session.
    Hello,
    /// A job of this agent, under this trace.
    Submit { agent: Option<Box<str>>, trace_id: Option<TraceId> },
    /// A list of jobs.
    List,
    /// A subscription to this job.
    Subscribe { job: Option<Box<str>> },
    /// A cancel.
    Cancel,
    /// Anything else, or nothing that could be read.
    Other,
}

impl Asked {
    /// Returns what a frame asks for.
    pub(super) fn of(envelope: &Envelope<'_>) -> Asked {
        match envelope.kind.as_ref().map_or("", Text::as_str) {
            "job.submit" => Asked::Submit {
                agent: named(envelope, |payload| payload.agent),
                trace_id: envelope.trace_id.as_ref().and_then(|text| TraceId::parse_lenient(text.as_str())),
            },
            "job.subscribe" => Asked::Subscribe {
                job: named(envelope, |payload| payload.job_id)
                    .or_else(|| envelope.job_id.as_ref().map(|id| id.as_str().into())),
            },
            other => Asked::of_kind(other),
        }
    }

    /// Returns what a frame of this type asks for, if no more of it could be read.
    pub(super) fn of_kind(kind: &str) -> Asked {
        match kind {
            "session.hello" | "session.resume" => Asked::Hello,
            "job.submit" => Asked::Submit { agent: None, trace_id: None },
            "session.list_jobs" => Asked::List,
            "job.subscribe" => Asked::Subscribe { job: None },
            "job.cancel" => Asked::Cancel,
            _ => Asked::Other,
        }
    }
}

/// The member of a refused payload that its refusal repeats.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    agent: Option<Text<'a>>,
    #[serde(borrow)]
    job_id: Option<Text<'a>>,
}

fn named<'a>(envelope: &Envelope<'a>, member: impl Fn(Named<'a>) -> Option<Text<'a>>) -> Option<Box<str>> {
    // A payload that cannot be read names nothing.
    let payload: Named<'a> = serde_json::from_str(envelope.payload?.get()).ok()?;
    member(payload).map(|text| text.as_str().into())
}
