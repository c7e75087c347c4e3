//! What clients say: hellos, resumes, submits.

use nuncio_core::arcp::{ConnId, Event, Via};
use serde_json::{Value, json};

use super::{Frame, Job, World};

/// The eleven features.
pub const FEATURES: [&str; 11] = [
    "heartbeat",
    "ack",
    "list_jobs",
    "subscribe",
    "lease_expires_at",
    "cost.budget",
    "model.use",
    "provisioned_credentials",
    "progress",
    "result_chunk",
    "agent_versions",
];

impl World {
    /// Says hello with these features; returns the frame's id.
    pub fn hello(&mut self, conn: ConnId, token: &str, features: &[&str]) -> String {
        self.send(conn, "session.hello", hello(token, features))
    }

    /// A session of a TLS connection with all features.
    pub fn login(&mut self, token: &str) -> ConnId {
        self.login_with(token, &FEATURES)
    }

    /// A session with these features only.
    pub fn login_with(&mut self, token: &str, features: &[&str]) -> ConnId {
        self.login_via(token, features, Via::Tls)
    }

    /// A session with all features but these.
    pub fn login_without(&mut self, token: &str, without: &[&str]) -> ConnId {
        let features: Vec<&str> = FEATURES.into_iter().filter(|feature| !without.contains(feature)).collect();
        self.login_with(token, &features)
    }

    /// A session of a connection of some kind.
    pub fn login_via(&mut self, token: &str, features: &[&str], via: Via) -> ConnId {
        let conn = self.open_via(via);
        self.hello(conn, token, features);
        self.expect(conn, "session.welcome");
        conn
    }

    /// A session of the Python client 1.1.3, which says `"agents": []`.
    pub fn login_python(&mut self, token: &str) -> ConnId {
        let conn = self.open();
        let mut payload = hello(token, &FEATURES);
        payload["capabilities"]["agents"] = json!([]);
        self.send(conn, "session.hello", payload);
        self.expect(conn, "session.welcome");
        conn
    }

    /// The session of a connection.
    pub fn session(&self, conn: ConnId) -> String {
        self.checker.session(conn).expect("a welcomed connection").to_owned()
    }

    /// The resume token the welcome of a connection carried.
    pub fn token(&self, conn: ConnId) -> String {
        self.welcome(conn).payload()["resume_token"].as_str().expect("a token").to_owned()
    }

    /// The welcome of a connection.
    pub fn welcome(&self, conn: ConnId) -> Frame {
        let mut welcomes =
            self.history.iter().rev().filter(|(_, to, frame)| *to == conn && frame.kind() == "session.welcome");
        welcomes.next().expect("a welcome").2.clone()
    }

    /// Opens a connection that resumes the session of `old` as `token`'s principal; the answer is not read.
    pub fn resume_as(&mut self, token: &str, session: &str, resume_token: &str, last: u64) -> ConnId {
        let conn = self.open();
        let mut payload = hello(token, &FEATURES);
        payload["resume"] = json!({"session_id": session, "resume_token": resume_token, "last_event_seq": last});
        self.send(conn, "session.hello", payload);
        conn
    }

    /// Resumes alice's session of `old` on a new connection and reads the welcome.
    pub fn resume(&mut self, old: ConnId, last: u64) -> ConnId {
        let (session, token) = (self.session(old), self.token(old));
        let conn = self.resume_as("tok-alice", &session, &token, last);
        let welcome = self.expect(conn, "session.welcome");
        assert_eq!(welcome["session_id"], session.as_str(), "the session goes on");
        conn
    }

    /// Submits; returns the frame's id and reads nothing.
    pub fn send_submit(&mut self, conn: ConnId, payload: Value) -> String {
        self.send(conn, "job.submit", payload)
    }

    /// Submits and reads `job.accepted` and the first event, `status` running.
    pub fn submit(&mut self, conn: ConnId, payload: Value) -> Job {
        let request = self.send_submit(conn, payload);
        let accepted = self.expect(conn, "job.accepted");
        assert_eq!(accepted.payload()["request_id"], request.as_str(), "{accepted:?}");
        let job = self.job_of(&accepted);
        let running = self.event(conn, "status");
        assert_eq!(running.body()["phase"], "running", "{running:?}");
        assert_eq!(running.job(), job.id);
        job
    }

    /// Submits a job of this agent without a lease.
    pub fn job(&mut self, conn: ConnId, agent: &str) -> Job {
        self.submit(conn, json!({"agent": agent}))
    }

    /// The job of a `job.accepted`.
    pub fn job_of(&self, accepted: &Frame) -> Job {
        Job { key: self.key(accepted.job()), id: accepted.job().to_owned(), accepted: accepted.clone() }
    }

    /// Submits while the host holds; the key of the asked job.
    pub fn submit_held(&mut self, conn: ConnId, payload: Value) -> nuncio_core::arcp::JobId {
        let asked = |event: &Event| match event {
            Event::Submitted { job, .. } => Some(*job),
            _ => None,
        };
        // What the host was asked before is answered.
        while self.try_host_event(asked).is_some() {}
        self.send_submit(conn, payload);
        self.host_event("Submitted", asked)
    }

    /// Submits and expects a refusal with this code.
    pub fn submit_refused(&mut self, conn: ConnId, payload: Value, code: &str) -> Frame {
        let id = self.send_submit(conn, payload.clone());
        let error = self.refusal(conn, code);
        assert_eq!(error.payload()["request_id"], id.as_str(), "{payload}: {error:?}");
        self.expect_nothing(conn);
        error
    }

    /// Subscribes and reads `job.subscribed`.
    pub fn subscribe(&mut self, conn: ConnId, payload: Value) -> Frame {
        let id = self.send(conn, "job.subscribe", payload);
        let subscribed = self.expect(conn, "job.subscribed");
        assert_eq!(subscribed.payload()["request_id"], id.as_str());
        subscribed
    }

    /// Lists and reads the page.
    pub fn list(&mut self, conn: ConnId, payload: Value) -> Frame {
        let id = self.send(conn, "session.list_jobs", payload);
        let page = self.expect(conn, "session.jobs");
        assert_eq!(page.payload()["request_id"], id.as_str());
        page
    }
}

fn hello(token: &str, features: &[&str]) -> Value {
    json!({
        "client": {"name": "conformance", "version": "1.0.0"},
        "auth": {"scheme": "bearer", "token": token},
        "capabilities": {"encodings": ["json"], "features": features},
    })
}
