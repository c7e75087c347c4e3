//! Rules that hold for every frame a runtime sends, whatever the test is about.

use std::collections::{HashMap, HashSet};

use nuncio_core::arcp::{ConnId, Dialect};
use serde_json::Value;

use super::client::ACCEPTED_REPLAY;
use super::frame::Frame;
use super::shape;

const TYPES: [&str; 16] = [
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
    "x-vendor.nuncio.answered",
    "x-vendor.nuncio.questions",
    "x-vendor.nuncio.sessions",
    "x-vendor.nuncio.status",
];
const MEMBERS: [&str; 9] =
    ["arcp", "id", "type", "session_id", "trace_id", "job_id", "event_seq", "payload", "extensions"];

/// What the checker knows about a session from the frames it was sent.
#[derive(Default)]
struct Session {
    principal: String,
    features: Vec<String>,
    dialect: Dialect,
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
    greeted: bool,
    /// The number that the next event must have.
    next: u64,
    is_resumed: bool,
    /// The number that the connection resumed from.
    resumed: u64,
    known: HashSet<String>,
    /// The ids of the `job.subscribed` that were sent on it.
    answers: HashSet<String>,
    /// The ids of the submits that came on it.
    submits: HashSet<String>,
    closed: bool,
    frame_bytes: usize,
}

/// Checks the standing rules on every frame in both directions.
#[derive(Default)]
pub(crate) struct Checker {
    conns: HashMap<ConnId, Conn>,
    sessions: HashMap<String, Session>,
    dialects: HashMap<String, Dialect>,
    /// The envelope ids seen, with the type, session and number of their frame.
    ids: HashMap<String, (String, String, Option<u64>)>,
    /// Each `job.subscribed`, by its id.
    answers: HashMap<String, String>,
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
    pub(crate) fn new() -> Checker {
        Checker::default()
    }

    /// Registers the dialect of a session, which the runtime names before it welcomes the session.
    pub(crate) fn live(&mut self, session: &str, dialect: Dialect) {
        let known = self.dialects.entry(session.to_owned()).or_insert(dialect);
        assert_eq!(*known, dialect, "the dialect of {session} has changed");
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
        self.dialects.clone_from(&other.dialects);
        for frame in frames {
            let name = frame["session_id"].as_str().unwrap_or_default();
            let Some(before) = other.sessions.get(name) else { continue };
            let session = self.sessions.entry(name.to_owned()).or_insert_with(|| Session {
                principal: before.principal.clone(),
                dialect: before.dialect,
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

    /// A connection has become another one.
    pub(crate) fn moves(&mut self, conn: ConnId, moved: ConnId) {
        if let Some(known) = self.conns.remove(&conn) {
            self.conns.insert(moved, known);
        }
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
        // Some peers write NaN, which JSON does not have. The refusal of such a frame names it.
        let Ok(frame) = serde_json::from_str::<Value>(&text.replace("NaN", "null")) else { return };
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
        shape::nulls(frame);
        shape::timestamps(frame);
        self.secrets(id, frame);
        match frame.kind() {
            "session.welcome" => self.welcome(id, frame),
            "session.error" => shape::error(frame),
            "job.accepted" => self.accepted(id, frame),
            "job.subscribed" => self.subscribed(id, frame),
            "job.error" if self.is_job_refusal(frame) => shape::fault(frame),
            "job.event" | "job.result" | "job.error" => self.numbered(id, frame),
            _ => {}
        }
    }

    /// Returns the dialect of the session that a frame names, if it was opened.
    fn dialect(&self, frame: &Frame) -> Option<Dialect> {
        self.dialects.get(frame["session_id"].as_str().unwrap_or_default()).copied()
    }

    /// Returns whether a frame is a `job.error` that refuses a request, which only some dialects have.
    fn is_job_refusal(&self, frame: &Frame) -> bool {
        let dialect = self.dialect(frame).unwrap_or(Dialect::JAVA);
        let has_them = dialect == Dialect::JAVA || dialect == Dialect::TYPESCRIPT;
        has_them && frame.kind() == "job.error" && frame.payload().get("completed_at").is_none()
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
        let refusal = self.is_job_refusal(frame);
        assert_eq!(
            frame.seq().is_some(),
            numbered && !refusal,
            "event_seq belongs on events and terminals only: {text}"
        );
        let session = frame["session_id"].as_str().unwrap_or_default().to_owned();
        assert!(shape::is_id(&session, "sess_"), "no session_id: {text}");
        if let Some(bound) = &conn.session {
            assert_eq!(&session, bound, "a frame of another session: {text}");
        }
        if let Some(trace) = frame.get("trace_id") {
            let trace = trace.as_str().unwrap_or_default();
            let hex = trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(trace.len() == 32 && hex && trace.bytes().any(|byte| byte != b'0'), "trace_id: {text}");
        }
        if frame.kind().starts_with("job.") && !refusal {
            assert!(shape::is_id(frame.job(), "job_"), "no job_id: {text}");
            assert!(frame.get("trace_id").is_some(), "no trace_id on a frame of a job: {text}");
        }
        let envelope = frame["id"].as_str().unwrap_or_default();
        if !numbered || refusal {
            // A reply may have the id of its request.
            if self.dialect(frame) == Some(Dialect::JAVA) || refusal {
                assert!(!envelope.is_empty(), "no id: {text}");
                return;
            }
        }
        assert!(shape::is_id(envelope, ""), "the id is not a ULID: {text}");
        let seen = (frame.kind().to_owned(), session, frame.seq());
        let before = self.ids.entry(envelope.to_owned()).or_insert_with(|| seen.clone());
        assert_eq!(*before, seen, "an id was used for two frames: {text}");
        // A client that has asked for it is sent an answer again on another connection.
        let replays = self.sessions.get(&before.1).is_some_and(Session::replays_accepted);
        let again = frame.kind() == "job.accepted" || (frame.kind() == "job.subscribed" && replays);
        if frame.kind() == "job.subscribed" {
            let answers = &mut self.conns.get_mut(&id).expect("a connection").answers;
            assert!(answers.insert(envelope.to_owned()), "an answer was sent twice on a connection: {text}");
            let before = self.answers.entry(envelope.to_owned()).or_insert_with(|| text.to_owned());
            assert_eq!(before, text, "an answer is not what it was");
        }
        if !numbered && !again {
            self.ids.insert(envelope.to_owned(), (String::from("used once"), String::new(), None));
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
        let dialect = self.dialects[&name];
        let session = self.sessions.entry(name).or_insert_with(|| Session {
            dialect,
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
        let lease = if session.dialect == Dialect::RUBY {
            payload.get("lease").is_none()
        } else {
            payload["lease"].is_object()
        };
        assert!(payload["agent"].is_string() && lease, "{frame:?}");
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
    let python = session.dialect == Dialect::PYTHON && matches!(status, "cancelled" | "timed_out");
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
    shape::fault(frame);
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
