//! The end of connections and of sessions (§6.3, §6.7).

use super::Runtime;
use super::asked::Asked;
use super::conns::Lost;
use super::conns::conn::Ending;
use super::dispatch::Request;
use super::event::Event;
use super::host::{ConnId, SessionKey};
use super::record::Record;
use super::reply::To;
use super::sessions::session::Session;
use super::sessions::watches::Role;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::request;
use crate::time::Time;

impl Runtime {
    pub(super) fn on_close(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let _: request::Close = request::decode_owned(request.kind, request.envelope.payload)?;
        if let Some(session) = self.sessions.get_mut(key) {
            session.close();
        }
        self.reply(key, To::default(), "session.closed", "{}");
        self.end_connection(request.conn, 1000, "the session was closed");
        Ok(())
    }

    /// Reports that the transport was lost. Late or repeated calls are ignored.
    pub fn handle_close(&mut self, now: Time, conn: ConnId) {
        self.input(now, |this| {
            this.lose(conn);
        });
    }

    /// Closes a connection once its queued frames are sent, or after `linger`. No further frame is queued.
    pub(super) fn end_connection(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        let linger = self.clock.now().plus(self.config.linger);
        if let Some(key) = self.conns.end(conn, Ending { code, reason }, linger, &mut self.timers) {
            self.detach(key);
        }
    }

    /// Refuses a hello, and ends its connection.
    pub(super) fn turn_away(&mut self, conn: ConnId, request_id: Option<&str>, fault: &Fault) {
        self.refuse_request(conn, request_id, &Asked::Hello, fault);
        let reason = if fault.code == ErrorCode::Unauthenticated {
            "the token is not valid"
        } else if fault.code == ErrorCode::ResumeWindowExpired {
            "the session cannot be resumed"
        } else {
            "the session was refused"
        };
        self.end_connection(conn, 1008, reason);
    }

    /// Closes a connection at once, and drops the frames that are queued for it.
    pub(super) fn cut(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        if self.lose(conn) {
            self.outputs.close(conn, code, reason);
        }
    }

    /// Removes a connection; its session can be resumed. Returns whether the connection existed.
    fn lose(&mut self, conn: ConnId) -> bool {
        match self.conns.lost(conn, &mut self.timers) {
            Lost::Before => false,
            Lost::Now(session) => {
                if let Some(key) = session {
                    self.detach(key);
                }
                true
            }
        }
    }

    /// Finishes closing a connection that has sent everything, or whose `linger` has passed.
    pub(super) fn close_flushed(&mut self, conn: ConnId) {
        if let Some(Ending { code, reason }) = self.conns.flushed(conn, &mut self.timers) {
            self.outputs.close(conn, code, reason);
        }
    }

    /// Detaches a session from its connection. It can be resumed until its window has passed.
    fn detach(&mut self, key: SessionKey) {
        if self.sessions.get(key).is_some_and(Session::is_guest) {
            return self.end_guest(key);
        }
        let now = self.clock.now();
        let lapses = now.plus_secs(self.config.resume_window_secs());
        let Some(session) = self.sessions.detach(key, lapses, &mut self.timers) else { return };
        let (id, goodbye) = (session.id(), session.is_closed());
        self.record_ack(key, 1);
        self.record(|_| Some(Record::SessionDetached { session: id, at: now, goodbye }));
        self.event(Event::SessionDetached { session: id, goodbye });
        // The rest of a replay waits for the next connection. In the log it would replace events that were not sent
        // yet.
        self.unblock(key);
    }

    /// Removes a session whose resume window has passed. Its jobs go on without an owner.
    pub(super) fn lapse(&mut self, key: SessionKey) {
        let Some(mut session) = self.sessions.lapse(key, &mut self.timers) else { return };
        for (id, role) in session.watched() {
            let Some(job) = self.jobs.get_mut(id) else { continue };
            job.remove_watcher(key);
            if role == Role::Owner {
                job.disown();
            }
        }
        let id = session.id();
        self.record(|_| Some(Record::SessionClosed { session: id }));
        self.event(Event::SessionClosed { session: id });
        self.inquiries.close(key, &mut self.timers);
        if session.elsewhere().is_some() {
            self.event(Event::GuestLeft { session: id });
        }
        self.jobs.wake(session.unblock(&self.config.limits));
    }
}
