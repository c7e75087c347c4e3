//! The client side: hellos, resumes and requests.

use nuncio_core::arcp::{ConnId, Event, Via};
use serde_json::{Value, json};

use super::{Frame, Job, World};

/// The feature of clients that want `job.accepted` again after a resume.
pub const ACCEPTED_REPLAY: &str = "x-vendor.nuncio.accepted_replay";

/// All eleven features of the specification, and Nuncio's own.
pub const FEATURES: [&str; 12] = [
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
    ACCEPTED_REPLAY,
];

impl World {
    /// Sends a hello with these features and returns the frame's id.
    pub fn hello(&mut self, conn: ConnId, token: &str, features: &[&str]) -> String {
        self.send(conn, "session.hello", hello(token, features))
    }

    /// Opens a session with all features on a TLS connection.
    pub fn login(&mut self, token: &str) -> ConnId {
        self.login_with(token, &FEATURES)
    }

    /// Opens a session with only these features on a TLS connection.
    pub fn login_with(&mut self, token: &str, features: &[&str]) -> ConnId {
        self.login_via(token, features, Via::Tls)
    }

    /// Opens a session with all features except these on a TLS connection.
    pub fn login_without(&mut self, token: &str, without: &[&str]) -> ConnId {
        let features: Vec<&str> = FEATURES.into_iter().filter(|feature| !without.contains(feature)).collect();
        self.login_with(token, &features)
    }

    /// Opens a session with these features on a connection of the given kind.
    pub fn login_via(&mut self, token: &str, features: &[&str], via: Via) -> ConnId {
        let conn = self.open_via(via);
        self.hello(conn, token, features);
        self.expect(conn, "session.welcome");
        conn
    }

    /// Opens a session as the Python client 1.1.3 does, which sends `"agents": []`.
    pub fn login_python(&mut self, token: &str) -> ConnId {
        let conn = self.open();
        let features: Vec<&str> = FEATURES.into_iter().filter(|feature| *feature != ACCEPTED_REPLAY).collect();
        let mut payload = hello(token, &features);
        payload["capabilities"]["agents"] = json!([]);
        self.send(conn, "session.hello", payload);
        self.expect(conn, "session.welcome");
        conn
    }

    /// Returns the session id of a connection.
    pub fn session(&self, conn: ConnId) -> String {
        self.checker.session(conn).expect("a welcomed connection").to_owned()
    }

    /// Returns the resume token from the welcome of a connection.
    pub fn token(&self, conn: ConnId) -> String {
        self.welcome(conn).payload()["resume_token"].as_str().expect("a token").to_owned()
    }

    /// Returns the welcome of a connection.
    pub fn welcome(&self, conn: ConnId) -> Frame {
        let mut welcomes =
            self.history.iter().rev().filter(|(_, to, frame)| *to == conn && frame.kind() == "session.welcome");
        welcomes.next().expect("a welcome").2.clone()
    }

    /// Opens a connection that resumes `session` with the bearer `token`; the answer is left in the inbox.
    pub fn resume_as(&mut self, token: &str, session: &str, resume_token: &str, last: u64) -> ConnId {
        let conn = self.open();
        let mut payload = hello(token, &FEATURES);
        payload["resume"] = json!({"session_id": session, "resume_token": resume_token, "last_event_seq": last});
        self.send(conn, "session.hello", payload);
        conn
    }

    /// Resumes alice's session of the connection `old` on a new connection and reads the welcome.
    pub fn resume(&mut self, old: ConnId, last: u64) -> ConnId {
        let (session, token) = (self.session(old), self.token(old));
        let conn = self.resume_as("tok-alice", &session, &token, last);
        let welcome = self.expect(conn, "session.welcome");
        assert_eq!(welcome["session_id"], session.as_str(), "the session is resumed");
        conn
    }

    /// Sends `job.submit` and returns the frame's id; the answer is left in the inbox.
    pub fn send_submit(&mut self, conn: ConnId, payload: Value) -> String {
        self.send(conn, "job.submit", payload)
    }

    /// Submits and reads `job.accepted` and the first event, `status` "running".
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

    /// Submits a job of this agent without a lease and reads its first frames.
    pub fn job(&mut self, conn: ConnId, agent: &str) -> Job {
        self.submit(conn, json!({"agent": agent}))
    }

    /// Returns the job of a `job.accepted`.
    pub fn job_of(&self, accepted: &Frame) -> Job {
        Job { key: self.key(accepted.job()), id: accepted.job().to_owned(), accepted: accepted.clone() }
    }

    /// Returns the job with this id.
    pub fn job_by_id(&self, id: &str) -> Job {
        Job { key: self.key(id), id: id.to_owned(), accepted: Frame::parse("{}") }
    }

    /// Returns the key of the job that the host was asked about last.
    pub fn last_submitted(&mut self) -> nuncio_core::arcp::JobKey {
        let mut last = None;
        while let Some(job) = self.try_host_event(|event| match event {
            Event::Submitted { job, .. } => Some(*job),
            _ => None,
        }) {
            last = Some(job);
        }
        last.expect("a job that the host was asked about")
    }

    /// Submits while the host holds its answers, and returns the key of the job that the host was asked about.
    pub fn submit_held(&mut self, conn: ConnId, payload: Value) -> nuncio_core::arcp::JobKey {
        let asked = |event: &Event| match event {
            Event::Submitted { job, .. } => Some(*job),
            _ => None,
        };
        // Earlier questions to the host are already answered.
        while self.try_host_event(asked).is_some() {}
        self.send_submit(conn, payload);
        self.host_event("Submitted", asked)
    }

    /// Submits and expects a refusal with this code, and nothing else.
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

    /// Lists jobs and reads the page.
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
