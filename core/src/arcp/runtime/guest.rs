//! Guests: sessions of other runtimes of the host, for which this one answers requests about its jobs (ours).
//!
//! ```text
//!  runtime A, which has the session     Event::Relay -> host -> handle_relayed   <- frames of the guest's connection
//!  runtime B, which has the job         open_guest -> a connection -> handle_frame -> answers, events -> Output::Send
//! ```
//!
//! A guest has the id, the principal, the features and the dialect of its session. It is not on record, cannot be resumed,
//! and is gone with its connection. Its answers have the ids of their requests, and its refusals the specification's form, so
//! that the runtime of the session can make them anew in its dialect.

use super::Runtime;
use super::conns::conn::Conn;
use super::conns::replies::Reply;
use super::host::{ConnId, Guest, SessionKey};
use super::reply::To;
use super::sessions::session::{Opening, Session};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::{EnvelopeId, ReplyId};
use crate::arcp::wire::relayed::{DROPPED, SILENCE};
use crate::arcp::wire::reply;
use crate::time::Time;

impl Runtime {
    /// Opens a connection for a session of another runtime, which has asked this one with
    /// [`Event::Relay`](crate::arcp::Event::Relay). The host hands in the frames of that event with
    /// [`Runtime::handle_frame`], and the frames that are sent to the connection with [`Runtime::handle_relayed`] to the
    /// other runtime. A frame counts as sent ([`Runtime::handle_sent`]) once that has taken it. The guest ends with its
    /// connection ([`Runtime::handle_close`]).
    pub fn open_guest(&mut self, now: Time, guest: &Guest) -> ConnId {
        self.input(now, |this| {
            let now = this.clock.now();
            let conn = this.conns.open_guest(now);
            let opening = Opening {
                id: guest.session,
                principal: this.sessions.principal(&guest.principal),
                features: guest.features,
                dialect: guest.dialect,
                stdio: guest.stdio,
            };
            let key = this.sessions.open_guest(opening, conn);
            this.conns.hello_by_token(conn);
            this.conns.admit(conn, key, None, now, &mut this.timers);
            conn
        })
    }

    /// Whether a connection is that of a guest.
    pub(super) fn is_guest(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(Conn::is_guest)
    }

    /// Removes a guest that has lost its connection.
    pub(super) fn end_guest(&mut self, key: SessionKey) {
        let Some(mut session) = self.sessions.remove_guest(key) else { return };
        for (id, _) in session.watched() {
            if let Some(job) = self.jobs.get_mut(id) {
                job.remove_watcher(key);
            }
        }
        self.jobs.wake(session.unblock(&self.config.limits));
    }

    /// Refuses a request of a guest.
    pub(super) fn refuse_guest(&mut self, conn: ConnId, request_id: Option<&str>, fault: &Fault) {
        let session = self.conns.session(conn).and_then(|key| self.sessions.get(key));
        let (Some(session), Some(request_id)) = (session, request_id) else { return };
        let payload = reply::error(fault, Dialect::SPEC, Some(request_id));
        let frame = envelope::reply(ReplyId::Request(request_id), "session.error", session.head(), &payload);
        self.queue(conn, Reply::answer(frame));
    }

    /// Tells the runtime of a guest's session that a request was carried out, if it is one that no answer follows.
    pub(super) fn tell_guest_done(&mut self, key: SessionKey, request_id: &str) {
        if self.sessions.get(key).is_some_and(Session::is_guest) {
            self.answer(key, To { request_id: Some(request_id), job: None }, SILENCE, "{}");
        }
    }

    /// Tells the runtime of a guest's session that a subscription has ended, after its last event.
    pub(super) fn tell_guest_dropped(&mut self, key: SessionKey, head: &str) {
        let Some(session) = self.sessions.get(key).filter(|session| session.is_guest()) else { return };
        let (conn, last) = (session.conn(), session.last_seq());
        let id = EnvelopeId::next(&mut self.random, self.clock.now());
        if let Some(conn) = conn {
            self.queue(conn, Reply::new(envelope::frame(id, DROPPED, head, None, &["{}"])).following(last));
        }
    }
}
