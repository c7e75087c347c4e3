//! Restoring from journals that no runtime has written.

use std::sync::OnceLock;
use std::time::Duration;

use arbitrary::Unstructured;
use nuncio_core::arcp::{
    AgentSpec, Body, Config, ConnId, Event, JobResult, Journaling, OnRestart, Output, Question, Record, Runtime, Via,
};
use nuncio_core::time::Time;
use serde_json::{Value, json};

use crate::world::{START, World, json_text};

/// The records of a run, one per line, and its sessions with their resume tokens.
struct Run {
    lines: Vec<Vec<u8>>,
    sessions: Vec<(String, String)>,
}

/// A run with ended and running jobs, a delegation, an idempotency key, a credential, subscriptions, acks and a resume.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let mut w = World::with(|config| {
            config.journal = Journaling::Kept;
            config.provisioner = true;
        });
        let (a, b) = (w.login("tok-alice"), w.login("tok-alice2"));
        let lease = json!({"agent.delegate": ["*"], "cost.budget": ["USD:5.00"], "model.use": ["tier/*"]});
        let first = w.submit(a, json!({"agent": "slow", "lease_request": lease, "idempotency_key": "k"}));
        w.cost(&first, "0.25", "USD");
        w.delegate(&first, &json!({"agent": "slow", "delegate_id": "d1", "lease_request": {"cost.budget": ["USD:1"]}}))
            .expect("a child");
        let question = Question::new("Go on?").choices(["yes", "no"]);
        w.ask(&first, &question).expect("a question");
        w.ask(&first, &Question::new("Why?").deadline(Duration::from_mins(1)).default("because")).expect("a question");
        w.send(a, "x-vendor.nuncio.answer", json!({"job_id": first.id, "question_id": "q1", "value": "yes"}));
        w.subscribe(b, json!({"job_id": first.id, "history": true}));
        w.drain(a);
        w.drain(b);
        let second = w.submit(b, json!({"agent": "echo", "max_runtime_sec": 60}));
        w.log(&second, "one");
        w.finish(&second, "7");
        w.send(b, "session.ack", json!({"last_processed_seq": 3}));
        w.subscribe(a, json!({"job_id": second.id, "history": true}));
        w.drain(a);
        let a = w.resume(a, 2);
        w.send(a, "job.cancel", json!({"job_id": first.id}));
        w.log(&first, "two");
        let sessions = [a, b].map(|conn| (w.session(conn), w.token(conn)));
        let lines = w.stored.iter().map(|(_, record)| record.encode()).collect();
        Run { lines, sessions: sessions.into() }
    })
}

/// A runtime that is restored from any records holds little memory and serves clients.
///
/// In the first byte, bit 0 selects whether lines follow (each with its record number in front, unless it is the next
/// one) or changes to the records of a run; bit 1 selects a journal that can be read back; bit 2 selects small limits.
pub fn restore_records(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let lines = if first & 1 == 0 { written(data) } else { changed(&mut Unstructured::new(data)) };
    let mut records = Vec::new();
    for (seq, line) in lines {
        match Record::decode(&line) {
            Ok(record) => {
                let again = Record::decode(&record.encode());
                assert_eq!(again.as_ref().map(Record::encode), Ok(record.encode()), "a record is read back unchanged");
                records.push((seq, record));
            }
            // Whether a journal stops at such a record or skips it, the message says why.
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let count = records.len() as u64;
    let agents = [
        AgentSpec { on_restart: OnRestart::Rerun, max_concurrent: Some(1), ..AgentSpec::new("echo") },
        AgentSpec { on_restart: OnRestart::Rerun, ..AgentSpec::new("slow") },
    ];
    let (runtime, restored) =
        Runtime::restore(config(*first), agents, [5; 32], START, records.iter().cloned()).expect("valid names");
    assert_eq!(restored.applied + restored.repeated + restored.ignored, count, "{restored:?}");
    let mut served = Served { runtime, records, after: restored.last_store, sent: Vec::new() };
    served.drain();
    served.assert_small();
    for (session, token) in &run().sessions {
        served.resume(session, token);
    }
    served.fresh();
    served.assert_small();
    for seconds in [1, 700, 100_000] {
        served.runtime.handle_timeout(START.plus_secs(seconds));
        served.drain();
    }
    served.runtime.handle_timeout(Time::MAX);
    served.drain();
    served.assert_small();
}

/// Returns the lines of a file with their record numbers.
fn written(data: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut next = 1;
    let mut lines = Vec::new();
    for line in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&line[..digits]).ok().and_then(|digits| digits.parse().ok());
        let seq: u64 = number.unwrap_or(next);
        next = seq.saturating_add(1);
        lines.push((seq, line[digits..].to_vec()));
    }
    lines
}

/// Returns the records of a run with some of them altered, dropped, repeated, moved, truncated or renumbered.
fn changed(bytes: &mut Unstructured<'_>) -> Vec<(u64, Vec<u8>)> {
    let mut lines: Vec<(u64, Vec<u8>)> = (1..).zip(run().lines.iter().cloned()).collect();
    for _ in 0..40 {
        if bytes.is_empty() || lines.is_empty() {
            break;
        }
        let mut place = |lines: &[_]| bytes.int_in_range(0..=lines.len() - 1).unwrap_or(0);
        let (one, other) = (place(&lines), place(&lines));
        match bytes.int_in_range(0..=7).unwrap_or(0_u8) {
            0 => drop(lines.remove(one)),
            1 => {
                let line = lines[one].clone();
                lines.insert(other, line);
            }
            2 => lines.swap(one, other),
            3 => {
                // The text moves to another place, with the number of that place.
                let text = lines[one].1.clone();
                lines[other].1 = text;
            }
            4 => lines.truncate(one),
            5 => lines[one].0 = bytes.arbitrary().unwrap_or(0),
            6 => {
                let text = &mut lines[one].1;
                let at = bytes.int_in_range(0..=text.len().max(1) - 1).unwrap_or(0);
                if let (Some(byte), Ok(new)) = (text.get_mut(at), bytes.arbitrary()) {
                    *byte = new;
                }
            }
            _ => {
                // The last number in the text is replaced.
                let number = bytes.arbitrary::<u64>().unwrap_or(0).to_string();
                let text = &mut lines[one].1;
                if let Some(at) = text.iter().rposition(u8::is_ascii_digit) {
                    let from = text[..at].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
                    text.splice(from..=at, number.into_bytes());
                }
            }
        }
    }
    lines
}

fn config(flags: u8) -> Config {
    let mut config = Config::default().with(|config| {
        config.provisioner = true;
        config.journal = Journaling::Kept;
    });
    if flags & 2 != 0 {
        config.journal = Journaling::Readable;
        config.limits.history_events = 2;
    }
    if flags & 4 != 0 {
        config.limits.log_events = 4;
        config.limits.log_bytes = 4 << 10;
        config.limits.history_events = 3;
        config.limits.retained_jobs = 2;
        config.limits.idempotency_records = 1;
        config.limits.jobs = 2;
        config.limits.subscriptions = 1;
        config.limits.submit_ids = 1;
    }
    config
}

/// A restored runtime with its host and its journal.
struct Served {
    runtime: Runtime,
    records: Vec<(u64, Record)>,
    after: u64,
    /// Frames that were sent since the list was last cleared.
    sent: Vec<(ConnId, Value)>,
}

impl Served {
    fn drain(&mut self) {
        while let Some(output) = self.runtime.poll_output() {
            match output {
                Output::Store { seq, record } => {
                    assert_eq!(seq, self.after + 1, "store numbers continue");
                    self.after = seq;
                    self.runtime.handle_stored(START, seq);
                    self.records.push((seq, record));
                }
                Output::Send { conn, frame, .. } => {
                    let frame: Value = serde_json::from_slice(&frame).expect("a frame is JSON");
                    self.sent.push((conn, frame));
                    self.runtime.handle_sent(START, conn, 1);
                }
                Output::Event { event, .. } => self.answer(&event),
                Output::Reading { .. } | Output::Close { .. } => {}
            }
        }
    }

    fn answer(&mut self, event: &Event) {
        match *event {
            Event::Authenticate { conn, .. } => {
                self.runtime.admit(START, conn, "alice").expect("the connection is waiting for this answer");
            }
            Event::Submitted { job, .. } => {
                self.runtime.start(START, job, Vec::new()).expect("the job is waiting for this answer");
            }
            Event::Start { job } => {
                self.runtime.emit(START, job, &Body::thought("at work")).expect("a running job");
                let done = json_text("1");
                self.runtime.finish(START, job, JobResult::Inline(&done)).expect("a running job");
            }
            // A journal that ignores the requested range.
            Event::Replay { replay, max_events, .. } => {
                let records: Vec<Record> = self.records.iter().map(|(_, record)| record.clone()).collect();
                let first = records.get(..max_events).unwrap_or(&records);
                self.runtime.replay(START, replay, first, false).expect("the runtime is waiting for this replay");
            }
            Event::Revoke { revocation, .. } => {
                self.runtime.revoked(START, revocation).expect("the runtime is waiting for this answer");
            }
            _ => {}
        }
    }

    fn hello(&mut self, payload: &Value) -> ConnId {
        let conn = self.runtime.handle_open(START, Via::Memory);
        self.send(conn, "h", "session.hello", payload);
        conn
    }

    fn send(&mut self, conn: ConnId, id: &str, kind: &str, payload: &Value) {
        let frame = json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}).to_string();
        self.runtime.handle_frame(START, conn, frame.as_bytes());
        self.drain();
    }

    /// A resume is refused, or the numbers continue without a gap.
    fn resume(&mut self, session: &str, token: &str) {
        for last in [0, 3] {
            self.sent.clear();
            let resume = json!({"session_id": session, "resume_token": token, "last_event_seq": last});
            let conn = self.hello(&json!({"auth": {"scheme": "bearer", "token": "t"}, "resume": resume}));
            let mut next = last + 1;
            for (_, frame) in self.sent.iter().filter(|(to, _)| *to == conn) {
                if let Some(seq) = frame["event_seq"].as_u64() {
                    assert_eq!(seq, next, "§8.3: {frame}");
                    next += 1;
                }
            }
            self.runtime.handle_close(START, conn);
            self.drain();
        }
    }

    /// A new client can use the runtime.
    fn fresh(&mut self) {
        self.sent.clear();
        let conn = self.hello(&json!({"auth": {"scheme": "bearer", "token": "t"}, "capabilities": {"features": []}}));
        self.send(conn, "s", "job.submit", &json!({"agent": "echo", "input": 1}));
        let kinds: Vec<&str> = self.sent.iter().filter_map(|(_, frame)| frame["type"].as_str()).collect();
        let expected = ["session.welcome", "job.accepted", "job.event", "job.event", "job.result"];
        assert_eq!(kinds, expected, "{:?}", self.sent);
        let numbers: Vec<u64> = self.sent.iter().filter_map(|(_, frame)| frame["event_seq"].as_u64()).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    fn assert_small(&self) {
        let held = self.runtime.bytes_held();
        assert!(held < 4 << 20, "{held} bytes are held");
    }
}
