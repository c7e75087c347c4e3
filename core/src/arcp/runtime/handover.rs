//! Connections that go to another runtime of their host, which has the sessions of their principal (ours).
//!
//! ```text
//!  runtime A   hello -> Event::Authenticate -> host finds the principal -> hand_over -> Handover
//!              session.resume of an unknown session -> Event::Locate -> host asks the others ---^   |
//!  runtime B                                             welcome, or an error <- adopt <------------+
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Runtime;
use super::conns::claim::Claim;
use super::conns::conn::{Conn, Greeting};
use super::event::Event;
use super::host::{ConnId, Refused, Resumed};
use super::resume::gone;
use super::sessions::session::Session;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::feature::Features;
use crate::time::Time;

/// A connection between two runtimes: its hello was received by one, and is answered by another. From
/// [`Runtime::hand_over`].
#[derive(Debug)]
#[must_use = "a connection that no runtime adopts is never answered"]
pub struct Handover {
    conn: Box<Conn>,
}

impl Runtime {
    /// Answers [`Event::Authenticate`] or [`Event::Locate`]: another runtime has the sessions of the principal. The
    /// connection is forgotten here, without a close, and is handed to the other runtime, which
    /// [adopts](Runtime::adopt) it.
    ///
    /// Errors: [`Refused::Stale`] if the connection is gone or does not wait for an answer.
    pub fn hand_over(&mut self, now: Time, conn: ConnId) -> Result<Handover, Refused> {
        self.input(now, |this| {
            let conn = this.conns.release(conn, &mut this.timers).ok_or(Refused::Stale)?;
            Ok(Handover { conn: Box::new(conn) })
        })
    }

    /// Takes a connection over that another runtime has [given away](Runtime::hand_over), and answers its hello as
    /// [`Runtime::admit_in`] does. The host hands it the frames of the peer that it has not handed to the other runtime.
    pub fn adopt(&mut self, now: Time, handover: Handover, principal: &str, dialect: Option<Dialect>) -> ConnId {
        self.input(now, |this| {
            let conn = this.conns.adopt(*handover.conn);
            if let Some(surplus) = this.conns.surplus(conn, &this.config.limits) {
                this.displace(surplus);
            }
            // A connection that was displaced is not answered.
            if let Some(greeting) = this.conns.get_mut(conn).and_then(Conn::take_greeting) {
                this.answer_hello(conn, &greeting, principal, dialect);
            }
            conn
        })
    }

    /// Returns the principal of the session that a peer of another runtime resumes, if the session is one of this runtime.
    pub fn owner_of(&self, resumed: &Resumed) -> Option<Arc<str>> {
        self.owner_of_claim(&resumed.0)
    }

    pub(super) fn owner_of_claim(&self, claim: &Claim) -> Option<Arc<str>> {
        let session = self.sessions.claimed(claim).and_then(|key| self.sessions.get(key));
        session.map(Session::principal).cloned()
    }

    /// Answers [`Event::Locate`]: no runtime has the session. The peer is told so, and the connection is closed.
    ///
    /// Errors: [`Refused::Stale`] if the connection is gone or does not wait for an answer.
    pub fn not_located(&mut self, now: Time, conn: ConnId) -> Result<(), Refused> {
        self.input(now, |this| {
            let greeting = this.answered_hello(conn)?;
            this.turn_away(conn, greeting.request_id.as_deref(), &gone());
            Ok(())
        })
    }

    /// Asks the host whether another runtime has the session that a connection resumes.
    pub(super) fn locate(&mut self, conn: ConnId, request_id: &str, claim: Claim) {
        let resumed = Resumed(claim.clone());
        let greeting = Greeting { request_id: Some(request_id.into()), features: Features::NONE, resume: Some(claim) };
        if self.await_host(conn, greeting) {
            self.event(Event::Locate { conn, resumed });
        }
    }
}
