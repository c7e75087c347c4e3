//! What holds for everything on the wire, whoever the peers are: one function per rule.

use std::collections::{BTreeSet, HashMap, HashSet};

use nuncio_core::arcp::{Compat, ConnId};
use serde_json::Value;

use super::Sim;
use super::host::TOKENS;
use crate::world::{Checker, Frame};

#[derive(Default)]
struct Conn {
    session: Option<String>,
    /// The token its hello resumed with, and the one its welcome brought.
    resumed_with: Option<String>,
    issued: String,
    /// The runtime has read something after the welcome: the issued token was received.
    proved: bool,
    next: u64,
    greeted: bool,
}

#[derive(Default)]
struct Session {
    highest: u64,
    log: HashMap<u64, String>,
    ended: BTreeSet<String>,
    /// What a subscribe has named: several watches may follow each other.
    watched: HashSet<String>,
    features: HashSet<String>,
    /// Every token of the session that may not be good any more, once the record of this number is committed.
    dead: HashMap<String, u64>,
    tokens: Vec<String>,
}

/// The standing invariants of a run.
pub(super) struct Invariants {
    /// The shape of frames, and who may read which secret.
    pub(super) checker: Checker,
    conns: HashMap<ConnId, Conn>,
    sessions: HashMap<String, Session>,
}

impl Invariants {
    pub(super) fn new() -> Invariants {
        let mut checker = Checker::new(Compat::Auto);
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

    pub(super) fn closed(&mut self, conn: ConnId) {
        self.checker.closed(conn);
    }

    /// A frame that the runtime is about to read; the session it belongs to.
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
                    session.dead.entry(token.clone()).or_insert(last_store + 1);
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

    /// A frame of the runtime; whether it is a numbered one for the first time.
    pub(super) fn sent(&mut self, id: ConnId, frame: &Frame) -> bool {
        self.checker.sent(id, frame);
        match frame.kind() {
            "session.welcome" => self.welcomed(id, frame),
            "job.accepted" | "job.subscribed" => {
                // A new watch of an ended job shows its terminal once more.
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
        seq_gap_free(conn, seq, frame);
        only_negotiated(session, frame);
        if seq <= session.highest {
            same_payload_for_seq(session, seq, frame);
            return false;
        }
        unwritten_not_freed(session, seq, frame);
        terminal_is_terminal(session, frame);
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
        resume_token_once(session, conn, before, frame);
        session.tokens.push(issued.clone());
        conn.issued = issued;
        conn.session = Some(name);
    }

    /// Every token that was ever issued, with its session: what a thief may have.
    pub(super) fn tokens(&self) -> Vec<(String, String)> {
        let all = self
            .sessions
            .iter()
            .flat_map(|(name, session)| session.tokens.iter().map(|token| (name.clone(), token.clone())));
        let mut all: Vec<_> = all.collect();
        // A HashMap's order must not decide what a run does.
        all.sort();
        all
    }

    /// The runtime is gone, with what it had not written down: a token may be good again.
    pub(super) fn crashed(&mut self, left: u64) {
        self.conns.clear();
        for session in self.sessions.values_mut() {
            session.dead.retain(|_, at| *at <= left);
        }
    }

    /// A frame of a hostile peer's session, which a restarted runtime takes for sent.
    pub(super) fn recorded(&mut self, frame: &Frame) {
        self.checker.recorded(frame);
        let session = self.sessions.get_mut(frame["session_id"].as_str().unwrap_or_default());
        if let (Some(session), Some(seq)) = (session, frame.seq()) {
            session.highest = session.highest.max(seq);
            session.log.entry(seq).or_insert_with(|| frame.text().to_owned());
        }
    }

    /// The highest number that a session was shown.
    pub(super) fn highest(&self, session: &str) -> u64 {
        self.sessions.get(session).map_or(0, |session| session.highest)
    }

    /// Those that were proved to be out of date.
    pub(super) fn dead_tokens(&self) -> Vec<(String, String)> {
        let mut all = self.tokens();
        all.retain(|(name, token)| self.sessions[name].dead.contains_key(token));
        all
    }
}

/// §8.3: the numbers on a connection go on behind where it resumed, one by one.
fn seq_gap_free(conn: &mut Conn, seq: u64, frame: &Frame) {
    assert_eq!(seq, conn.next, "§8.3 seq_gap_free: {frame:?}");
    conn.next += 1;
}

/// §6.3: a number names the same event whenever it is written, but for a secret that was written once.
fn same_payload_for_seq(session: &Session, seq: u64, frame: &Frame) {
    let before = &session.log[&seq];
    if frame.body()["phase"] == "credential_rotated" {
        assert!(frame.body().get("value").is_none() || before == frame.text(), "§9.8.2: {frame:?}");
    } else {
        assert_eq!(before, frame.text(), "§6.3 same_payload_for_seq");
    }
}

/// §6.5: what was never written is not passed over while the session lives.
fn unwritten_not_freed(session: &Session, seq: u64, frame: &Frame) {
    assert_eq!(seq, session.highest + 1, "§6.5 unwritten_not_freed: {frame:?}");
}

/// §6.3: a token is dead once a later one was proved; a session is taken up with a token of its own.
fn resume_token_once(session: &Session, conn: &Conn, before: bool, frame: &Frame) {
    match &conn.resumed_with {
        Some(token) => {
            assert!(!session.dead.contains_key(token), "§6.3 resume_token_once: {frame:?}");
            assert!(session.tokens.contains(token), "§6.3 resume_token_once: not a token of this: {frame:?}");
        }
        None => assert!(!before, "§6.3: a session was taken up without a token: {frame:?}"),
    }
}

/// §7.3: nothing follows a job's terminal in a session, unless it asks for the job again: by a subscribe, or by a submit
/// with the same key, which brings the terminal once more. How often, the model knows.
fn terminal_is_terminal(session: &mut Session, frame: &Frame) {
    let again = session.watched.contains(frame.job()) || frame.kind() != "job.event";
    assert!(again || !session.ended.contains(frame.job()), "§7.3 terminal_is_terminal: {frame:?}");
    if frame.kind() != "job.event" {
        session.ended.insert(frame.job().to_owned());
    }
}

/// §6.2: nothing that the session did not negotiate.
fn only_negotiated(session: &Session, frame: &Frame) {
    for (kind, feature) in [("progress", "progress"), ("result_chunk", "result_chunk")] {
        let fine = frame.event() != kind || session.features.contains(feature);
        assert!(fine, "§6.2 only_negotiated: {frame:?}");
    }
}

impl Sim {
    /// Ours: memory is bounded by the limits, and these runs are small.
    pub(super) fn bounded(held: usize, log_events: usize) {
        let most = if log_events < 1_000 { 4 << 20 } else { 64 << 20 };
        assert!(held < most, "bounded: {held} bytes are held");
    }

    /// §6.4: nothing is overdue once the timers went off, and a spurious call does nothing.
    pub(super) fn quiet(&mut self) {
        self.runtime.handle_timeout(self.now);
        let more = self.runtime.poll_output();
        assert!(more.is_none(), "quiet: a spurious timeout put out {more:?}");
        if let Some((at, timer)) = self.runtime.poll_timeout() {
            assert!(at > self.now, "quiet: {timer:?} is overdue");
        }
    }
}
