//! Clients that work while the server is killed, and remember everything they were sent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nuncio_core::arcp::ACCEPTED_REPLAY;
use nuncio_tests::raw::text;
use serde_json::{Value, json};

use super::connection::Connection;
use super::ledger::{Connected, Frame, Ledger};
use super::process::KillPoint;
use super::scenario::Shared;

pub(crate) const FEATURES: [&str; 9] = [
    "ack",
    "list_jobs",
    "subscribe",
    "cost.budget",
    "model.use",
    "provisioned_credentials",
    "progress",
    "result_chunk",
    // The ledger checks that job.accepted precedes the first event of each job, after a resume too.
    ACCEPTED_REPLAY,
];
/// The number of events after which a client acknowledges.
const ACK_EVERY: u64 = 5;

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) token: &'static str,
    pub(crate) acks: bool,
    pub(crate) credentials: bool,
    pub(crate) agents: &'static [&'static str],
    /// The number of jobs that it runs at once.
    pub(crate) concurrent: usize,
}

pub(crate) struct Client {
    pub(crate) profile: Profile,
    shared: Arc<Shared>,
    session: String,
    resume_token: String,
    acked: u64,
    pub(crate) ledger: Ledger,
    pub(crate) submits: Vec<Submit>,
    /// The submit that each request id belongs to.
    submit_of: HashMap<String, usize>,
    requests: u32,
    round: u64,
}

/// A job that the client wants.
pub(crate) struct Submit {
    /// The id of the frame that submitted it first.
    id: String,
    pub(crate) payload: Value,
    pub(crate) job: Option<String>,
}

impl Submit {
    fn is_keyed(&self) -> bool {
        self.payload["idempotency_key"].is_string()
    }
}

impl Client {
    pub(crate) fn new(profile: Profile, shared: &Arc<Shared>) -> Client {
        Client {
            profile,
            shared: Arc::clone(shared),
            session: String::new(),
            resume_token: String::new(),
            acked: 0,
            ledger: Ledger::of(!profile.agents.is_empty()),
            submits: Vec::new(),
            submit_of: HashMap::new(),
            requests: 0,
            round: 0,
        }
    }

    /// Connects and works until the connection ends.
    pub(crate) fn work(&mut self, url: &str) {
        self.round += 1;
        let last = self.point();
        let Some((mut connection, mut on)) = self.connect(url, last) else { return };
        self.repeat_submits(&mut connection);
        self.top_up(&mut connection);
        while let Some(frame) = self.read(&mut connection, &mut on) {
            self.react(&mut connection, &frame);
        }
    }

    /// Connects again and stays until every submit was answered and every job has ended.
    pub(crate) fn finish(&mut self, url: &str) {
        self.round += 1;
        let last = if self.profile.acks { self.acked } else { 0 };
        let (mut connection, mut on) = self.connect(url, last).expect("the server is no longer killed");
        let mut unanswered = HashSet::new();
        for index in 0..self.submits.len() {
            // All submits are repeated, although most were answered long ago.
            let anew = self.submits[index].is_keyed() && index.is_multiple_of(2);
            unanswered.extend(self.submit(&mut connection, index, anew));
        }
        while !unanswered.is_empty() || self.unfinished() > 0 {
            let frame = self.read(&mut connection, &mut on).expect("the server is no longer killed");
            if frame.kind == "job.accepted" {
                unanswered.remove(frame.payload["request_id"].as_str().unwrap_or_default());
            }
            self.cancel(&mut connection, &frame);
        }
    }

    /// Lists all jobs that the client can see: their ids, and whether each is a root rather than a delegated job.
    pub(crate) fn list(&mut self, url: &str) -> Vec<(String, bool)> {
        let (mut connection, mut on) =
            self.connect(url, self.ledger.highest()).expect("the server is no longer killed");
        let (mut jobs, mut cursor) = (Vec::new(), Value::Null);
        loop {
            self.request(&mut connection, "session.list_jobs", &json!({"limit": 1000, "cursor": cursor}));
            let page = loop {
                let frame = self.read(&mut connection, &mut on).expect("the server is no longer killed");
                if frame.kind == "session.jobs" {
                    break frame.payload;
                }
            };
            let rows = page["jobs"].as_array().into_iter().flatten();
            jobs.extend(rows.map(|row| (text(row, "/job_id"), row["parent_job_id"].is_null())));
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                return jobs;
            }
        }
    }

    /// Subscribes to an ended job with its history; returns its events and its terminal.
    pub(crate) fn history(&mut self, url: &str, job: &str) -> (Vec<String>, String) {
        let (mut connection, mut on) =
            self.connect(url, self.ledger.highest()).expect("the server is no longer killed");
        let before = self.ledger.job(job).map_or(0, |job| job.events.len());
        self.request(&mut connection, "job.subscribe", &json!({"job_id": job, "history": true}));
        loop {
            let frame = self.read(&mut connection, &mut on).expect("the server is no longer killed");
            if frame.job == job && is_terminal(&frame) {
                let seen = self.ledger.job(job).unwrap();
                return (seen.events[before..].to_vec(), seen.terminal.clone().unwrap().1);
            }
        }
    }

    /// Returns the number to resume from.
    fn point(&self) -> u64 {
        let highest = self.ledger.highest();
        match self.round % 3 {
            0 => highest,
            1 => self.acked,
            _ => self.acked.midpoint(highest),
        }
    }

    pub(crate) fn connect(&mut self, url: &str, last: u64) -> Option<(Connection, Connected)> {
        let mut connection = Connection::open(url)?;
        let mut hello = nuncio_tests::raw::hello(self.profile.token, &FEATURES, &Value::Null);
        if !self.session.is_empty() {
            hello["payload"]["resume"] = json!({
                "session_id": self.session, "resume_token": self.resume_token, "last_event_seq": last,
            });
        }
        connection.send(&hello);
        let welcome: Value = serde_json::from_str(&connection.read()?).unwrap();
        self.shared.process.reached(KillPoint::Frame);
        assert_eq!(welcome["type"], "session.welcome", "{}: {welcome}", self.profile.name);
        let session = text(&welcome, "/payload/session_id");
        assert!(self.session.is_empty() || self.session == session, "the session is resumed");
        self.session = session;
        self.resume_token = text(&welcome, "/payload/resume_token");
        Some((connection, Connected::after(last)))
    }

    /// Reads the next frame, which must not be an error.
    pub(crate) fn read(&mut self, connection: &mut Connection, on: &mut Connected) -> Option<Frame> {
        let frame = self.read_any(connection, on)?;
        match frame.kind.as_str() {
            // While many events are unwritten, the log has no room for an old terminal: the submit is repeated later.
            "session.error" if frame.payload["details"]["limit"] == "log_events" => {
                let index = self.submit_of[frame.payload["request_id"].as_str().unwrap()];
                self.send_submit(connection, frame.payload["request_id"].as_str().unwrap(), index);
            }
            "session.error" => panic!("{}: {frame:?}", self.profile.name),
            _ => {}
        }
        Some(frame)
    }

    pub(crate) fn read_any(&mut self, connection: &mut Connection, on: &mut Connected) -> Option<Frame> {
        let frame = self.ledger.take(on, &connection.read()?);
        if frame.kind == "job.accepted" {
            self.accepted(&frame);
        }
        self.shared.process.reached(KillPoint::Frame);
        if frame.fresh {
            self.shared.process.reached(KillPoint::Fresh);
        }
        Some(frame)
    }

    fn accepted(&mut self, frame: &Frame) {
        let request = text(&frame.payload, "/request_id");
        let Some(submit) = self.submit_of.get(&request).map(|index| &mut self.submits[*index]) else {
            // A delegated job.
            assert!(frame.payload["parent_job_id"].is_string(), "no request led to {frame:?}");
            return;
        };
        match &submit.job {
            Some(job) => assert_eq!(*job, frame.job, "{} is always the same job", submit.payload),
            None => {
                submit.job = Some(frame.job.clone());
                if self.profile.token == "tok-alice" && submit.is_keyed() {
                    self.shared.accepted_submits().push((submit.payload.clone(), frame.job.clone()));
                }
            }
        }
    }

    fn react(&mut self, connection: &mut Connection, frame: &Frame) {
        self.cancel(connection, frame);
        let highest = self.ledger.highest();
        if self.profile.acks && frame.fresh && highest.is_multiple_of(ACK_EVERY) {
            self.acked = highest;
            self.request(connection, "session.ack", &json!({"last_processed_seq": highest}));
            self.shared.process.reached(KillPoint::Ack);
        }
        if is_terminal(frame) {
            self.top_up(connection);
        }
    }

    /// Cancels the job if its agent waits for a cancel.
    fn cancel(&mut self, connection: &mut Connection, frame: &Frame) {
        if frame.kind == "job.event" && frame.payload["body"]["phase"] == "waiting" && self.owns_running(&frame.job) {
            self.request(connection, "job.cancel", &json!({"job_id": frame.job}));
            self.shared.process.reached(KillPoint::Cancel);
        }
    }

    /// Returns whether the job is one of the client's own and has not ended.
    fn owns_running(&self, job: &str) -> bool {
        self.submits.iter().any(|submit| submit.job.as_deref() == Some(job))
            && self.ledger.job(job).is_some_and(|job| job.terminal.is_none())
    }

    /// Repeats the submits that were not answered, and some that were.
    fn repeat_submits(&mut self, connection: &mut Connection) {
        let known = self.submits.len().saturating_sub(self.profile.concurrent + 2);
        for index in known..self.submits.len() {
            let anew = self.submits[index].is_keyed() && self.round.is_multiple_of(2);
            self.submit(connection, index, anew);
        }
    }

    /// Submits jobs until enough of them are running.
    fn top_up(&mut self, connection: &mut Connection) {
        if self.profile.agents.is_empty() {
            return;
        }
        while self.unfinished() < self.profile.concurrent {
            let number = self.submits.len();
            self.plan_submit(number);
            self.submit(connection, number, true);
        }
    }

    /// Adds the submit with this number.
    pub(crate) fn plan_submit(&mut self, number: usize) {
        let agent = self.profile.agents[number % self.profile.agents.len()];
        let mut payload = json!({
            "agent": agent,
            "input": {"events": number % 7, "size": number * 31 % 300},
            "lease_request": {"agent.delegate": ["*"], "cost.budget": ["USD:3"]},
        });
        if self.profile.credentials {
            payload["lease_request"]["model.use"] = json!(["fast/*"]);
        }
        if number % 4 != 3 {
            payload["idempotency_key"] = format!("{} {number}", self.profile.name).into();
        }
        self.submits.push(Submit { id: String::new(), payload, job: None });
    }

    /// Sends a submit with a new id, which is returned, or with its first one.
    pub(crate) fn submit(&mut self, connection: &mut Connection, index: usize, anew: bool) -> Option<String> {
        if !anew {
            self.send_submit(connection, &self.submits[index].id, index);
            return None;
        }
        let id = self.next_id();
        self.submit_of.insert(id.clone(), index);
        let first = &mut self.submits[index].id;
        if first.is_empty() {
            first.clone_from(&id);
        }
        self.send_submit(connection, &id, index);
        Some(id)
    }

    fn send_submit(&self, connection: &mut Connection, id: &str, index: usize) {
        connection.send(&self.envelope(id, "job.submit", &self.submits[index].payload));
        self.shared.process.reached(KillPoint::Submit);
    }

    pub(crate) fn request(&mut self, connection: &mut Connection, kind: &str, payload: &Value) {
        let id = self.next_id();
        connection.send(&self.envelope(&id, kind, payload));
    }

    fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("{} {}", self.profile.name, self.requests)
    }

    fn envelope(&self, id: &str, kind: &str, payload: &Value) -> Value {
        json!({"arcp": "1.1", "id": id, "type": kind, "session_id": self.session, "payload": payload})
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.submits.iter().filter(|submit| !self.has_ended(submit)).count()
    }

    fn has_ended(&self, submit: &Submit) -> bool {
        let job = submit.job.as_ref().and_then(|job| self.ledger.job(job));
        job.is_some_and(|job| job.terminal.is_some())
    }
}

/// Runs every kind of agent and acknowledges nothing.
pub(crate) const TALKER: Profile = Profile {
    name: "talker",
    token: "tok-alice",
    acks: false,
    credentials: false,
    agents: &["talk", "stream", "again", "delegate", "queue", "wait"],
    concurrent: 4,
};

/// A client that only watches.
pub(crate) const WATCHER: Profile =
    Profile { name: "watcher", token: "tok-alice", acks: false, credentials: false, agents: &[], concurrent: 0 };

impl Client {
    /// Connects and watches the newest jobs of others until the connection ends.
    pub(crate) fn watch(&mut self, url: &str) {
        self.round += 1;
        let last = self.point();
        let Some((mut connection, mut on)) = self.connect(url, last) else { return };
        let mut watched = String::new();
        loop {
            let newest = self.shared.accepted_submits().last().map(|(_, job)| job.clone());
            if let Some(newest) = newest.filter(|newest| *newest != watched) {
                self.request(&mut connection, "job.subscribe", &json!({"job_id": newest, "history": true}));
                if self.requests.is_multiple_of(4) && !watched.is_empty() {
                    self.request(&mut connection, "job.unsubscribe", &json!({"job_id": watched}));
                }
                watched = newest;
            }
            if self.read(&mut connection, &mut on).is_none() {
                return;
            }
        }
    }

    /// Connects again and reads everything that it has ever been sent.
    pub(crate) fn read_again(&mut self, url: &str) {
        let highest = self.ledger.highest();
        let (mut connection, mut on) = self.connect(url, 0).expect("the server is no longer killed");
        while on.last() < highest {
            self.read(&mut connection, &mut on).expect("the server is no longer killed");
        }
    }

    /// Opens a session for a moment and repeats submits of others, which must be answered with the same jobs.
    pub(crate) fn visit(&mut self, url: &str) {
        let Some((mut connection, mut on)) = self.connect(url, 0) else { return };
        let board = self.shared.accepted_submits().clone();
        for (payload, job) in board.into_iter().rev().step_by(3).take(3) {
            let index = self.submits.len();
            self.submits.push(Submit { id: String::new(), payload, job: Some(job) });
            self.submit(&mut connection, index, true);
        }
        let mut answers = 0;
        while answers < self.submits.len() {
            let Some(frame) = self.read(&mut connection, &mut on) else { return };
            answers += usize::from(frame.kind == "job.accepted" && frame.payload["request_id"].is_string());
        }
        self.request(&mut connection, "session.close", &json!({}));
        while self.read(&mut connection, &mut on).is_some() {}
    }
}

fn is_terminal(frame: &Frame) -> bool {
    frame.kind == "job.result" || frame.kind == "job.error"
}
