//! What happens, for programs: one JSON object per line.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_tokio::arcp::{Accepted, ChunkEvent, JobEvent, Json, Outcome, Product, Raw, SessionEvent, Subscribed};
use serde::Serialize;
use serde_json::Value;

use super::Who;
use crate::verdict::Verdict;

/// A line. Members without a value are left out.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Accepted(Granted<'a>),
    Delegated(Granted<'a>),
    Subscribed {
        job_id: &'a str,
        agent: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'a str>,
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
        job_id: &'a str,
        seq: u64,
        kind: &'a str,
        ts: &'a str,
        body: Body<'a>,
    },
    Chunk {
        job_id: &'a str,
        seq: u64,
        chunk_seq: u64,
        #[serde(flatten)]
        data: Data<'a>,
        more: bool,
    },
    ChildOutcome(End<'a>),
    Outcome(End<'a>),
    Session(Session<'a>),
    /// There is no outcome.
    Error {
        message: String,
        exit_code: u8,
    },
}

#[derive(Serialize)]
pub(super) struct Granted<'a> {
    job_id: &'a str,
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_job_id: Option<&'a str>,
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
    AsItIs(&'a Json),
    Redacted(Value),
}

/// A piece of a result: as the text it was sent as, or in Base64.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Data<'a> {
    Text(&'a str),
    Base64(String),
}

#[derive(Serialize)]
pub(super) struct End<'a> {
    job_id: &'a str,
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
    Resumed { session_id: &'a str },
    Lost { reason: String },
    Reconnecting { attempt: u32 },
    Gap { from: u64, to: u64 },
    Notice { code: &'a str, message: &'a str },
}

impl<'a> Line<'a> {
    pub(super) fn accepted(who: &'a Who, info: &'a Accepted) -> Line<'a> {
        let granted = Granted {
            job_id: &who.job_id,
            agent: &who.agent,
            trace_id: info.trace_id.map(|id| id.to_string()),
            parent_job_id: info.parent_job_id.as_deref(),
            delegate_id: info.delegate_id.as_deref(),
            lease: raw(info.lease.as_ref()),
            lease_constraints: raw(info.lease_constraints.as_ref()),
            budget: amounts(&info.budget),
            accepted_at: info.accepted_at.as_deref(),
        };
        if who.child { Line::Delegated(granted) } else { Line::Accepted(granted) }
    }

    pub(super) fn subscribed(who: &'a Who, info: &'a Subscribed) -> Line<'a> {
        Line::Subscribed {
            job_id: &who.job_id,
            agent: &who.agent,
            status: info.current_status.as_deref(),
            trace_id: info.trace_id.map(|id| id.to_string()),
            lease: raw(info.lease.as_ref()),
            budget: amounts(&info.budget),
            replayed: info.replayed,
            history_truncated: info.history_truncated,
        }
    }

    pub(super) fn event(who: &'a Who, event: &'a JobEvent) -> Line<'a> {
        let text = event.body.as_str();
        let body = if super::is_rotation(&event.kind, text) {
            Body::Redacted(redacted(text))
        } else {
            event.body.parse().map_or(Body::Redacted(Value::Null), Body::AsItIs)
        };
        Line::Event { job_id: &who.job_id, seq: event.seq, kind: event.kind.as_str(), ts: event.ts(), body }
    }

    pub(super) fn chunk(who: &'a Who, chunk: &'a ChunkEvent) -> Line<'a> {
        let data = match std::str::from_utf8(&chunk.data) {
            Ok(text) if chunk.text => Data::Text(text),
            Ok(_) | Err(_) => Data::Base64(STANDARD.encode(&chunk.data)),
        };
        Line::Chunk { job_id: &who.job_id, seq: chunk.seq, chunk_seq: chunk.chunk_seq, data, more: chunk.more }
    }

    pub(super) fn child_outcome(who: &'a Who, outcome: &'a Outcome) -> Line<'a> {
        Line::ChildOutcome(End::new(who, outcome))
    }

    /// The last line.
    pub(super) fn outcome(who: &'a Who, outcome: &'a Outcome, file: Option<String>, verdict: Verdict) -> Line<'a> {
        let end = End::new(who, outcome);
        let result = end.result.filter(|_| file.is_none());
        Line::Outcome(End { result, output: file, exit_code: Some(verdict.code()), ..end })
    }
}

impl<'a> End<'a> {
    fn new(who: &'a Who, outcome: &'a Outcome) -> End<'a> {
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
            job_id: &who.job_id,
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

/// What becomes of the connection, where it is worth a line.
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

/// Exact decimals, so as text.
fn amounts(budget: &[(String, String)]) -> BTreeMap<&str, &str> {
    budget.iter().map(|(currency, amount)| (currency.as_str(), amount.as_str())).collect()
}

/// A rotated credential without its value (§9.8.2).
fn redacted(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(value) = body.get_mut("value") {
        *value = Value::from("redacted");
    }
    body
}
