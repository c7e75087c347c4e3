//! Handles the responses of the coordinator.

use super::calls::{Entry, Purpose};
use super::event::{CallFailure, CallId, ClientEvent, EndReason, RequestId};
use super::sessions::Change;
use super::{Client, Closing};
use crate::caracal::wire::answer::session::{Lease, SessionStatus};
use crate::caracal::wire::call::{Answer, Call, CallError};
use crate::caracal::wire::ids::SessionId;
use crate::caracal::wire::key::IdempotencyKey;
use crate::caracal::wire::request::session::LeaseGeneration;
use crate::time::Time;

/// A response, as far as a client reads it.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// The `retry-after` header.
    pub retry_after: Option<&'a str>,
    /// The body, of which at most [`MAX_ANSWER_BYTES`](crate::caracal::MAX_ANSWER_BYTES) need to be read.
    pub body: &'a [u8],
}

impl Client {
    /// Takes the response to a request. A response to an attempt that was given up is ignored.
    pub fn handle_response(&mut self, now: Time, id: RequestId, response: &Response<'_>) {
        self.advance(now);
        if self.calls.under_way(id.call) == Some(id)
            && let Some(entry) = self.calls.get(id.call)
        {
            match entry.call().read(response.status, response.body) {
                Ok(answer) => self.answered(id.call, answer),
                Err(CallError::Refused(fault)) => self.attempt_refused(id.call, fault, response.retry_after),
                Err(CallError::Malformed(fault)) => self.fail(id.call, CallFailure::Malformed(fault)),
            }
        }
        self.flush();
    }

    fn answered(&mut self, call: CallId, answer: Answer) {
        let Some(entry) = self.calls.finish(call, &mut self.timers) else { return };
        match (entry.call(), answer) {
            (Call::Spawn(_), Answer::Spawned { session, lease }) => self.spawned(call, &entry, session, lease),
            (Call::Terminate { session, .. }, Answer::Terminated { before }) => {
                self.sessions.forget(session, &mut self.timers);
                if matches!(entry.purpose(), Purpose::Asked) {
                    self.emit(ClientEvent::Terminated { call, before });
                }
            }
            (Call::Heartbeat { session, lease: sent }, Answer::Renewed { status, lease }) => {
                let lease = lease.unwrap_or(Lease { generation: *sent, deadline: None });
                self.renewed(session, *sent, status, lease);
            }
            (Call::AcquireLease { session }, Answer::Acquired(lease)) => {
                self.sessions.open(session, None, &mut self.timers);
                self.hold(session, lease);
                self.emit(ClientEvent::LeaseAcquired { call, lease });
            }
            (_, Answer::Delegated(edge)) => self.emit(match entry.purpose() {
                Purpose::Edge(session) => ClientEvent::SpawnedWithEdge { call, session: session.clone(), edge },
                Purpose::Asked | Purpose::SpawningForEdge(_) | Purpose::Cleanup | Purpose::Heartbeat => {
                    ClientEvent::Delegated { call, edge }
                }
            }),
            (_, Answer::Revoked(revoked)) => self.emit(ClientEvent::Revoked { call, revoked }),
            (_, Answer::Inbound(edges)) => self.emit(ClientEvent::Inbound { call, edges }),
            // `Call::read` answers each call with its own variant.
            (_, Answer::Spawned { .. } | Answer::Terminated { .. } | Answer::Renewed { .. } | Answer::Acquired(_)) => {}
        }
    }

    fn spawned(&mut self, call: CallId, entry: &Entry, session: SessionId, lease: Option<Lease>) {
        let Call::Spawn(spawn) = entry.call() else { return };
        // The coordinator counts from when it opened the session, which is not before the first attempt was sent.
        let end = spawn.ttl.zip(entry.first_sent()).map(|(ttl, sent)| sent.plus_secs(u64::from(ttl.secs())));
        self.sessions.open(&session, end, &mut self.timers);
        if let Some(lease) = lease {
            self.hold(&session, lease);
        }
        if self.closing != Closing::Open {
            self.emit(ClientEvent::Failed { call, why: CallFailure::Closed });
            let lease = self.sessions.terminate(&session, &mut self.timers);
            self.add(Call::Terminate { session, lease }, Purpose::Cleanup);
            return;
        }
        match entry.purpose() {
            Purpose::SpawningForEdge(edge) => {
                let mut edge = (**edge).clone();
                edge.target = session.clone();
                let key = IdempotencyKey::from_random(self.random.random_u128());
                self.calls.go_on(call, entry, Call::Delegate(edge), Purpose::Edge(session), key);
            }
            Purpose::Asked | Purpose::Edge(_) | Purpose::Cleanup | Purpose::Heartbeat => {
                self.emit(ClientEvent::Spawned { call, session, lease });
            }
        }
    }

    fn renewed(&mut self, session: &SessionId, sent: LeaseGeneration, status: SessionStatus, lease: Lease) {
        if status == SessionStatus::Ended {
            return self.lose(session, EndReason::LeaseLost);
        }
        match self.sessions.renewed(session, sent, status, Some(lease)) {
            Change::Fenced => return self.lose(session, EndReason::LeaseLost),
            Change::Suspended => self.emit(ClientEvent::Suspended(session.clone())),
            Change::Resumed => self.emit(ClientEvent::Resumed(session.clone())),
            Change::Nothing => {}
        }
        self.hold(session, lease);
    }

    /// Records the lease of a session, and when it is renewed next.
    fn hold(&mut self, session: &SessionId, lease: Lease) {
        self.sessions.lease(session, lease, &self.config, &self.clock, &mut self.random, &mut self.timers);
    }
}
