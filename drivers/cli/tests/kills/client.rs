//! A client that submits jobs, and resumes its session whenever the server was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use nuncio_tests::raw::text;
use nuncio_tests::wire::Wire;
use serde_json::{Value, json};

use super::server::Site;

/// Jobs in flight at a time.
const AT_ONCE: usize = 4;
/// The events after which a client acknowledges.
const ACK_EVERY: u64 = 50;
/// With the last one, each job.accepted precedes the first event of its job after a resume, too.
const FEATURES: [&str; 5] = ["list_jobs", "result_chunk", "progress", "ack", "x-vendor.nuncio.accepted_replay"];

/// What a client has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    pub(crate) ended: usize,
    /// Jobs that ended in an error, because the server was killed while they ran.
    pub(crate) interrupted: usize,
    pub(crate) events: usize,
    pub(crate) events_lost: usize,
    pub(crate) events_twice: usize,
}

pub(crate) struct Client {
    number: usize,
    /// What a resume needs: null before the first welcome.
    session: Value,
    token: String,
    highest: u64,
    submits: u64,
    attempts: u64,
    /// Submits without an answer, by their number.
    asked: BTreeSet<u64>,
    /// The jobs that submits were answered with.
    accepted: BTreeMap<u64, String>,
    /// Jobs that have not ended, with the next step that they report.
    live: BTreeMap<String, u64>,
    /// The terminals of the others.
    ended: BTreeMap<String, Value>,
    tally: Tally,
}

impl Client {
    pub(crate) fn new(number: usize) -> Client {
        Client {
            number,
            session: Value::Null,
            token: String::new(),
            highest: 0,
            submits: 0,
            attempts: 0,
            asked: BTreeSet::new(),
            accepted: BTreeMap::new(),
            live: BTreeMap::new(),
            ended: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Submits jobs until the last server stays, and waits until all have ended.
    pub(crate) fn work(mut self, site: &Site) -> Tally {
        loop {
            let url = site.url();
            match self.converse(&url, site) {
                Ok(()) => return self.tally,
                // Only the last server must not end.
                Err(error) if site.is_finishing() && site.url() == url => {
                    panic!("client {}: {error}, and {} jobs have not ended", self.number, self.live.len())
                }
                Err(_) => {}
            }
        }
    }

    fn converse(&mut self, url: &str, site: &Site) -> io::Result<()> {
        let resume = match &self.session {
            Value::Null => Value::Null,
            id => json!({"session_id": id, "resume_token": self.token, "last_event_seq": self.highest}),
        };
        let (mut wire, welcome) = match Wire::greet(url, "t", &FEATURES, &resume) {
            Ok(greeted) => greeted,
            Err(error) => {
                assert!(!error.to_string().starts_with('{'), "client {} is refused: {error}", self.number);
                return Err(error);
            }
        };
        self.token = text(&welcome, "/payload/resume_token");
        let session = text(&welcome, "/session_id");
        assert!(self.session.is_null() || self.session == session, "the session is resumed");
        self.session = session.into();
        // Whether they were accepted is not known.
        for number in self.asked.clone() {
            self.submit(&mut wire, number)?;
        }
        loop {
            while !site.is_finishing() && self.asked.len() + self.live.len() < AT_ONCE {
                self.submits += 1;
                self.asked.insert(self.submits);
                self.submit(&mut wire, self.submits)?;
            }
            if self.asked.is_empty() && self.live.is_empty() && site.is_finishing() {
                return Ok(());
            }
            let frame = wire.read()?;
            site.received();
            let frame = serde_json::from_str(&frame).map_err(io::Error::other)?;
            self.take(&frame);
            if self.highest > 0 && self.highest.is_multiple_of(ACK_EVERY) {
                wire.request("session.ack", &json!({"last_processed_seq": self.highest}))?;
            }
        }
    }

    fn submit(&mut self, wire: &mut Wire, number: u64) -> io::Result<()> {
        let (agent, input) = match number % 3 {
            0 => ("progress", json!({"n": 40 + number % 60})),
            1 => ("slow", json!({"ticks": 20, "tick_ms": 1})),
            _ => ("echo", json!({"n": number})),
        };
        let key = format!("client-{}-{number}", self.number);
        self.attempts += 1;
        let id = format!("{number}-{}", self.attempts);
        let payload = json!({"agent": agent, "input": input, "idempotency_key": key});
        wire.send_text(&json!({"arcp": "1.1", "id": id, "type": "job.submit", "payload": payload}).to_string())
    }

    fn take(&mut self, frame: &Value) {
        let job = text(frame, "/job_id");
        let kind = text(frame, "/type");
        if let Some(seq) = frame["event_seq"].as_u64() {
            if seq <= self.highest {
                self.tally.events_twice += 1;
                return;
            }
            self.tally.events_lost += usize::try_from(seq - self.highest - 1).unwrap_or(usize::MAX);
            self.tally.events += 1;
            self.highest = seq;
        }
        match kind.as_str() {
            "job.accepted" => self.accepted(job, frame),
            "job.event" if frame["payload"]["kind"] == "progress" => {
                let step = frame["payload"]["body"]["current"].as_u64().expect("a step has a number");
                let next = self.live.get_mut(&job).expect("events are those of a job that was accepted and lives");
                self.tally.events_lost += usize::try_from(step.saturating_sub(*next)).unwrap_or(usize::MAX);
                self.tally.events_twice += usize::from(step < *next);
                *next = step + 1;
            }
            "job.result" | "job.error" => self.ended(&job, &kind, &frame["payload"]),
            "session.error" => panic!("client {}: {frame}", self.number),
            _ => {}
        }
    }

    fn accepted(&mut self, job: String, frame: &Value) {
        let request = text(frame, "/payload/request_id");
        let number = request.split_once('-').and_then(|(number, _)| number.parse().ok()).expect("an id of this client");
        // A repeated submit is answered with the same job.
        let known = self.accepted.entry(number).or_insert_with(|| job.clone());
        assert_eq!(*known, job, "each submit is one job");
        if self.asked.remove(&number) {
            self.tally.accepted += 1;
            self.live.insert(job, 0);
        }
    }

    fn ended(&mut self, job: &str, kind: &str, payload: &Value) {
        if self.live.remove(job).is_none() {
            // A repeated submit is answered with the end of its job, too.
            assert_eq!(self.ended.get(job), Some(payload), "a job ends once");
            return;
        }
        self.ended.insert(job.to_owned(), payload.clone());
        self.tally.ended += 1;
        if kind == "job.error" {
            assert_eq!(payload["details"]["reason"], "runtime restarted", "{payload}");
            self.tally.interrupted += 1;
        }
    }
}
