//! Rules that hold for every frame a runtime sends, whatever the test is about.

use std::collections::{HashMap, HashSet};

use nuncio_core::arcp::{Compat, ConnId, ErrorCode};
use serde_json::Value;

use super::client::ACCEPTED_REPLAY;
use super::frame::Frame;

const TYPES: [&str; 12] = [
    "session.welcome",
    "session.error",
    "session.ping",
    "session.pong",
    "session.jobs",
    "session.closed",
    "job.accepted",
    "job.event",
    "job.result",
    "job.error",
    "job.cancelled",
    "job.subscribed",
];
const MEMBERS: [&str; 9] =
    ["arcp", "id", "type", "session_id", "trace_id", "job_id", "event_seq", "payload", "extensions"];

/// What the checker knows about a session from the frames it was sent.
#[derive(Default)]
struct Session {
    principal: String,
    features: Vec<String>,
    python: bool,
    highest: u64,
    /// The text of each numbered frame: a replay has to repeat it.
    log: HashMap<u64, String>,
    /// The jobs whose last frame was a terminal.
    ended: HashSet<String>,
    subscribed: HashSet<String>,
    children: HashSet<String>,
    /// The number of each job's first event. A client that resumes after it knows the job.
    first: HashMap<String, u64>,
}

#[derive(Default)]
struct Conn {
    session: Option<String>,
    token: String,
    python: bool,
    greeted: bool,
    /// The number that the next event must have.
    next: u64,
    is_resumed: bool,
    /// The number that the connection resumed from.
    resumed: u64,
    known: HashSet<String>,
    /// The ids of the submits that came on it.
    submits: HashSet<String>,
    closed: bool,
    frame_bytes: usize,
}

/// Checks the standing rules on every frame in both directions.
#[derive(Default)]
pub(crate) struct Checker {
    compat: Compat,
    conns: HashMap<ConnId, Conn>,
    sessions: HashMap<String, Session>,
    /// The envelope ids seen, with the type, session and number of their frame.
    ids: HashMap<String, (String, String, Option<u64>)>,
    /// Secret texts with the only principal that may read them, or `None` if no principal may.
    secrets: Vec<(String, Option<String>)>,
    tokens: Vec<String>,
    principals: HashMap<String, String>,
    /// Whether clients may ask for a job again while its terminal is still on the way. Then a frame after a terminal is
    /// not necessarily an error.
    overlapping: bool,
}

impl Session {
    /// Returns whether its client receives `job.accepted` again after a resume.
    fn replays_accepted(&self) -> bool {
        self.features.iter().any(|feature| feature == ACCEPTED_REPLAY)
    }
}

impl Checker {
    pub(crate) fn new(compat: Compat) -> Checker {
        Checker { compat, ..Checker::default() }
    }

    /// Turns off the check that nothing follows a terminal; the caller has to check it instead.
    pub(crate) fn overlapping(&mut self) {
        self.overlapping = true;
    }

    pub(crate) fn principal(&mut self, token: &str, principal: &str) {
        self.principals.insert(token.to_owned(), principal.to_owned());
        self.secrets.push((token.to_owned(), None));
    }

    /// Takes over the secrets of another world, and what its clients know from `frames`.
    pub(super) fn inherit<'a>(&mut self, other: &Checker, frames: impl Iterator<Item = &'a Frame>) {
        self.secrets.clone_from(&other.secrets);
        for frame in frames {
            let name = frame["session_id"].as_str().unwrap_or_default();
            let Some(before) = other.sessions.get(name) else { continue };
            let session = self.sessions.entry(name.to_owned()).or_insert_with(|| Session {
                principal: before.principal.clone(),
                python: before.python,
                ..Session::default()
            });
            if frame.kind() == "job.subscribed" {
                session.subscribed.insert(frame.job().to_owned());
            }
            let Some(seq) = frame.seq() else { continue };
            session.highest = session.highest.max(seq);
            session.log.insert(seq, frame.text().to_owned());
            session.first.entry(frame.job().to_owned()).or_insert(seq);
        }
    }

    /// Registers a frame that a restarted runtime counts as sent although no client received it: clients may resume
    /// from it.
    pub(crate) fn recorded(&mut self, frame: &Frame) {
        let session = self.sessions.get_mut(frame["session_id"].as_str().unwrap_or_default());
        if let (Some(session), Some(seq)) = (session, frame.seq()) {
            session.highest = session.highest.max(seq);
            session.log.entry(seq).or_insert_with(|| frame.text().to_owned());
            session.first.entry(frame.job().to_owned()).or_insert(seq);
        }
    }

    pub(crate) fn secret(&mut self, value: &str, principal: &str) {
        self.secrets.push((value.to_owned(), Some(principal.to_owned())));
    }

    pub(crate) fn opened(&mut self, conn: ConnId, frame_bytes: usize) {
        self.conns.insert(conn, Conn { frame_bytes, next: 1, ..Conn::default() });
    }

    pub(crate) fn closed(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.closed = true;
        }
    }

    pub(super) fn session(&self, conn: ConnId) -> Option<&str> {
        self.conns.get(&conn)?.session.as_deref()
    }

    /// Registers a frame sent by a client: a hello decides from which number a resume continues.
    pub(crate) fn received(&mut self, conn: ConnId, text: &str) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return };
        let Some(conn) = self.conns.get_mut(&conn) else { return };
        let first = !std::mem::replace(&mut conn.greeted, true);
        if frame["type"] == "job.submit" {
            conn.submits.insert(frame["id"].as_str().unwrap_or_default().to_owned());
        }
        if let Some(session) = &conn.session {
            // The answer may be lost with the connection; it is not repeated, but the subscription's events are.
            if self.overlapping
                && frame["type"] == "job.subscribe"
                && let Some(session) = self.sessions.get_mut(session)
            {
                session.subscribed.insert(frame["payload"]["job_id"].as_str().unwrap_or_default().to_owned());
            }
            return;
        }
        // The welcome to an earlier hello may still be waiting for the journal.
        if !first {
            return;
        }
        let payload = &frame["payload"];
        if let Some(token) = payload["auth"]["token"].as_str() {
            token.clone_into(&mut conn.token);
        }
        let agents = &payload["capabilities"]["agents"];
        conn.python = match self.compat {
            Compat::Auto => agents.as_array().is_some_and(Vec::is_empty),
            Compat::Python11 => true,
            Compat::Spec => false,
        };
        for place in [&payload["resume"], payload] {
            if let Some(last) = place["last_event_seq"].as_u64() {
                conn.next = last + 1;
                conn.resumed = last;
                conn.is_resumed = true;
            }
        }
    }

    pub(crate) fn sent(&mut self, id: ConnId, frame: &Frame) {
        self.envelope(id, frame);
        self.nulls(frame);
        self.timestamps(frame);
        self.secrets(id, frame);
        match frame.kind() {
            "session.welcome" => self.welcome(id, frame),
            "session.error" => error(frame),
            "job.accepted" => self.accepted(id, frame),
            "job.subscribed" => self.subscribed(id, frame),
            "job.event" | "job.result" | "job.error" => self.numbered(id, frame),
            _ => {}
        }
    }

    fn envelope(&mut self, id: ConnId, frame: &Frame) {
        let conn = &self.conns[&id];
        let text = frame.text();
        assert!(!conn.closed, "a frame after the connection was closed: {text}");
        assert!(text.len() <= conn.frame_bytes, "a frame of {} bytes", text.len());
        assert!(!text.contains(['\n', '\r']), "a frame of more than one line: {text}");
        assert_eq!(frame["arcp"], "1.1", "{text}");
        assert!(TYPES.contains(&frame.kind()), "not a type that a runtime sends: {text}");
        for (name, value) in frame.as_object().expect("an object") {
            assert!(MEMBERS.contains(&name.as_str()), "unknown member {name}: {text}");
            assert!(!value.is_null(), "{name} is null: {text}");
        }
        assert!(frame.payload().is_object(), "no payload: {text}");
        let numbered = matches!(frame.kind(), "job.event" | "job.result" | "job.error");
        assert_eq!(frame.seq().is_some(), numbered, "event_seq belongs on events and terminals only: {text}");
        let session = frame["session_id"].as_str().unwrap_or_default().to_owned();
        assert!(is_id(&session, "sess_"), "no session_id: {text}");
        if let Some(bound) = &conn.session {
            assert_eq!(&session, bound, "a frame of another session: {text}");
        }
        if let Some(trace) = frame.get("trace_id") {
            let trace = trace.as_str().unwrap_or_default();
            let hex = trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(trace.len() == 32 && hex && trace.bytes().any(|byte| byte != b'0'), "trace_id: {text}");
        }
        if frame.kind().starts_with("job.") {
            assert!(is_id(frame.job(), "job_"), "no job_id: {text}");
            assert!(frame.get("trace_id").is_some(), "no trace_id on a frame of a job: {text}");
        }
        let envelope = frame["id"].as_str().unwrap_or_default();
        assert!(is_id(envelope, ""), "the id is not a ULID: {text}");
        let seen = (frame.kind().to_owned(), session, frame.seq());
        let before = self.ids.entry(envelope.to_owned()).or_insert_with(|| seen.clone());
        assert_eq!(*before, seen, "an id was used for two frames: {text}");
        if !numbered && frame.kind() != "job.accepted" {
            self.ids.insert(envelope.to_owned(), (String::from("used once"), String::new(), None));
        }
    }

    #[expect(clippy::unused_self, reason = "all checks are called the same way")]
    fn nulls(&self, frame: &Frame) {
        let nullable: &[&str] = match frame.kind() {
            "session.jobs" => &["next_cursor"],
            "job.subscribed" => &["parent_job_id"],
            "job.result" => &["result"],
            _ => &[],
        };
        for (name, value) in frame.payload().as_object().expect("an object") {
            assert!(!value.is_null() || nullable.contains(&name.as_str()), "{name} is null: {frame:?}");
        }
        for job in frame.payload()["jobs"].as_array().into_iter().flatten() {
            for (name, value) in job.as_object().expect("an object") {
                assert!(!value.is_null() || name == "parent_job_id", "{name} is null: {frame:?}");
            }
        }
    }

    #[expect(clippy::unused_self, reason = "all checks are called the same way")]
    fn timestamps(&self, frame: &Frame) {
        let members = ["accepted_at", "completed_at", "ts", "sent_at", "received_at", "created_at", "submitted_at"];
        let jobs = frame.payload()["jobs"].as_array().into_iter().flatten();
        for place in jobs.chain([frame.payload()]) {
            for member in members {
                if let Some(time) = place.get(member) {
                    let time = time.as_str().unwrap_or_default();
                    assert!(is_timestamp(time), "{member} is not an RFC 3339 time with milliseconds and Z: {frame:?}");
                }
            }
        }
    }

    fn secrets(&self, id: ConnId, frame: &Frame) {
        let welcome = frame.kind() == "session.welcome";
        for token in &self.tokens {
            assert!(welcome || !frame.text().contains(token), "a resume token outside a welcome: {frame:?}");
        }
        let reader = self.conns[&id].session.as_ref().and_then(|session| self.sessions.get(session));
        let reader = reader.map(|session| session.principal.as_str());
        for (secret, owner) in &self.secrets {
            if frame.text().contains(secret) {
                assert!(
                    owner.is_some() && owner.as_deref() == reader,
                    "a secret of {owner:?} for {reader:?}: {frame:?}"
                );
                let rotation = frame.event() == "status" && frame.body()["phase"] == "credential_rotated";
                let place = rotation || matches!(frame.kind(), "job.accepted" | "job.subscribed");
                assert!(place, "a secret in a frame that may not carry one: {frame:?}");
            }
        }
    }

    fn welcome(&mut self, id: ConnId, frame: &Frame) {
        let conn = self.conns.get_mut(&id).expect("a connection");
        assert!(conn.session.is_none(), "a second welcome: {frame:?}");
        let payload = frame.payload();
        let name = payload["session_id"].as_str().expect("a session_id in the welcome").to_owned();
        assert_eq!(frame["session_id"], name.as_str());
        let token = payload["resume_token"].as_str().expect("a resume_token");
        assert!(!self.tokens.iter().any(|known| known == token), "a resume token was issued twice");
        self.tokens.push(token.to_owned());
        conn.session = Some(name.clone());
        let principal = self.principals.get(&conn.token).cloned();
        let python = conn.python;
        let session = self.sessions.entry(name).or_insert_with(|| Session {
            python,
            principal: principal.unwrap_or_default(),
            ..Session::default()
        });
        let features = payload["capabilities"]["features"].as_array().expect("features");
        session.features = features.iter().filter_map(|feature| feature.as_str().map(str::to_owned)).collect();
        assert!(conn.next <= session.highest + 1, "a resume beyond what was sent was granted");
    }

    fn accepted(&mut self, id: ConnId, frame: &Frame) {
        let (conn, session) = self.bound(id);
        let payload = frame.payload();
        assert_eq!(payload["job_id"], frame.job(), "{frame:?}");
        assert_eq!(payload["trace_id"], frame["trace_id"], "{frame:?}");
        assert!(payload["agent"].is_string() && payload["lease"].is_object(), "{frame:?}");
        let child = payload.get("delegate_id").is_some() && payload.get("request_id").is_none();
        assert!(child || payload["request_id"].is_string(), "neither a request_id nor a child: {frame:?}");
        if !session.replays_accepted() {
            let asked = payload["request_id"].as_str().is_some_and(|request| conn.submits.contains(request));
            assert!(asked, "a job.accepted that answers no submit of its connection: {frame:?}");
        }
        conn.known.insert(frame.job().to_owned());
        session.ended.remove(frame.job());
    }

    fn subscribed(&mut self, id: ConnId, frame: &Frame) {
        let (_, session) = self.bound(id);
        assert!(frame.payload()["request_id"].is_string(), "{frame:?}");
        session.subscribed.insert(frame.job().to_owned());
        session.ended.remove(frame.job());
    }

    fn numbered(&mut self, id: ConnId, frame: &Frame) {
        let overlapping = self.overlapping;
        let (conn, session) = self.bound(id);
        let seq = frame.seq().expect("a number");
        assert_eq!(seq, conn.next, "the numbers of a session have no gap: {frame:?}");
        conn.next += 1;
        let known = conn.known.contains(frame.job()) || session.subscribed.contains(frame.job());
        let first = *session.first.entry(frame.job().to_owned()).or_insert(seq);
        // Where `job.accepted` is not sent again, and not for a child, only a job of this connection is known.
        let unannounced = !session.replays_accepted() && (session.children.contains(frame.job()) || conn.is_resumed);
        let known = known || first <= conn.resumed || unannounced;
        assert!(known, "an event before the job.accepted of its job: {frame:?}");
        if seq <= session.highest {
            let before = &session.log[&seq];
            let redacted = before.contains("credential_rotated");
            assert!(redacted || before == frame.text(), "event {seq} is not what it was:\n{before}\n{frame:?}");
        } else {
            session.highest = seq;
            session.log.insert(seq, frame.text().to_owned());
            assert!(overlapping || !session.ended.contains(frame.job()), "a frame after the terminal: {frame:?}");
            if frame.kind() != "job.event" {
                session.ended.insert(frame.job().to_owned());
            }
        }
        match frame.kind() {
            "job.event" => {
                event(session, frame);
                if let Some(child) = frame.body()["child_job_id"].as_str() {
                    session.children.insert(child.to_owned());
                }
            }
            "job.result" => result(session, frame),
            _ => terminal_error(frame),
        }
    }

    fn bound(&mut self, id: ConnId) -> (&mut Conn, &mut Session) {
        let conn = self.conns.get_mut(&id).expect("a connection");
        let name = conn.session.clone().expect("a job's frame before the welcome");
        (conn, self.sessions.get_mut(&name).expect("a session"))
    }
}

fn event(session: &Session, frame: &Frame) {
    assert!(frame.payload()["ts"].is_string() && frame.payload().get("body").is_some(), "{frame:?}");
    for (kind, feature) in [("progress", "progress"), ("result_chunk", "result_chunk")] {
        let negotiated = session.features.iter().any(|known| known == feature);
        assert!(frame.event() != kind || negotiated, "{kind} was not negotiated: {frame:?}");
    }
}

fn result(session: &Session, frame: &Frame) {
    let status = frame.payload()["final_status"].as_str().unwrap_or_default();
    let python = session.python && matches!(status, "cancelled" | "timed_out");
    assert!(status == "success" || python, "{frame:?}");
    let inline = frame.payload().get("result").is_some();
    let streamed = frame.payload().get("result_id").is_some();
    assert!(!(inline && streamed), "inline and streamed at once: {frame:?}");
    assert_eq!(streamed, frame.payload().get("result_size").is_some(), "{frame:?}");
    assert!(frame.payload()["completed_at"].is_string(), "{frame:?}");
}

fn terminal_error(frame: &Frame) {
    let status = frame.payload()["final_status"].as_str().unwrap_or_default();
    assert!(matches!(status, "error" | "cancelled" | "timed_out"), "{frame:?}");
    assert!(frame.payload()["completed_at"].is_string(), "{frame:?}");
    fault(frame);
}

fn error(frame: &Frame) {
    fault(frame);
    if let Some(request) = frame.payload().get("request_id") {
        assert!(request.as_str().is_some_and(|request| !request.is_empty()), "{frame:?}");
    }
}

fn fault(frame: &Frame) {
    let payload = frame.payload();
    let code = payload["code"].as_str().and_then(ErrorCode::parse);
    let code = code.unwrap_or_else(|| panic!("the code is not one of the 15: {frame:?}"));
    assert_eq!(payload["retryable"], code == ErrorCode::InternalError, "{frame:?}");
    assert!(payload["message"].as_str().is_some_and(|message| !message.is_empty()), "{frame:?}");
    let details = payload.get("details").map(Value::as_object);
    let some = details.is_none_or(|details| details.is_some_and(|details| !details.is_empty()));
    assert!(some, "details must be a non-empty object or absent: {frame:?}");
}

/// Returns whether the text is `prefix` and an upper-case Crockford ULID.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|ulid| {
        ulid.len() == 26 && ulid.bytes().all(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&byte))
    })
}

fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
