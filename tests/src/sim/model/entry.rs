//! The content of a numbered frame, as far as the model predicts it.

use serde_json::Value;

use super::super::lease::{Cents, number};
use crate::world::{Frame, is_id};

/// An event or terminal of a job in a session's stream.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Entry {
    /// An agent's event, passed through.
    Event { kind: String, body: Value },
    /// `cost.budget.remaining`, which a full log may omit if it is optional (ours).
    Remaining { currency: String, left: f64, optional: bool },
    /// A credential was rotated; whether the value is shown depends on the reader.
    Rotated(String),
    /// The `tool_result` of a refused delegation.
    Refused { call: String, code: String },
    /// A chunk of a streamed result.
    Chunk { seq: u64, data: String, more: bool },
    /// The terminal.
    End(Ending),
}

/// The outcome of a job.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Ending {
    Value(Value),
    /// The size in decoded bytes.
    Streamed(u64),
    Fault {
        status: String,
        code: String,
    },
    /// The runtime was restarted before the job ended.
    Restarted,
}

impl Entry {
    pub(in super::super) fn event(kind: &str, body: Value) -> Entry {
        Entry::Event { kind: kind.to_owned(), body }
    }

    pub(super) fn remaining(currency: &str, left: Cents, optional: bool) -> Entry {
        Entry::Remaining { currency: currency.to_owned(), left: number(left), optional }
    }

    /// Reads the content of a frame that the runtime sent.
    pub(super) fn of(frame: &Frame) -> Entry {
        let (payload, body) = (frame.payload(), frame.body());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match (frame.kind(), frame.event()) {
            ("job.result", _) => match payload.get("result_id") {
                Some(_) => Entry::End(Ending::Streamed(payload["result_size"].as_u64().unwrap_or(u64::MAX))),
                None => Entry::End(Ending::Value(payload["result"].clone())),
            },
            ("job.error", _) if payload["details"]["reason"] == "runtime restarted" => {
                let error = payload["final_status"] == "error" && payload["code"] == "INTERNAL_ERROR";
                assert!(error, "a restart ends a job otherwise: {frame:?}");
                Entry::End(Ending::Restarted)
            }
            ("job.error", _) => {
                Entry::End(Ending::Fault { status: text(&payload["final_status"]), code: text(&payload["code"]) })
            }
            (_, "metric") if body["name"] == "cost.budget.remaining" => Entry::Remaining {
                currency: text(&body["unit"]),
                left: body["value"].as_f64().unwrap_or(f64::NAN),
                optional: false,
            },
            (_, "status") if body["phase"] == "credential_rotated" => Entry::Rotated(text(&body["id"])),
            (_, "tool_result") if body.get("error").is_some() => {
                Entry::Refused { call: text(&body["call_id"]), code: text(&body["error"]["code"]) }
            }
            (_, "result_chunk") => Entry::Chunk {
                seq: body["chunk_seq"].as_u64().unwrap_or(u64::MAX),
                data: text(&body["data"]),
                more: body["more"] == true,
            },
            (_, "delegate") => Entry::event("delegate", delegation(frame)),
            (_, kind) => Entry::event(kind, body.clone()),
        }
    }

    /// Returns the feature that a session needs to be sent this (§6.2).
    pub(super) fn needs(&self) -> Option<&'static str> {
        match self {
            Entry::Event { kind, .. } if kind == "progress" => Some("progress"),
            Entry::Chunk { .. } => Some("result_chunk"),
            _ => None,
        }
    }

    pub(super) fn is_phase(&self, phase: &str) -> bool {
        matches!(self, Entry::Event { kind, body } if kind == "status" && body["phase"] == phase)
    }

    pub(super) fn may_be_left_out(&self) -> bool {
        matches!(self, Entry::Remaining { optional: true, .. })
    }

    pub(super) fn agrees(&self, seen: &Entry) -> bool {
        match (self, seen) {
            (Entry::Remaining { currency, left, .. }, Entry::Remaining { currency: unit, left: shown, .. }) => {
                currency == unit && (left - shown).abs() < 1e-9
            }
            _ => self == seen,
        }
    }
}

/// Returns what an agent asked for with a `delegate`. The runtime adds the child's id and its lease, which has the
/// namespaces that were asked for.
fn delegation(frame: &Frame) -> Value {
    let mut body = frame.body().clone();
    let members = body.as_object_mut().expect("a body");
    let child = members.remove("child_job_id");
    assert!(child.is_some_and(|id| is_id(id.as_str().unwrap_or_default(), "job_")), "no child_job_id: {frame:?}");
    let lease = members.remove("lease");
    let namespaces = |lease: &Value| lease.as_object().map(|lease| lease.keys().cloned().collect::<Vec<_>>());
    let granted = lease.as_ref().and_then(namespaces);
    assert!(granted.is_some() && granted == namespaces(&members["lease_request"]), "not the child's lease: {frame:?}");
    body
}
