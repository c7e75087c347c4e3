//! The machine that plays a runtime: it answers the frames of a client, and runs jobs as the test says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Ended, Naming, Refusal, Resume, Row};
use crate::support::Harness;

/// The trace of every job.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The job of another session that the tests watch, and that session.
pub(crate) const WATCHED: &str = "job_watched";
const OWNER: &str = "sess_owner";
/// The number of the first event of the watched job in its owner's session.
const OWNERS_FIRST: u64 = 44;

#[derive(Clone)]
struct Job {
    status: &'static str,
    own: bool,
    /// Whether its events go to the present connection.
    live: bool,
    /// Its frames as the session has them.
    log: Vec<Value>,
}

/// A runtime, and the client that it is played against.
pub(crate) struct Foreign {
    row: Row,
    pub(crate) harness: Harness,
    /// The frames of the client that were answered.
    answered: usize,
    session: String,
    sessions: u64,
    seq: u64,
    jobs: BTreeMap<String, Job>,
    keys: BTreeMap<String, String>,
    /// Whether a hello has opened a session instead of resuming the former one.
    ignores: bool,
}

impl Foreign {
    /// Connects a client.
    pub(crate) fn new(row: Row, mut harness: Harness) -> Foreign {
        harness.open();
        let mut foreign = Foreign {
            row,
            harness,
            answered: 0,
            session: String::new(),
            sessions: 0,
            seq: 0,
            jobs: BTreeMap::new(),
            keys: BTreeMap::new(),
            ignores: false,
        };
        let watched = Job { status: "running", own: false, live: false, log: Vec::new() };
        foreign.jobs.insert(WATCHED.to_owned(), watched);
        let lines = foreign.pump();
        assert!(lines.iter().any(|line| line.starts_with("welcome")), "{}: {lines:?}", row.name);
        foreign
    }

    /// Answers everything that the client has sent, and returns what came out of the client.
    pub(crate) fn pump(&mut self) -> Vec<String> {
        let mut lines = self.harness.drain();
        while let Some(frame) = self.harness.sent.get(self.answered).cloned() {
            self.answered += 1;
            for answer in self.receive(&frame) {
                lines.extend(self.harness.frame(&answer.to_string()));
            }
        }
        lines
    }

    /// Cuts the connection and lets the client connect again, until it is welcomed.
    pub(crate) fn cut(&mut self) -> Vec<String> {
        for job in self.jobs.values_mut() {
            job.live &= self.row.streams_after_resume;
        }
        let mut lines = self.harness.cut();
        for _ in 0..3 {
            lines.extend(self.harness.open());
            lines.extend(self.pump());
            if lines.iter().any(|line| line.starts_with("welcome again")) {
                return lines;
            }
        }
        panic!("{}: the session was not resumed: {lines:?}", self.row.name)
    }

    /// Lets time pass, and answers what the client asks meanwhile.
    pub(crate) fn wait(&mut self, seconds: u64) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..seconds {
            lines.extend(self.harness.wait(crate::support::SECOND));
            lines.extend(self.pump());
        }
        lines
    }

    /// Emits an event of a job.
    pub(crate) fn emit(&mut self, job: &str, n: u64) -> Vec<String> {
        let body = json!({"kind": "log", "ts": "2026-11-28T16:00:00Z", "body": {"n": n}});
        let frame = self.job_frame("job.event", job, &body, true);
        self.show(job, &frame)
    }

    /// Ends a job with the result 1.
    pub(crate) fn finish(&mut self, job: &str) -> Vec<String> {
        let frame = self.end(job, "job.result", "success", &json!({(self.row.result): 1}));
        self.show(job, &frame)
    }

    /// Ends a job whose frames never reach the client.
    pub(crate) fn finish_silently(&mut self, job: &str) {
        let frame = self.end(job, "job.result", "success", &json!({(self.row.result): 1}));
        self.job(job).log.push(frame);
    }

    /// Returns the id of the last job that was accepted.
    pub(crate) fn last_job(&self) -> String {
        format!("job_{}", self.jobs.len() - 1)
    }

    fn job(&mut self, id: &str) -> &mut Job {
        self.jobs.get_mut(id).unwrap()
    }

    fn show(&mut self, id: &str, frame: &Value) -> Vec<String> {
        let job = self.job(id);
        job.log.push(frame.clone());
        if !job.live {
            return Vec::new();
        }
        let mut lines = self.harness.frame(&frame.to_string());
        lines.extend(self.pump());
        lines
    }

    fn end(&mut self, id: &str, kind: &str, status: &'static str, more: &Value) -> Value {
        self.job(id).status = status;
        let mut payload = json!({"final_status": status, "job_id": id});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.job_frame(kind, id, &payload, self.row.numbers_terminals)
    }

    /// Returns a frame of a job as the client's session gets it.
    fn job_frame(&mut self, kind: &str, id: &str, payload: &Value, numbered: bool) -> Value {
        let foreign = self.row.shows_owner && !self.job(id).own;
        let session = if foreign { OWNER.to_owned() } else { self.session.clone() };
        let mut frame = self.envelope(kind, payload);
        frame["session_id"] = session.into();
        frame["job_id"] = id.into();
        if numbered && foreign {
            frame["event_seq"] = (OWNERS_FIRST + self.job(id).log.len() as u64).into();
        } else if numbered {
            self.seq += 1;
            frame["event_seq"] = self.seq.into();
        }
        if self.row.traces {
            frame["trace_id"] = TRACE.into();
        }
        frame
    }

    fn envelope(&self, kind: &str, payload: &Value) -> Value {
        json!({"arcp": "1.1", "id": "n", "type": kind, "session_id": self.session, "payload": payload})
    }

    /// Returns an answer, which names its request as the runtime does.
    fn answer(&self, request: &Value, kind: &str, payload: &Value) -> Value {
        let mut frame = self.envelope(kind, payload);
        let id = request["id"].clone();
        match self.row.naming {
            Naming::RequestIdOfSome if matches!(kind, "session.jobs" | "session.error") => {
                frame["payload"]["request_id"] = id;
            }
            Naming::RequestIdOfLists if kind == "session.jobs" => frame["payload"]["request_id"] = id,
            Naming::ReplyTo => frame["payload"]["reply_to"] = id,
            Naming::EnvelopeId => frame["id"] = id,
            Naming::RequestIdOfSome | Naming::RequestIdOfLists => {}
        }
        frame
    }

    fn refuse(&mut self, request: &Value, code: &str) -> Value {
        let job = request["job_id"].as_str().map(str::to_owned);
        let fault = json!({"code": code, "message": "m", "retryable": false});
        let mut as_job = fault.clone();
        as_job["final_status"] = "error".into();
        match (self.row.refusal, job) {
            (Refusal::SessionError, _) | (Refusal::JobErrorOfJob, None) => {
                self.answer(request, "session.error", &fault)
            }
            (Refusal::NumberedJobError, _) if request["type"] == "job.subscribe" => {
                self.answer(request, "session.error", &fault)
            }
            (Refusal::NumberedJobError, job) => {
                self.seq += 1;
                let mut frame = self.envelope("job.error", &as_job);
                frame["job_id"] = job.unwrap_or_else(|| "job_that_never_was".to_owned()).into();
                frame["event_seq"] = self.seq.into();
                frame
            }
            (Refusal::JobErrorById, job) => {
                let mut frame = self.envelope("job.error", &as_job);
                frame["id"] = request["id"].clone();
                if let Some(job) = job {
                    frame["job_id"] = job.into();
                }
                frame
            }
            (Refusal::JobErrorOfJob, Some(job)) => {
                as_job["job_id"] = job.clone().into();
                let mut frame = self.answer(request, "job.error", &as_job);
                frame["job_id"] = job.into();
                frame
            }
        }
    }

    fn receive(&mut self, frame: &Value) -> Vec<Value> {
        match frame["type"].as_str().unwrap() {
            "session.hello" | "session.resume" => self.greet(frame),
            "job.submit" => self.submit(frame),
            "job.cancel" => self.cancel(frame),
            "job.subscribe" => self.subscribe(frame),
            "session.list_jobs" => vec![self.list(frame)],
            "session.ack" | "session.pong" | "session.ping" => Vec::new(),
            other => panic!("{other} is not played"),
        }
    }

    /// Answers a hello: resumes the session if it says so in the form that the runtime reads.
    fn greet(&mut self, hello: &Value) -> Vec<Value> {
        let payload = &hello["payload"];
        if self.row.resume == Resume::Token {
            assert!(hello["session_id"].is_string(), "the Ruby runtime closes without it");
            assert!(payload["client_name"].is_string() && payload["client_version"].is_string());
        }
        let by_message = hello["type"] == "session.resume";
        let (token, last) = match self.row.resume {
            Resume::Member => (&payload["resume"]["resume_token"], &payload["resume"]["last_event_seq"]),
            Resume::TopLevel => (&payload["resume_token"], &payload["last_event_seq"]),
            Resume::Token => (&payload["resume"]["token"], &payload["resume"]["last_event_seq"]),
            Resume::Message if by_message => (&payload["resume_token"], &payload["last_event_seq"]),
            Resume::Message => (&Value::Null, &Value::Null),
        };
        let resumes = token == "RESUME-TOKEN";
        let recorded: Value = serde_json::from_str(&(self.row.welcome)()).unwrap();
        let mut welcome = recorded;
        if resumes {
            welcome["session_id"] = self.session.clone().into();
        } else {
            self.ignores = !self.session.is_empty();
            self.sessions += 1;
            let named = hello["session_id"].as_str().filter(|_| self.row.resume == Resume::Token);
            let fresh = named.map_or_else(|| format!("sess_{}", self.sessions), str::to_owned);
            welcome["session_id"] = fresh.clone().into();
            if !self.ignores {
                self.session = fresh;
            }
        }
        welcome["payload"]["resume_token"] = "RESUME-TOKEN".into();
        // Signs of life are not what is played.
        welcome["payload"]["heartbeat_interval_sec"] = Value::Null;
        if welcome["payload"].get("session_id").is_some() {
            welcome["payload"]["session_id"] = welcome["session_id"].clone();
        }
        if self.row.naming == Naming::EnvelopeId {
            welcome["id"] = hello["id"].clone();
        }
        let mut answers = vec![welcome];
        if resumes {
            let after = last.as_u64().unwrap();
            let logs = self.jobs.values().flat_map(|job| &job.log);
            let mut replay: Vec<Value> =
                logs.filter(|frame| frame["event_seq"].as_u64().is_some_and(|seq| seq > after)).cloned().collect();
            replay.sort_by_key(|frame| frame["event_seq"].as_u64());
            if self.row.streams_after_resume {
                answers.extend(replay);
            }
        }
        answers
    }

    fn submit(&mut self, submit: &Value) -> Vec<Value> {
        let payload = &submit["payload"];
        assert!(payload.as_object().unwrap().contains_key("input"), "the Java runtime refuses it");
        if payload["agent"] == "nope" {
            return vec![self.refuse(submit, "AGENT_NOT_AVAILABLE")];
        }
        let key = payload["idempotency_key"].as_str().unwrap().to_owned();
        let known = self.keys.get(&key).cloned();
        let id = known.clone().unwrap_or_else(|| format!("job_{}", self.jobs.len()));
        let mut accepted = self.answer(submit, "job.accepted", &json!({"job_id": id, "accepted_at": "t"}));
        accepted["job_id"] = id.clone().into();
        if known.is_some() {
            // And nothing more, although the job has ended.
            return vec![accepted];
        }
        self.keys.insert(key, id.clone());
        self.jobs.insert(id.clone(), Job { status: "running", own: true, live: true, log: Vec::new() });
        let started = json!({"kind": "status", "ts": "t", "body": {"phase": "running"}});
        let started = self.job_frame("job.event", &id, &started, true);
        self.job(&id).log.push(started.clone());
        if self.row.is_hasty { vec![started, accepted] } else { vec![accepted, started] }
    }

    fn cancel(&mut self, cancel: &Value) -> Vec<Value> {
        let id = cancel["job_id"].as_str().unwrap().to_owned();
        if !self.job(&id).own {
            return vec![self.refuse(cancel, "PERMISSION_DENIED")];
        }
        let mut cancelled = self.answer(cancel, "job.cancelled", &json!({"job_id": id}));
        cancelled["job_id"] = id.clone().into();
        if self.row.numbers_cancelled {
            self.seq += 1;
            cancelled["event_seq"] = self.seq.into();
        }
        let fault = json!({"code": "CANCELLED", "message": "user", "retryable": false});
        let end = self.end(&id, "job.error", "cancelled", &fault);
        self.job(&id).log.push(end.clone());
        vec![cancelled, end]
    }

    fn subscribe(&mut self, subscribe: &Value) -> Vec<Value> {
        let id = subscribe["payload"]["job_id"].as_str().unwrap().to_owned();
        let Some(job) = self.jobs.get_mut(&id) else { return vec![self.refuse(subscribe, "JOB_NOT_FOUND")] };
        let ended = job.status != "running";
        if ended && self.row.ended == Ended::Forgotten {
            return vec![self.refuse(subscribe, "JOB_NOT_FOUND")];
        }
        job.live |= !job.own || self.row.renews_subscriptions;
        let (status, log) = (job.status, job.log.clone());
        let mut subscribed = self.answer(subscribe, "job.subscribed", &json!({"job_id": id, "current_status": status}));
        subscribed["job_id"] = id.into();
        let after = subscribe["payload"]["from_event_seq"].as_u64().unwrap_or_default();
        let mut answers = vec![subscribed];
        if subscribe["payload"]["history"] == true {
            let is_new = |frame: &&Value| frame["event_seq"].as_u64().is_none_or(|seq| seq > after);
            let is_shown = |frame: &&Value| frame["type"] == "job.event" || self.row.ended == Ended::Terminal;
            let shown: Vec<Value> = log.iter().filter(is_new).filter(is_shown).cloned().collect();
            for mut frame in shown {
                // What is shown again has new numbers, unless they are those of the owner.
                if frame["event_seq"].is_u64() && !self.row.shows_owner {
                    self.seq += 1;
                    frame["event_seq"] = self.seq.into();
                }
                answers.push(frame);
            }
        }
        answers
    }

    fn list(&self, list: &Value) -> Value {
        let wanted = list["payload"]["filter"]["status"].as_array().cloned();
        let shown = |job: &&(&String, &Job)| wanted.as_ref().is_none_or(|names| names.contains(&job.1.status.into()));
        let jobs = self.jobs.iter().collect::<Vec<_>>();
        let rows: Vec<Value> = jobs
            .iter()
            .filter(shown)
            .map(|(id, job)| json!({"job_id": id, "agent": "echo", "status": job.status}))
            .collect();
        self.answer(list, "session.jobs", &json!({"jobs": rows}))
    }
}
