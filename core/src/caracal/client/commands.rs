//! The commands of the application.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::calls::Purpose;
use super::event::{CallFailure, CallId, ClientRefused};
use super::{Client, Closing};
use crate::caracal::wire::call::Call;
use crate::caracal::wire::ids::{EdgeId, SessionId};
use crate::caracal::wire::key::IdempotencyKey;
use crate::caracal::wire::request::delegate::{Constraints, Delegate};
use crate::caracal::wire::request::spawn::{Spawn, Ttl};
use crate::caracal::wire::token::BearerToken;
use crate::time::Time;

/// The edge into a session that is opened for it.
#[derive(Clone, Debug, Default)]
pub struct NewEdge {
    /// The scopes that are passed on.
    pub scopes: Vec<Box<str>>,
    /// The edge that the parent itself acts by, for coordinators of the generation 1.0.
    pub parent_edge: Option<EdgeId>,
    /// The limits of the edge.
    pub constraints: Option<Constraints>,
    /// The lifetime of the edge.
    pub ttl: Option<Ttl>,
}

impl Client {
    /// Opens a session. [`ClientEvent::Spawned`](super::event::ClientEvent::Spawned) follows.
    ///
    /// The client renews the lease of a service until it is terminated.
    pub fn spawn(&mut self, now: Time, spawn: Spawn) -> Result<CallId, ClientRefused> {
        self.check_session()?;
        self.ask(now, Call::Spawn(spawn), Purpose::Asked)
    }

    /// Opens a session with an edge from its parent into it.
    /// [`ClientEvent::SpawnedWithEdge`](super::event::ClientEvent::SpawnedWithEdge) follows.
    ///
    /// If the edge cannot be created, the session is terminated again.
    pub fn delegate_to_spawn(&mut self, now: Time, spawn: Spawn, edge: NewEdge) -> Result<CallId, ClientRefused> {
        self.check_session()?;
        let parent = spawn.parent.clone().ok_or(ClientRefused::NoParent)?;
        let edge = Delegate {
            issuer: spawn.application.clone(),
            target: parent.clone(),
            source: parent,
            receiver: spawn.application.clone(),
            scopes: edge.scopes,
            parent_edge: edge.parent_edge,
            constraints: edge.constraints,
            ttl: edge.ttl,
        };
        self.ask(now, Call::Spawn(spawn), Purpose::SpawningForEdge(Box::new(edge)))
    }

    /// Terminates a session and those below it. [`ClientEvent::Terminated`](super::event::ClientEvent::Terminated)
    /// follows, also if the session had ended before.
    pub fn terminate(&mut self, now: Time, session: SessionId) -> Result<CallId, ClientRefused> {
        self.check_call(&Call::Inbound { session: session.clone() }, 0)?;
        let lease = self.sessions.terminate(&session, &mut self.timers);
        self.ask(now, Call::Terminate { session, lease }, Purpose::Asked)
    }

    /// Creates an edge. [`ClientEvent::Delegated`](super::event::ClientEvent::Delegated) follows.
    pub fn delegate(&mut self, now: Time, delegate: Delegate) -> Result<CallId, ClientRefused> {
        self.ask(now, Call::Delegate(delegate), Purpose::Asked)
    }

    /// Revokes an edge and those after it. [`ClientEvent::Revoked`](super::event::ClientEvent::Revoked) follows.
    pub fn revoke(&mut self, now: Time, edge: EdgeId) -> Result<CallId, ClientRefused> {
        self.ask(now, Call::Revoke { edge }, Purpose::Asked)
    }

    /// Lists the edges into a session. [`ClientEvent::Inbound`](super::event::ClientEvent::Inbound) follows.
    pub fn inbound(&mut self, now: Time, session: SessionId) -> Result<CallId, ClientRefused> {
        self.ask(now, Call::Inbound { session }, Purpose::Asked)
    }

    /// Takes the lease of a service over, whose former holder is fenced off.
    /// [`ClientEvent::LeaseAcquired`](super::event::ClientEvent::LeaseAcquired) follows, and the client renews the lease.
    pub fn acquire_lease(&mut self, now: Time, session: SessionId) -> Result<CallId, ClientRefused> {
        self.check_session()?;
        self.ask(now, Call::AcquireLease { session }, Purpose::Asked)
    }

    /// Supplies a token, which replaces the present one.
    ///
    /// Without `expires_at` it is used until the coordinator refuses it. A token that has expired counts as none.
    pub fn token(&mut self, now: Time, token: BearerToken, expires_at: Option<Time>) {
        self.advance(now);
        let expires_at = expires_at.or_else(|| token.expires_at());
        if !self.tokens.supply(&self.config, &self.clock, token, expires_at, &mut self.timers) {
            self.fail_without_token();
        }
        self.flush();
    }

    /// Reports that there is no token. All calls that wait for it fail.
    pub fn token_failed(&mut self, now: Time) {
        self.advance(now);
        self.fail_without_token();
        self.flush();
    }

    /// Closes the client. Terminations are still sent, as are attempts that are under way answered; all other calls
    /// fail. [`ClientEvent::Closed`](super::event::ClientEvent::Closed) follows. Heartbeats stop.
    pub fn close(&mut self, now: Time) {
        self.advance(now);
        if self.closing == Closing::Open {
            self.closing = Closing::Finishing;
            let unsent =
                self.calls.matching(|entry| !entry.is_sent() && !matches!(entry.call(), Call::Terminate { .. }));
            for call in unsent {
                let uncertain = self.calls.get(call).is_some_and(super::calls::Entry::is_uncertain);
                self.fail(call, if uncertain { CallFailure::Uncertain } else { CallFailure::Closed });
            }
        }
        self.flush();
    }

    fn ask(&mut self, now: Time, call: Call, purpose: Purpose) -> Result<CallId, ClientRefused> {
        let edge = match &purpose {
            Purpose::SpawningForEdge(edge) => edge.bytes_held(),
            Purpose::Asked | Purpose::Edge(_) | Purpose::Cleanup | Purpose::Heartbeat => 0,
        };
        self.check_call(&call, edge)?;
        self.advance(now);
        let id = self.add(call, purpose);
        self.flush();
        Ok(id)
    }

    /// Adds a call with a key of its own.
    pub(super) fn add(&mut self, call: Call, purpose: Purpose) -> CallId {
        let key = IdempotencyKey::from_random(self.random.random_u128());
        self.calls.add(call, purpose, key)
    }

    fn check_call(&self, call: &Call, more_bytes: usize) -> Result<(), ClientRefused> {
        let limits = &self.config.limits;
        let bytes = self.calls.bytes_held().saturating_add(call.bytes_held()).saturating_add(more_bytes);
        if self.closing != Closing::Open {
            return Err(ClientRefused::Closed);
        }
        if self.calls.len() >= limits.calls || bytes > limits.call_bytes {
            return Err(ClientRefused::TooManyCalls);
        }
        Ok(())
    }

    fn check_session(&self) -> Result<(), ClientRefused> {
        let sessions = self.sessions.len().saturating_add(self.calls.new_sessions());
        if sessions < self.config.limits.sessions { Ok(()) } else { Err(ClientRefused::TooManySessions) }
    }
}
