//! Rules that hold for every frame on the wire, between any peers: one function per rule.

use std::collections::{BTreeSet, HashMap, HashSet};

use nuncio_core::arcp::ConnId;
use serde_json::Value;

use super::Sim;
use super::host::TOKENS;
use crate::world::{Checker, Frame};

#[derive(Default)]
struct Conn {
    session: Option<String>,
    /// The token with which its hello resumed, and the one that its welcome issued.
    resumed_with: Option<String>,
    issued: String,
    /// Whether the runtime has read a frame after the welcome, which proves that the issued token was received.
    proved: bool,
    next: u64,
    greeted: bool,
}

#[derive(Default)]
struct Session {
    highest: u64,
    log: HashMap<u64, String>,
    ended: BTreeSet<String>,
    /// Names in subscribe requests, job ids among them: a job may be watched several times.
    watched: HashSet<String>,
    features: HashSet<String>,
    /// Tokens that are invalid once the record with this number is committed.
    outdated: HashMap<String, u64>,
    tokens: Vec<String>,
}

/// The state that the rules are checked against.
pub(super) struct Invariants {
    /// Checks the shape of frames and which principal may read which secret.
    pub(super) checker: Checker,
    conns: HashMap<ConnId, Conn>,
    sessions: HashMap<String, Session>,
}

impl Invariants {
    pub(super) fn new() -> Invariants {
        let mut checker = Checker::new();
        checker.overlapping();
        for (token, principal) in TOKENS {
            checker.principal(token, principal);
        }
        Invariants { checker, conns: HashMap::new(), sessions: HashMap::new() }
    }

    pub(super) fn opened(&mut self, conn: ConnId, frame_bytes: usize) {
        self.checker.opened(conn, frame_bytes);
        self.conns.insert(conn, Conn { next: 1, ..Conn::default() });
    }

    /// A connection has become another one.
    pub(super) fn moves(&mut self, conn: ConnId, moved: ConnId) {
        self.checker.moves(conn, moved);
        if let Some(known) = self.conns.remove(&conn) {
            self.conns.insert(moved, known);
        }
    }

    pub(super) fn closed(&mut self, conn: ConnId) {
        self.checker.closed(conn);
    }

    /// Registers a frame that the runtime is about to read; returns the session of its connection.
    pub(super) fn received(&mut self, id: ConnId, frame: &[u8], last_store: u64) -> Option<String> {
        if let Ok(text) = std::str::from_utf8(frame) {
            self.checker.received(id, text);
        }
        let conn = self.conns.get_mut(&id)?;
        if let Some(name) = &conn.session {
            if !conn.proved {
                conn.proved = true;
                let session = self.sessions.get_mut(name)?;
                let others = session.tokens.iter().filter(|token| **token != conn.issued);
                for token in others {
                    session.outdated.entry(token.clone()).or_insert(last_store + 1);
                }
            }
            let text = std::str::from_utf8(frame).unwrap_or_default();
            if text.contains("job.subscribe") {
                self.sessions.get_mut(name)?.watched.extend(text.split('"').map(str::to_owned));
            }
            return Some(name.clone());
        }
        if !conn.greeted
            && let Ok(hello) = serde_json::from_slice::<Value>(frame)
        {
            conn.greeted = true;
            let payload = &hello["payload"];
            for place in [payload, &payload["resume"]] {
                if let Some(token) = place["resume_token"].as_str() {
                    conn.resumed_with = Some(token.to_owned());
                }
                if let Some(last) = place["last_event_seq"].as_u64() {
                    conn.next = last.saturating_add(1);
                }
            }
        }
        None
    }

    /// Checks a frame that the runtime sends; returns whether it is a numbered frame sent for the first time.
    pub(super) fn sent(&mut self, id: ConnId, frame: &Frame) -> bool {
        self.checker.sent(id, frame);
        match frame.kind() {
            "session.welcome" => self.welcomed(id, frame),
            "job.accepted" | "job.subscribed" => {
                // A new watch of an ended job repeats the terminal.
                let name = frame["session_id"].as_str().unwrap_or_default();
                if let Some(session) = self.sessions.get_mut(name) {
                    session.ended.remove(frame.job());
                }
            }
            _ => {}
        }
        let Some(seq) = frame.seq() else { return false };
        let conn = self.conns.get_mut(&id).expect("an open connection");
        let name = conn.session.clone().expect("an event after the welcome");
        let session = self.sessions.get_mut(&name).expect("a welcomed session");
        event_numbers_have_no_gap(conn, seq, frame);
        only_negotiated_features_are_used(session, frame);
        if seq <= session.highest {
            a_number_always_names_the_same_event(session, seq, frame);
            return false;
        }
        no_unwritten_event_is_skipped(session, seq, frame);
        nothing_follows_a_terminal(session, frame);
        session.highest = seq;
        session.log.insert(seq, frame.text().to_owned());
        true
    }

    fn welcomed(&mut self, id: ConnId, frame: &Frame) {
        let payload = frame.payload();
        let name = payload["session_id"].as_str().unwrap_or_default().to_owned();
        let conn = self.conns.get_mut(&id).expect("an open connection");
        let issued = payload["resume_token"].as_str().unwrap_or_default().to_owned();
        let before = self.sessions.contains_key(&name);
        let session = self.sessions.entry(name.clone()).or_default();
        let features = payload["capabilities"]["features"].as_array().into_iter().flatten();
        session.features = features.filter_map(Value::as_str).map(str::to_owned).collect();
        outdated_tokens_are_refused(session, conn, before, frame);
        session.tokens.push(issued.clone());
        conn.issued = issued;
        conn.session = Some(name);
    }

    /// Returns every token that was ever issued, with its session: what an attacker may have stolen.
    pub(super) fn tokens(&self) -> Vec<(String, String)> {
        let all = self
            .sessions
            .iter()
            .flat_map(|(name, session)| session.tokens.iter().map(|token| (name.clone(), token.clone())));
        let mut all: Vec<_> = all.collect();
        // The order of a HashMap must not influence a run.
        all.sort();
        all
    }

    /// Forgets all connections and all effects of lost records: an outdated token may be valid again.
    pub(super) fn crashed(&mut self, left: u64) {
        self.conns.clear();
        for session in self.sessions.values_mut() {
            session.outdated.retain(|_, at| *at <= left);
        }
    }

    /// Registers a frame of a hostile peer's session that a restarted runtime counts as sent.
    pub(super) fn recorded(&mut self, frame: &Frame) {
        self.checker.recorded(frame);
        let session = self.sessions.get_mut(frame["session_id"].as_str().unwrap_or_default());
        if let (Some(session), Some(seq)) = (session, frame.seq()) {
            session.highest = session.highest.max(seq);
            session.log.entry(seq).or_insert_with(|| frame.text().to_owned());
        }
    }

    /// Returns the highest number that a session was sent.
    pub(super) fn highest(&self, session: &str) -> u64 {
        self.sessions.get(session).map_or(0, |session| session.highest)
    }

    /// Returns the tokens that are outdated because a later one was proved.
    pub(super) fn outdated_tokens(&self) -> Vec<(String, String)> {
        let mut all = self.tokens();
        all.retain(|(name, token)| self.sessions[name].outdated.contains_key(token));
        all
    }
}

/// §8.3: the numbers on a connection continue from where it resumed, without a gap.
fn event_numbers_have_no_gap(conn: &mut Conn, seq: u64, frame: &Frame) {
    assert_eq!(seq, conn.next, "§8.3 event_numbers_have_no_gap: {frame:?}");
    conn.next += 1;
}

/// §6.3: a number names the same event whenever it is sent, except that a secret is sent only once.
fn a_number_always_names_the_same_event(session: &Session, seq: u64, frame: &Frame) {
    let before = &session.log[&seq];
    if frame.body()["phase"] == "credential_rotated" {
        let redacted = frame.body().get("value").is_none() || before == frame.text();
        assert!(redacted, "§9.8.2 a_number_always_names_the_same_event: {frame:?}");
    } else {
        assert_eq!(before, frame.text(), "§6.3 a_number_always_names_the_same_event");
    }
}

/// §6.5: an event that was never written is not skipped while its session exists.
fn no_unwritten_event_is_skipped(session: &Session, seq: u64, frame: &Frame) {
    assert_eq!(seq, session.highest + 1, "§6.5 no_unwritten_event_is_skipped: {frame:?}");
}

/// §6.3: a session is resumed only with one of its own tokens, and not with one that a later token has outdated.
fn outdated_tokens_are_refused(session: &Session, conn: &Conn, resumed: bool, frame: &Frame) {
    match &conn.resumed_with {
        Some(token) => {
            assert!(!session.outdated.contains_key(token), "§6.3 outdated_tokens_are_refused: {frame:?}");
            assert!(session.tokens.contains(token), "§6.3 outdated_tokens_are_refused: not its own: {frame:?}");
        }
        None => assert!(!resumed, "§6.3 outdated_tokens_are_refused: resumed without a token: {frame:?}"),
    }
}

/// §7.3: nothing follows a job's terminal in a session, unless the session asks for the job again: by a subscribe, or by
/// a submit with the same key, which repeats the terminal. The model checks how often.
fn nothing_follows_a_terminal(session: &mut Session, frame: &Frame) {
    let again = session.watched.contains(frame.job()) || frame.kind() != "job.event";
    assert!(again || !session.ended.contains(frame.job()), "§7.3 nothing_follows_a_terminal: {frame:?}");
    if frame.kind() != "job.event" {
        session.ended.insert(frame.job().to_owned());
    }
}

/// §6.2: a session is sent no event whose feature it did not negotiate.
fn only_negotiated_features_are_used(session: &Session, frame: &Frame) {
    for (kind, feature) in [("progress", "progress"), ("result_chunk", "result_chunk")] {
        let fine = frame.event() != kind || session.features.contains(feature);
        assert!(fine, "§6.2 only_negotiated_features_are_used: {frame:?}");
    }
}

impl Sim {
    /// Ours: memory is bounded by the limits, which are far above what these short runs need.
    pub(super) fn memory_is_bounded(held: usize, log_events: usize) {
        let most = if log_events < 1_000 { 4 << 20 } else { 64 << 20 };
        assert!(held < most, "ours memory_is_bounded: {held} bytes are held");
    }

    /// §6.4: once the timers have fired, nothing is overdue and another timeout has no effect.
    pub(super) fn nothing_is_overdue(&mut self) {
        self.runtime.handle_timeout(self.now);
        let more = self.runtime.poll_output();
        assert!(more.is_none(), "§6.4 nothing_is_overdue: another timeout led to {more:?}");
        self.model.check_deadlines(self.now);
        if let Some((at, timer)) = self.runtime.poll_timeout() {
            assert!(at > self.now, "§6.4 nothing_is_overdue: {timer:?}");
        }
    }
}
