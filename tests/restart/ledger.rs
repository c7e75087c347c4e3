//! What a client was sent in its session, which no restart may change.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A frame as it is parsed.
#[derive(Debug, Deserialize)]
struct Read<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    job_id: Option<String>,
    event_seq: Option<u64>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// A frame that was checked.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: String,
    pub(crate) job: String,
    pub(crate) payload: Value,
    /// Whether the frame is numbered and was received for the first time.
    pub(crate) fresh: bool,
}

/// What was received on one connection.
#[derive(Debug)]
pub(crate) struct Connected {
    /// The number that the next event must have.
    next: u64,
    announced: HashSet<String>,
}

impl Connected {
    pub(crate) fn after(last: u64) -> Connected {
        Connected { next: last + 1, announced: HashSet::new() }
    }

    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    owner: bool,
    frames: BTreeMap<u64, String>,
    /// The payload of every `job.accepted`, by the id of its envelope.
    announcements: HashMap<String, Value>,
    jobs: HashMap<String, Job>,
    /// The number of frames that were received again and compared.
    pub(crate) compared: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Job {
    /// Its `job.accepted`, without the members that may differ.
    accepted: Option<Value>,
    first: Option<u64>,
    /// The payloads of its events, in order.
    pub(crate) events: Vec<String>,
    /// The number and payload of its first terminal.
    pub(crate) terminal: Option<(u64, String)>,
    cancelled: bool,
}

impl Ledger {
    /// Creates a ledger. With `owner`, all its jobs belong to the session.
    pub(crate) fn of(owner: bool) -> Ledger {
        Ledger { owner, ..Ledger::default() }
    }

    pub(crate) fn highest(&self) -> u64 {
        self.frames.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = (&String, &Job)> {
        self.jobs.iter()
    }

    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// Checks and records a frame.
    ///
    /// # Panics
    /// If the frame breaks a rule.
    pub(crate) fn take(&mut self, on: &mut Connected, text: &str) -> Frame {
        let read: Read<'_> = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let job = read.job_id.clone().unwrap_or_default();
        let payload: Value = serde_json::from_str(read.payload.get()).unwrap();
        let mut fresh = false;
        match read.event_seq {
            Some(seq) => {
                assert_eq!(seq, on.next, "the numbers have no gap: {text}");
                on.next += 1;
                fresh = self.numbered(on, seq, &job, &read, &payload, text);
            }
            None if read.kind == "job.accepted" => {
                on.announced.insert(job.clone());
                self.accepted(&job, &read.id, payload.clone());
            }
            None if read.kind == "job.cancelled" => self.jobs.entry(job.clone()).or_default().cancelled = true,
            None => {}
        }
        Frame { kind: read.kind, job, payload, fresh }
    }

    fn numbered(&mut self, on: &Connected, seq: u64, job: &str, read: &Read<'_>, payload: &Value, text: &str) -> bool {
        let known = self.jobs.entry(job.to_owned()).or_default();
        let first = *known.first.get_or_insert(seq) == seq;
        if self.owner && first {
            assert!(on.announced.contains(job), "job.accepted precedes the first event: {text}");
        }
        if let Some(before) = self.frames.get(&seq) {
            assert!(before == text || is_redacted(before, text), "{seq} was\n  {before}\nand is\n  {text}");
            self.compared += 1;
            return false;
        }
        assert!(self.frames.keys().next_back().is_none_or(|last| *last < seq), "number {seq} is out of order: {text}");
        self.frames.insert(seq, text.to_owned());
        let raw = read.payload.get().to_owned();
        if read.kind == "job.event" {
            if self.owner {
                assert!(known.terminal.is_none(), "an event after the terminal: {text}");
            }
            known.events.push(raw);
        } else {
            let reason = payload.pointer("/details/reason").and_then(Value::as_str);
            match (payload["final_status"].as_str(), payload["code"].as_str(), reason) {
                (Some("success"), None, None) => assert!(!known.cancelled, "the job was cancelled: {text}"),
                (Some("cancelled"), Some("CANCELLED"), None) => {}
                (Some("error"), Some("INTERNAL_ERROR"), Some("runtime restarted")) => {
                    assert!(!known.cancelled, "the job was cancelled: {text}");
                }
                _ => panic!("an unexpected terminal: {text}"),
            }
            match &known.terminal {
                Some((_, before)) => assert_eq!(*before, raw, "a job ends once"),
                None => known.terminal = Some((seq, raw)),
            }
        }
        true
    }

    fn accepted(&mut self, job: &str, envelope: &str, mut payload: Value) {
        let members = payload.as_object_mut().unwrap();
        // Credentials are shown with their current values, which may differ.
        members.remove("credentials");
        if let Some(before) = self.announcements.insert(envelope.to_owned(), payload.clone()) {
            assert_eq!(before, payload, "a job.accepted is repeated unchanged");
        }
        payload.as_object_mut().unwrap().remove("request_id");
        let known = self.jobs.entry(job.to_owned()).or_default();
        match &known.accepted {
            Some(before) => assert_eq!(*before, payload, "a job is accepted once"),
            None => known.accepted = Some(payload),
        }
    }
}

/// Returns whether `now` is `before` without the value of a rotated credential, which is sent only once (§9.8.2).
fn is_redacted(before: &str, now: &str) -> bool {
    let mut before: Value = serde_json::from_str(before).unwrap();
    let now: Value = serde_json::from_str(now).unwrap();
    before["payload"]["body"]["phase"] == "credential_rotated"
        && before["payload"]["body"].as_object_mut().is_some_and(|body| body.remove("value").is_some())
        && before == now
}
