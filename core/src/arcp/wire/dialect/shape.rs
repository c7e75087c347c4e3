//! Frames, as the clients of a dialect read them. Numbered ones are made from the specification's form alone, so that what a
//! session was sent can be made again from a journal.

use alloc::string::String;
use core::fmt::Write as _;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Dialect;
use crate::arcp::wire::ids::{EnvelopeId, JobUlid, ReplyId};
use crate::json::{Object, Text, present, without_member};

/// How the payload of a `delegate` event begins.
const DELEGATE: &[u8] = b"{\"kind\":\"delegate\",";

/// The members of a terminal that a dialect may show in another way.
#[derive(Deserialize)]
struct Terminal<'a> {
    #[serde(borrow)]
    final_status: Text<'a>,
    #[serde(borrow)]
    completed_at: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
}

/// The payload of a `delegate` event.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    ts: Text<'a>,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Dialect {
    /// Returns the type and payload of a job's numbered frame in this dialect. The arguments are those of the
    /// specification's form.
    pub(crate) fn numbered(self, job: JobUlid, kind: &'static str, payload: &Bytes) -> (&'static str, Bytes) {
        let shaped = match kind {
            "job.event" if self.row().hides_leases && payload.starts_with(DELEGATE) => {
                delegate(payload).map(|text| (kind, text))
            }
            "job.result" | "job.error" if self.changes_terminals() => self.terminal(job, kind, payload),
            _ => None,
        };
        match shaped {
            Some((kind, text)) => (kind, text.into()),
            None => (kind, payload.clone()),
        }
    }

    /// Adds the id of the request that a payload answers.
    pub(crate) fn answers(self, object: Object, request_id: Option<&str>) -> Object {
        let object = object.opt_text("request_id", request_id);
        object.opt_text("reply_to", request_id.filter(|_| self.row().reply_to))
    }

    /// Returns the envelope id of a reply; `own` is the one that the specification's form has.
    pub(crate) fn reply_id(self, own: EnvelopeId, request_id: Option<&str>) -> ReplyId<'_> {
        match request_id {
            Some(request_id) if self.row().reply_has_request_id => ReplyId::Request(request_id),
            _ => ReplyId::Own(own),
        }
    }

    fn changes_terminals(self) -> bool {
        self.row().ends_by_result || self.row().output || self.row().job_id_in_terminals
    }

    fn terminal(self, job: JobUlid, kind: &'static str, payload: &Bytes) -> Option<(&'static str, String)> {
        let text = core::str::from_utf8(payload).ok()?;
        let terminal: Terminal<'_> = serde_json::from_str(text).ok()?;
        let status = terminal.final_status.as_str();
        if self.row().ends_by_result && matches!(status, "cancelled" | "timed_out") {
            let object =
                Object::new().text("final_status", status).text("completed_at", terminal.completed_at.as_str());
            return Some(("job.result", object.close()));
        }
        let mut out = String::with_capacity(text.len() + 64);
        out.push_str(text.strip_suffix('}')?);
        if let Some(result) = terminal.result.filter(|_| self.row().output) {
            out.push_str(",\"output\":");
            out.push_str(result.get());
        }
        if self.row().job_id_in_terminals {
            // Writing to a String cannot fail.
            let _ = write!(out, ",\"job_id\":\"{job}\"");
        }
        out.push('}');
        Some((kind, out))
    }

    /// Returns the bytes that an inline result of this length takes in its frame.
    pub(crate) fn inline_len(self, result: usize) -> usize {
        if self.row().output { result.saturating_mul(2).saturating_add(16) } else { result }
    }
}

/// Returns the payload of a `delegate` without the child's lease.
fn delegate(payload: &Bytes) -> Option<String> {
    let event: Event<'_> = serde_json::from_slice(payload).ok()?;
    let body = without_member(event.body.get(), "lease")?;
    Some(Object::new().plain("kind", "delegate").text("ts", event.ts.as_str()).json("body", &body).close())
}
