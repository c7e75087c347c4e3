//! The output for programs: one JSON object per line.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_tokio::arcp::{
    Accepted, ChunkEvent, JobEvent, JobId, Json, Outcome, Product, Raw, SessionEvent, SessionId, Subscribed,
};
use serde::Serialize;
use serde_json::Value;

use super::job::FollowedJob;
use super::redact;
use crate::exit::Exit;

/// A line. Members without a value are omitted.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Accepted(Granted<'a>),
    Delegated(Granted<'a>),
    Subscribed {
        job_id: &'a JobId,
        agent: &'a str,
        #[serde(flatten)]
        numbering: Numbering<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        accepted_at: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trace_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lease: Option<&'a Json>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        budget: BTreeMap<&'a str, &'a str>,
        replayed: bool,
        history_truncated: bool,
    },
    Event {
        job_id: &'a JobId,
        seq: u64,
        kind: &'a str,
        ts: &'a str,
        body: Body<'a>,
    },
    Chunk {
        job_id: &'a JobId,
        seq: u64,
        chunk_seq: u64,
        #[serde(flatten)]
        data: Data<'a>,
        more: bool,
    },
    ChildOutcome(End<'a>),
    Outcome(End<'a>),
    Session(Session<'a>),
    /// The last line, instead of an outcome.
    Error {
        message: String,
        exit_code: u8,
    },
}

/// Which session the members `seq` of the lines count in: that of the command.
#[derive(Serialize)]
pub(super) struct Numbering<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numbering: Option<&'static str>,
}

impl<'a> Numbering<'a> {
    fn of(session_id: Option<&'a SessionId>) -> Numbering<'a> {
        Numbering { session_id, numbering: session_id.map(|_| "session") }
    }
}

#[derive(Serialize)]
pub(super) struct Granted<'a> {
    job_id: &'a JobId,
    agent: &'a str,
    #[serde(flatten)]
    numbering: Numbering<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_job_id: Option<&'a JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegate_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_constraints: Option<&'a Json>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    budget: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body<'a> {
    Verbatim(&'a Json),
    Redacted(Value),
}

/// The data of a chunk: text if it was sent as text, Base64 otherwise.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Data<'a> {
    Text(&'a str),
    Base64(String),
}

#[derive(Serialize)]
pub(super) struct End<'a> {
    job_id: &'a JobId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    streamed_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

#[derive(Serialize)]
pub(super) struct Fault<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Json>,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Session<'a> {
    Resumed { session_id: &'a SessionId },
    Lost { reason: String },
    Reconnecting { attempt: u32 },
    Gap { from: u64, to: u64 },
    Notice { code: &'a str, message: &'a str },
}

impl<'a> Line<'a> {
    pub(super) fn accepted(job: &'a FollowedJob, info: &'a Accepted, session: Option<&'a SessionId>) -> Line<'a> {
        let granted = Granted {
            job_id: &job.job_id,
            agent: &job.agent,
            numbering: Numbering::of(session),
            trace_id: info.trace_id.map(|id| id.to_string()),
            parent_job_id: info.parent_job_id.as_ref(),
            delegate_id: info.delegate_id.as_deref(),
            lease: raw(info.lease.as_ref()),
            lease_constraints: raw(info.lease_constraints.as_ref()),
            budget: amounts(&info.budget),
            accepted_at: info.accepted_at.as_deref(),
        };
        if job.is_child { Line::Delegated(granted) } else { Line::Accepted(granted) }
    }

    pub(super) fn subscribed(job: &'a FollowedJob, info: &'a Subscribed, session: Option<&'a SessionId>) -> Line<'a> {
        Line::Subscribed {
            job_id: &job.job_id,
            agent: &job.agent,
            numbering: Numbering::of(session),
            status: info.current_status.as_deref(),
            accepted_at: info.accepted_at.as_deref(),
            trace_id: info.trace_id.map(|id| id.to_string()),
            lease: raw(info.lease.as_ref()),
            budget: amounts(&info.budget),
            replayed: info.replayed,
            history_truncated: info.history_truncated,
        }
    }

    pub(super) fn event(job: &'a FollowedJob, event: &'a JobEvent) -> Line<'a> {
        let text = event.body.as_str();
        let body = match redact::rotated(&event.kind, text) {
            Some(id) => Body::Redacted(redact::rotation(&id)),
            None => event.body.parse().map_or(Body::Redacted(Value::Null), Body::Verbatim),
        };
        Line::Event { job_id: &job.job_id, seq: event.seq, kind: event.kind.as_str(), ts: event.ts(), body }
    }

    pub(super) fn chunk(job: &'a FollowedJob, chunk: &'a ChunkEvent) -> Line<'a> {
        let data = match std::str::from_utf8(&chunk.data) {
            Ok(text) if chunk.text => Data::Text(text),
            Ok(_) | Err(_) => Data::Base64(STANDARD.encode(&chunk.data)),
        };
        Line::Chunk { job_id: &job.job_id, seq: chunk.seq, chunk_seq: chunk.chunk_seq, data, more: chunk.more }
    }

    pub(super) fn child_outcome(job: &'a FollowedJob, outcome: &'a Outcome) -> Line<'a> {
        Line::ChildOutcome(End::new(job, outcome))
    }

    /// The last line.
    pub(super) fn outcome(job: &'a FollowedJob, outcome: &'a Outcome, file: Option<String>, exit: Exit) -> Line<'a> {
        let end = End::new(job, outcome);
        let result = end.result.filter(|_| file.is_none());
        Line::Outcome(End { result, output: file, exit_code: Some(exit.code()), ..end })
    }
}

impl<'a> End<'a> {
    fn new(job: &'a FollowedJob, outcome: &'a Outcome) -> End<'a> {
        let (result, streamed_bytes) = match &outcome.result {
            Product::Inline(result) => (raw(Some(result)), None),
            Product::Streamed { bytes, .. } => (None, Some(*bytes)),
            Product::None | Product::Unknown => (None, None),
        };
        let error = outcome.fault.as_ref().map(|fault| Fault {
            code: &fault.code,
            message: &fault.message,
            retryable: fault.retryable,
            details: raw(fault.details.as_ref()),
        });
        End {
            job_id: &job.job_id,
            status: outcome.status.as_str(),
            result,
            streamed_bytes,
            output: None,
            summary: outcome.summary.as_deref(),
            error,
            completed_at: outcome.completed_at.as_deref(),
            exit_code: None,
        }
    }
}

/// The line for a change of the connection; `None` for the first connection and the end of the session.
pub(super) fn session(event: &SessionEvent) -> Option<Line<'_>> {
    Some(Line::Session(match event {
        SessionEvent::Live(welcome) if welcome.resumed => Session::Resumed { session_id: &welcome.session_id },
        SessionEvent::Lost(reason) => Session::Lost { reason: reason.to_string() },
        SessionEvent::Reconnecting { attempt, .. } => Session::Reconnecting { attempt: *attempt },
        SessionEvent::Gap { from, to } => Session::Gap { from: *from, to: *to },
        SessionEvent::Notice(fault) => Session::Notice { code: &fault.code, message: &fault.message },
        SessionEvent::Live(_) | SessionEvent::Over(_) => return None,
    }))
}

fn raw(raw: Option<&Raw>) -> Option<&Json> {
    raw.and_then(|raw| raw.parse().ok())
}

/// Amounts stay text, because they are exact decimals.
fn amounts(budget: &[(String, String)]) -> BTreeMap<&str, &str> {
    budget.iter().map(|(currency, amount)| (currency.as_str(), amount.as_str())).collect()
}
