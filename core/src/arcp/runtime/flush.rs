//! The end of every input: performs the work that its handler has left, in one loop.
//!
//! ```text
//! input -> one handler -> flush:  agents that may go on -> jobs that got a slot -> connections that may send -> arrivals
//!                           ^---------------------- each may leave more to be done ----------------------'
//! ```

use bytes::Bytes;

use super::Runtime;
use super::conns::Settled;
use super::conns::conn::{Conn, Unnumbered};
use super::conns::credit::Outstanding;
use super::event::Event;
use super::event::SendOrder;
use super::host::{ConnId, JobKey, SessionKey};
use super::sessions::announcement::{Announced, Announcement};
use super::sessions::session::Session;
use super::sessions::session::events::Numbered;
use crate::arcp::wire::{envelope, reply};
use crate::time::Time;

/// What must be durable before a frame is sent.
#[derive(Clone, Copy)]
enum After {
    /// All stores so far.
    All,
    /// The store of this number.
    Store(u64),
    /// Nothing if the journal is stalled, because the frame does not depend on stored records.
    Free,
}

impl Runtime {
    /// Handles one input: dispatches it once, then flushes once.
    pub(super) fn input<R>(&mut self, now: Time, handle: impl FnOnce(&mut Runtime) -> R) -> R {
        self.clock.advance(now);
        self.work.begin_input();
        let result = handle(self);
        self.flush();
        result
    }

    /// Performs the work that is left, until there is none.
    pub(super) fn flush(&mut self) {
        loop {
            if let Some(job) = self.jobs.next_woken() {
                self.continue_agent(job);
            } else if let Some(job) = self.agents.next_to_run() {
                self.run(job);
            } else if let Some(conn) = self.conns.next_touched() {
                self.pump(conn);
                self.settle_connection(conn);
            } else if let Some(key) = self.sessions.next_with_arrivals() {
                self.take_arrivals(key);
            } else if let Some((conn, ending)) = self.conns.next_leaving() {
                self.end_connection(conn, ending.code, ending.reason);
            } else if !self.relieve() {
                return;
            }
        }
    }

    /// Notes that the connection of a session may have something to send.
    pub(super) fn touch(&mut self, key: SessionKey) {
        if let Some(conn) = self.sessions.get(key).and_then(Session::conn) {
            self.conns.touch(conn);
        }
    }

    /// Wakes the agents that wait for space in a session's log, if there is enough.
    pub(super) fn unblock(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            self.jobs.wake(session.unblock(&self.config.limits));
        }
        self.sessions.look_at_arrivals(key);
    }

    /// Continues a job that waited: sends the rest of its result, or wakes its agent.
    fn continue_agent(&mut self, id: JobKey) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.output().has_rest() {
            if !job.output().is_rest_left() {
                self.send_rest(id);
            }
        } else if job.unblock() {
            self.event(Event::Unblocked { job: id });
        }
    }

    /// Sends pings, then replies, then events on a connection while it has credit.
    fn pump(&mut self, conn: ConnId) {
        while self.send_unnumbered(conn) || self.send_numbered(conn) {}
    }

    /// Sends a ping or a reply, if one may be sent now. Returns whether it did.
    fn send_unnumbered(&mut self, conn: ConnId) -> bool {
        let Some(open) = self.conns.get_mut(conn) else { return false };
        let session = open.session().and_then(|key| self.sessions.get(key));
        let (sent, hold) = session.map_or((u64::MAX, false), |session| (session.sent_seq(), session.unanswered() > 0));
        match open.next_unnumbered(sent, hold, &self.config.limits) {
            Unnumbered::Ping(frame) => {
                let meta = Outstanding { bytes: frame.len(), seq: None, subscribed: None };
                self.send(conn, frame, meta, After::Free, SendOrder::Free);
            }
            Unnumbered::Reply(reply) => {
                let (order, subscribed) = (self.order_for(conn, reply.order()), reply.subscribed_job());
                let frame = reply.into_frame();
                let meta = Outstanding { bytes: frame.len(), seq: None, subscribed };
                self.send(conn, frame, meta, if order.is_free() { After::Free } else { After::All }, order);
            }
            Unnumbered::NoCredit | Unnumbered::Nothing => return false,
        }
        true
    }

    /// Sends the next event of a session, or prepares it. Returns whether there may be another frame.
    fn send_numbered(&mut self, conn: ConnId) -> bool {
        let Some(open) = self.conns.get(conn) else { return false };
        let Some(key) = open.session() else { return false };
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let limits = &self.config.limits;
        // If a reply that must precede the next event has no credit or is held back, the event waits as well.
        if !open.takes_event(session.sent_seq()) {
            return false;
        }
        let hold = session.unanswered() > 0;
        match session.next_numbered(|bytes| open.has_credit(bytes, limits), hold) {
            Numbered::Event(frame, seq, after) => {
                let meta = Outstanding { bytes: frame.len(), seq: Some(seq), subscribed: None };
                self.send(conn, frame, meta, After::Store(after), SendOrder::Event);
                true
            }
            Numbered::Announcement(announcement, head) => self.send_announcement(conn, key, &announcement, &head),
            Numbered::Replay => self.replay_next(key),
            Numbered::Missing => {
                self.fetch_log(key);
                false
            }
            Numbered::NoCredit | Numbered::Nothing => false,
        }
    }

    /// Sends an answer again that precedes the next event. Returns whether there was credit for it.
    fn send_announcement(&mut self, conn: ConnId, key: SessionKey, announcement: &Announcement, head: &str) -> bool {
        let Some(session) = self.sessions.get(key) else { return false };
        let request_id = announcement.request_id.as_deref();
        let id = session.dialect().reply_id(announcement.id, request_id);
        let frame = match &announcement.kind {
            Announced::Accepted(job, accepted) => {
                let shown = self.credentials_for(session, *job, accepted);
                let payload = reply::accepted(accepted, session.form(), shown, request_id);
                envelope::reply(id, "job.accepted", head, &payload)
            }
            Announced::Subscribed { payload, .. } => {
                envelope::reply(id, "job.subscribed", head, core::str::from_utf8(payload).unwrap_or("{}"))
            }
        };
        if !self.conns.get(conn).is_some_and(|open| open.has_credit(frame.len(), &self.config.limits)) {
            return false;
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.announced();
        }
        let meta = Outstanding { bytes: frame.len(), seq: None, subscribed: None };
        self.send(conn, frame, meta, After::All, SendOrder::Reply);
        true
    }

    /// Answers that depend on no record need no order if the client knows them by the id of their request.
    fn order_for(&self, conn: ConnId, order: SendOrder) -> SendOrder {
        let session = self.conns.session(conn).and_then(|key| self.sessions.get(key));
        let in_order = session.is_none_or(|session| session.dialect().row().binds_by_arrival);
        if order == SendOrder::Answer && !in_order { SendOrder::Free } else { order }
    }

    /// Outputs a frame of a connection.
    fn send(&mut self, conn: ConnId, frame: Bytes, meta: Outstanding, after: After, order: SendOrder) {
        let now = self.clock.now();
        let stored = self.outputs.stored();
        let Some(before) = self.conns.get(conn).map(Conn::depends_on) else { return };
        // A peer that was not welcomed is sent nothing that depends on stored records, so its frames need not wait.
        let stranger = self.durability.is_kept() && before == 0;
        let after = match after {
            After::Free if stranger || self.durability.is_stuck(stored) => before,
            After::Free | After::All => stored,
            After::Store(seq) => before.max(seq.min(stored)),
        };
        let stalled = now.plus(self.config.stall_timeout);
        self.conns.give(conn, meta, after, now, stalled, &mut self.timers);
        self.outputs.send(conn, frame, after, order);
    }

    /// Charges the bytes that wait for a connection to its session.
    pub(super) fn charge_connection(&mut self, conn: ConnId) {
        if let Some(open) = self.conns.get(conn)
            && let Some(key) = open.session()
        {
            self.sessions.wait_for_connection(key, open.waiting());
        }
    }

    /// Closes a connection that has sent its last frame, and reads on where replies have gone.
    fn settle_connection(&mut self, conn: ConnId) {
        self.charge_connection(conn);
        let sessions = &self.sessions;
        let answered = |key| sessions.get(key).is_none_or(|session| session.unanswered() == 0);
        match self.conns.settle(conn, answered, &self.config.limits) {
            Settled::Flushed => self.close_flushed(conn),
            Settled::Reading => self.outputs.reading(conn),
            Settled::Idle => {}
        }
    }
}
