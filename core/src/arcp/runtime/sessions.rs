//! A session between its welcome and its end: signs of life, acks, close, detach (§6.4, §6.5, §6.7).

use super::Runtime;
use super::frames::Request;
use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{ConnId, JobId, SessionKey};
use crate::arcp::runtime::record::Record;
use crate::arcp::runtime::session::{Role, SessionEvent};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::request;
use crate::json::Object;

/// A nonce is repeated in the pong, so it may not be as large as a frame.
const MAX_NONCE: usize = 1024;

impl Runtime {
    pub(super) fn on_ping(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let ping: request::Ping<'_> = request::decode(request.kind, request.envelope.payload)?;
        if ping.nonce.as_str().len() > MAX_NONCE {
            return Err(Fault::invalid("a nonce has at most 1024 bytes"));
        }
        let payload =
            Object::new().text("ping_nonce", ping.nonce.as_str()).plain("received_at", self.now.to_rfc3339()).close();
        self.reply_free(key, "session.pong", &payload);
        Ok(())
    }

    pub(super) fn on_ack(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let ack: request::Ack = request::decode_owned(request.kind, request.envelope.payload)?;
        let Some(session) = self.sessions.get_mut(key) else { return Ok(()) };
        if session.features.has(Feature::Ack) {
            session.log.ack(ack.last_processed_seq.0, self.config.limits.back_pressure);
            self.journal_ack(key, false);
            self.unblock(key);
        }
        Ok(())
    }

    pub(super) fn on_close(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let _: request::Close = request::decode_owned(request.kind, request.envelope.payload)?;
        if let Some(session) = self.sessions.get_mut(key) {
            session.goodbye = true;
        }
        self.reply(key, "session.closed", None, "{}");
        self.end(request.conn, 1000, "the session was closed");
        Ok(())
    }

    /// Whether two peers still hear of each other: a ping after an idle interval, the end after two silent ones (§6.4).
    pub(super) fn heartbeat(&mut self, conn: ConnId) {
        let now = self.now;
        let interval = self.config.heartbeat_secs() * 1_000_000;
        let Some(open) = self.conns.get_mut(conn) else { return };
        open.heartbeat_at = None;
        if now.since(open.last_received) >= 2 * interval {
            let fault = Fault::new(ErrorCode::HeartbeatLost, "nothing was heard for two heartbeat intervals");
            self.refuse(conn, None, &fault);
            self.end(conn, 1008, "nothing was heard for two heartbeat intervals");
            return;
        }
        let idle_since = open.last_sent.min(open.last_received);
        if now.since(idle_since) >= interval && now.since(open.last_ping) >= interval {
            open.last_ping = now;
            let head = open.session.and_then(|key| self.sessions.get(key)).map(|session| session.head.clone());
            let nonce = EnvelopeId::next(&mut self.random, now);
            let mut text = alloc::string::String::from("p_");
            nonce.push_to(&mut text);
            let payload = Object::new().plain("nonce", text).plain("sent_at", now.to_rfc3339()).close();
            let id = EnvelopeId::next(&mut self.random, now);
            let frame = envelope::frame(id, "session.ping", head.as_deref().unwrap_or(""), None, &[&payload]);
            if let Some(open) = self.conns.get_mut(conn) {
                open.ping = Some(frame);
            }
            self.touch(conn);
        }
        let Some(open) = self.conns.get_mut(conn) else { return };
        let idle = open.last_sent.min(open.last_received).max(open.last_ping).plus_micros(interval);
        let next = idle.min(open.last_received.plus_micros(2 * interval)).max(now.plus_micros(1));
        open.heartbeat_at = Some(next);
        self.arm(next, Timer::Heartbeat, conn);
    }

    /// The session has no connection any more: it waits for a resume.
    pub(super) fn detach(&mut self, key: SessionKey) {
        let lapses = self.now.plus_secs(self.config.resume_window_secs());
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(state) = session.state.next(SessionEvent::Lost) else { return };
        session.state = state;
        session.conn = None;
        session.fetching = false;
        session.log.forget_past();
        session.lapses = Some(lapses);
        session.hurry();
        let (id, at, goodbye) = (session.id, self.now, session.goodbye);
        self.arm(lapses, Timer::ResumeWindow, key);
        self.journal_ack(key, true);
        self.journal(|_| Some(Record::SessionDetached { session: id, at, goodbye }));
        self.event(Event::SessionDetached { session: id });
        // What is left of a replay waits for the next connection: in the log it would push out what was not sent yet.
        self.unblock(key);
    }

    /// The resume window is over: the session is gone, its jobs go on without an owner.
    pub(super) fn lapse(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(state) = session.state.next(SessionEvent::Lapse) else { return };
        session.state = state;
        let Some(session) = self.sessions.remove(key) else { return };
        self.session_ids.remove(&session.id);
        for token in session.proved.into_iter().chain([session.newest]) {
            self.tokens.remove(&token);
        }
        if let Some(count) = self.principals.get_mut(&session.principal) {
            *count -= 1;
            if *count == 0 {
                self.principals.remove(&session.principal);
            }
        }
        for (id, watch) in &session.watches {
            let Some(job) = self.jobs.get_mut(*id) else { continue };
            job.watchers.retain(|watcher| *watcher != key);
            if watch.role == Role::Owner {
                job.owner = None;
            }
        }
        let id = session.id;
        self.journal(|_| Some(Record::SessionClosed { session: id }));
        self.event(Event::SessionClosed { session: id });
        for job in session.blocked {
            self.wake(job);
        }
    }

    /// Lets agents go on that wait for room in this session's log.
    pub(super) fn unblock(&mut self, key: SessionKey) {
        let (max_events, max_bytes) = (self.config.limits.log_events, self.config.limits.log_bytes);
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.blocked.is_empty() {
            return;
        }
        let room = session.emit_room(max_events);
        let (events, bytes) = session.log.unwritten();
        // An eighth of the log is free before agents wake, so that they do not wake for every frame.
        let ready = session.conn.is_none()
            || (events + (room / 8).max(1) <= room && bytes.saturating_add(max_bytes / 8) <= max_bytes);
        if ready {
            for job in core::mem::take(&mut session.blocked) {
                self.wake(job);
            }
        }
    }

    pub(super) fn resume_agent(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.tail.is_some() {
            self.drive_tail(id);
        } else if core::mem::take(&mut job.blocked) {
            self.event(Event::Unblocked { job: id });
        }
    }
}
