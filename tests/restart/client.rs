//! Clients that work while the server is killed under them, and remember everything.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nuncio_tests::raw::text;
use serde_json::{Value, json};

use super::lane::Shared;
use super::ledger::{Connected, Frame, Ledger};
use super::line::Line;
use super::trap::Point;

pub(crate) const FEATURES: [&str; 8] = [
    "ack",
    "list_jobs",
    "subscribe",
    "cost.budget",
    "model.use",
    "provisioned_credentials",
    "progress",
    "result_chunk",
];
/// An ack after so many events.
const ACK_EVERY: u64 = 5;

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) name: &'static str,
    pub(crate) token: &'static str,
    pub(crate) acks: bool,
    pub(crate) credentials: bool,
    pub(crate) agents: &'static [&'static str],
    /// Jobs it has running at once.
    pub(crate) at_once: usize,
}

pub(crate) struct Client {
    pub(crate) habits: Habits,
    shared: Arc<Shared>,
    session: String,
    resume_token: String,
    acked: u64,
    pub(crate) ledger: Ledger,
    pub(crate) submits: Vec<Submit>,
    /// The submit that a request's id is of.
    asked: HashMap<String, usize>,
    requests: u32,
    round: u64,
}

/// A job the client wants.
pub(crate) struct Submit {
    /// The id of the frame that asked first.
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
    pub(crate) fn new(habits: Habits, shared: &Arc<Shared>) -> Client {
        Client {
            habits,
            shared: Arc::clone(shared),
            session: String::new(),
            resume_token: String::new(),
            acked: 0,
            ledger: Ledger::of(!habits.agents.is_empty()),
            submits: Vec::new(),
            asked: HashMap::new(),
            requests: 0,
            round: 0,
        }
    }

    /// Connects, and works until the connection ends.
    pub(crate) fn work(&mut self, url: &str) {
        self.round += 1;
        let last = self.point();
        let Some((mut line, mut on)) = self.greet(url, last) else { return };
        self.ask_again(&mut line);
        self.top_up(&mut line);
        while let Some(frame) = self.read(&mut line, &mut on) {
            self.react(&mut line, &frame);
        }
    }

    /// Connects once more, and stays until everything it wanted has come to its end.
    pub(crate) fn finish(&mut self, url: &str) {
        self.round += 1;
        let last = if self.habits.acks { self.acked } else { 0 };
        let (mut line, mut on) = self.greet(url, last).expect("nobody kills the server any more");
        let mut unanswered = HashSet::new();
        for index in 0..self.submits.len() {
            // All of them, though most were answered long ago.
            let anew = self.submits[index].is_keyed() && index.is_multiple_of(2);
            unanswered.extend(self.ask(&mut line, index, anew));
        }
        while !unanswered.is_empty() || self.under_way() > 0 {
            let frame = self.read(&mut line, &mut on).expect("nobody kills the server any more");
            if frame.kind == "job.accepted" {
                unanswered.remove(frame.payload["request_id"].as_str().unwrap_or_default());
            }
            self.cancel(&mut line, &frame);
        }
    }

    /// Lists all jobs it may see, by id; true for those that nobody delegated.
    pub(crate) fn list(&mut self, url: &str) -> Vec<(String, bool)> {
        let (mut line, mut on) = self.greet(url, self.ledger.highest()).expect("nobody kills the server any more");
        let (mut jobs, mut cursor) = (Vec::new(), Value::Null);
        loop {
            self.request(&mut line, "session.list_jobs", &json!({"limit": 1000, "cursor": cursor}));
            let page = loop {
                let frame = self.read(&mut line, &mut on).expect("nobody kills the server any more");
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

    /// Subscribes to a job that has ended: all of its events, and its end.
    pub(crate) fn history(&mut self, url: &str, job: &str) -> (Vec<String>, String) {
        let (mut line, mut on) = self.greet(url, self.ledger.highest()).expect("nobody kills the server any more");
        let before = self.ledger.job(job).map_or(0, |job| job.events.len());
        self.request(&mut line, "job.subscribe", &json!({"job_id": job, "history": true}));
        loop {
            let frame = self.read(&mut line, &mut on).expect("nobody kills the server any more");
            if frame.job == job && is_terminal(&frame) {
                let seen = self.ledger.job(job).unwrap();
                return (seen.events[before..].to_vec(), seen.terminal.clone().unwrap().1);
            }
        }
    }

    /// The number to resume after.
    fn point(&self) -> u64 {
        let highest = self.ledger.highest();
        match self.round % 3 {
            0 => highest,
            1 => self.acked,
            _ => self.acked.midpoint(highest),
        }
    }

    pub(crate) fn greet(&mut self, url: &str, last: u64) -> Option<(Line, Connected)> {
        let mut line = Line::open(url)?;
        let mut hello = nuncio_tests::raw::hello(self.habits.token, &FEATURES, &Value::Null);
        if !self.session.is_empty() {
            hello["payload"]["resume"] = json!({
                "session_id": self.session, "resume_token": self.resume_token, "last_event_seq": last,
            });
        }
        line.send(&hello);
        let welcome: Value = serde_json::from_str(&line.read()?).unwrap();
        self.shared.trap.pass(Point::Frame);
        assert_eq!(welcome["type"], "session.welcome", "{}: {welcome}", self.habits.name);
        let session = text(&welcome, "/payload/session_id");
        assert!(self.session.is_empty() || self.session == session, "the session is resumed");
        self.session = session;
        self.resume_token = text(&welcome, "/payload/resume_token");
        Some((line, Connected::after(last)))
    }

    /// The next frame, which refuses nothing.
    pub(crate) fn read(&mut self, line: &mut Line, on: &mut Connected) -> Option<Frame> {
        let frame = self.read_any(line, on)?;
        match frame.kind.as_str() {
            // The log has no room for a terminal of the past as long as so many events are not written: later.
            "session.error" if frame.payload["details"]["limit"] == "log_events" => {
                let index = self.asked[frame.payload["request_id"].as_str().unwrap()];
                self.send_submit(line, frame.payload["request_id"].as_str().unwrap(), index);
            }
            "session.error" => panic!("{}: {frame:?}", self.habits.name),
            _ => {}
        }
        Some(frame)
    }

    pub(crate) fn read_any(&mut self, line: &mut Line, on: &mut Connected) -> Option<Frame> {
        let frame = self.ledger.take(on, &line.read()?);
        if frame.kind == "job.accepted" {
            self.accepted(&frame);
        }
        self.shared.trap.pass(Point::Frame);
        if frame.fresh {
            self.shared.trap.pass(Point::Fresh);
        }
        Some(frame)
    }

    fn accepted(&mut self, frame: &Frame) {
        let request = text(&frame.payload, "/request_id");
        let Some(submit) = self.asked.get(&request).map(|index| &mut self.submits[*index]) else {
            // A child.
            assert!(frame.payload["parent_job_id"].is_string(), "nobody asked for {frame:?}");
            return;
        };
        match &submit.job {
            Some(job) => assert_eq!(*job, frame.job, "{} is one job", submit.payload),
            None => {
                submit.job = Some(frame.job.clone());
                if self.habits.token == "tok-alice" && submit.is_keyed() {
                    self.shared.board().push((submit.payload.clone(), frame.job.clone()));
                }
            }
        }
    }

    fn react(&mut self, line: &mut Line, frame: &Frame) {
        self.cancel(line, frame);
        let highest = self.ledger.highest();
        if self.habits.acks && frame.fresh && highest.is_multiple_of(ACK_EVERY) {
            self.acked = highest;
            self.request(line, "session.ack", &json!({"last_processed_seq": highest}));
            self.shared.trap.pass(Point::Ack);
        }
        if is_terminal(frame) {
            self.top_up(line);
        }
    }

    /// What waits for a cancel gets one.
    fn cancel(&mut self, line: &mut Line, frame: &Frame) {
        if frame.kind == "job.event" && frame.payload["body"]["phase"] == "waiting" && self.wants(&frame.job) {
            self.request(line, "job.cancel", &json!({"job_id": frame.job}));
            self.shared.trap.pass(Point::Cancel);
        }
    }

    /// Whether the job is one of its own, and still runs.
    fn wants(&self, job: &str) -> bool {
        self.submits.iter().any(|submit| submit.job.as_deref() == Some(job))
            && self.ledger.job(job).is_some_and(|job| job.terminal.is_none())
    }

    /// Repeats what was not answered, and a little of what was.
    fn ask_again(&mut self, line: &mut Line) {
        let known = self.submits.len().saturating_sub(self.habits.at_once + 2);
        for index in known..self.submits.len() {
            let anew = self.submits[index].is_keyed() && self.round.is_multiple_of(2);
            self.ask(line, index, anew);
        }
    }

    /// So many jobs are to be under way.
    fn top_up(&mut self, line: &mut Line) {
        if self.habits.agents.is_empty() {
            return;
        }
        while self.under_way() < self.habits.at_once {
            let number = self.submits.len();
            self.want(number);
            self.ask(line, number, true);
        }
    }

    /// Makes up the submit with this number.
    pub(crate) fn want(&mut self, number: usize) {
        let agent = self.habits.agents[number % self.habits.agents.len()];
        let mut payload = json!({
            "agent": agent,
            "input": {"events": number % 7, "size": number * 31 % 300},
            "lease_request": {"agent.delegate": ["*"], "cost.budget": ["USD:3"]},
        });
        if self.habits.credentials {
            payload["lease_request"]["model.use"] = json!(["fast/*"]);
        }
        if number % 4 != 3 {
            payload["idempotency_key"] = format!("{} {number}", self.habits.name).into();
        }
        self.submits.push(Submit { id: String::new(), payload, job: None });
    }

    /// Sends a submit, by a new id or by its first one; returns a new one.
    pub(crate) fn ask(&mut self, line: &mut Line, index: usize, anew: bool) -> Option<String> {
        if !anew {
            self.send_submit(line, &self.submits[index].id, index);
            return None;
        }
        let id = self.next_id();
        self.asked.insert(id.clone(), index);
        let first = &mut self.submits[index].id;
        if first.is_empty() {
            first.clone_from(&id);
        }
        self.send_submit(line, &id, index);
        Some(id)
    }

    fn send_submit(&self, line: &mut Line, id: &str, index: usize) {
        line.send(&self.envelope(id, "job.submit", &self.submits[index].payload));
        self.shared.trap.pass(Point::Submit);
    }

    pub(crate) fn request(&mut self, line: &mut Line, kind: &str, payload: &Value) {
        let id = self.next_id();
        line.send(&self.envelope(&id, kind, payload));
    }

    fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("{} {}", self.habits.name, self.requests)
    }

    fn envelope(&self, id: &str, kind: &str, payload: &Value) -> Value {
        json!({"arcp": "1.1", "id": id, "type": kind, "session_id": self.session, "payload": payload})
    }

    pub(crate) fn under_way(&self) -> usize {
        self.submits.iter().filter(|submit| !self.has_ended(submit)).count()
    }

    fn has_ended(&self, submit: &Submit) -> bool {
        let job = submit.job.as_ref().and_then(|job| self.ledger.job(job));
        job.is_some_and(|job| job.terminal.is_some())
    }
}

/// Has jobs of every kind, and acknowledges nothing.
pub(crate) const TALKER: Habits = Habits {
    name: "talker",
    token: "tok-alice",
    acks: false,
    credentials: false,
    agents: &["talk", "stream", "delegate", "wait"],
    at_once: 3,
};

/// A client that only looks on.
pub(crate) const WATCHER: Habits =
    Habits { name: "watcher", token: "tok-alice", acks: false, credentials: false, agents: &[], at_once: 0 };

impl Client {
    /// Connects, and watches the newest jobs of others until the connection ends.
    pub(crate) fn watch(&mut self, url: &str) {
        self.round += 1;
        let last = self.point();
        let Some((mut line, mut on)) = self.greet(url, last) else { return };
        let mut watched = String::new();
        loop {
            let newest = self.shared.board().last().map(|(_, job)| job.clone());
            if let Some(newest) = newest.filter(|newest| *newest != watched) {
                self.request(&mut line, "job.subscribe", &json!({"job_id": newest, "history": true}));
                if self.requests.is_multiple_of(4) && !watched.is_empty() {
                    self.request(&mut line, "job.unsubscribe", &json!({"job_id": watched}));
                }
                watched = newest;
            }
            if self.read(&mut line, &mut on).is_none() {
                return;
            }
        }
    }

    /// Connects once more, and reads everything it has ever seen.
    pub(crate) fn look_back(&mut self, url: &str) {
        let highest = self.ledger.highest();
        let (mut line, mut on) = self.greet(url, 0).expect("nobody kills the server any more");
        while on.last() < highest {
            self.read(&mut line, &mut on).expect("nobody kills the server any more");
        }
    }

    /// Opens a session for a moment: what others were answered is answered to it.
    pub(crate) fn drop_in(&mut self, url: &str) {
        let Some((mut line, mut on)) = self.greet(url, 0) else { return };
        let board = self.shared.board().clone();
        for (payload, job) in board.into_iter().rev().step_by(3).take(3) {
            let index = self.submits.len();
            self.submits.push(Submit { id: String::new(), payload, job: Some(job) });
            self.ask(&mut line, index, true);
        }
        let mut answers = 0;
        while answers < self.submits.len() {
            let Some(frame) = self.read(&mut line, &mut on) else { return };
            answers += usize::from(frame.kind == "job.accepted" && frame.payload["request_id"].is_string());
        }
        self.request(&mut line, "session.close", &json!({}));
        while self.read(&mut line, &mut on).is_some() {}
    }
}

fn is_terminal(frame: &Frame) -> bool {
    frame.kind == "job.result" || frame.kind == "job.error"
}
