//! What the clients are told of their calls and sessions.

use nuncio_core::caracal::{CallFailure, CallId, ClientEvent, SessionId};

use super::Sim;
use super::clients::{Asked, Held};

impl Sim {
    pub(super) fn told(&mut self, who: usize, event: &ClientEvent) {
        match event {
            ClientEvent::Spawned { call, session, lease } => {
                self.count("spawned");
                let spawn = self.ended_spawn(who, *call);
                self.hold(who, spawn, session, lease.is_some());
            }
            ClientEvent::SpawnedWithEdge { call, session, edge } => {
                self.count("spawned with an edge");
                let spawn = self.ended_spawn(who, *call);
                self.hold(who, spawn, session, false);
                self.clients[who].edges.push(edge.edge.clone());
            }
            ClientEvent::Terminated { call, before } => {
                self.count(if *before { "terminated before" } else { "terminated" });
                let Asked::Terminate(session) = self.ended_call(who, *call) else {
                    panic!("ours every_answer_is_for_its_call: {event:?}")
                };
                let host = &mut self.clients[who];
                let is_service = host.held.iter().any(|held| held.session == session && held.is_service);
                host.held.retain(|held| held.session != session);
                let has_ended = self.model.has_ended(session.as_str());
                // A service whose lease another client holds is not this one's any more.
                assert!(
                    has_ended || (is_service && *before),
                    "§1.7 what_is_terminated_has_ended: {session} of client {who}"
                );
            }
            ClientEvent::Delegated { call, edge } => {
                self.count("delegated");
                self.ended_call(who, *call);
                self.clients[who].edges.push(edge.edge.clone());
            }
            ClientEvent::Revoked { call, .. } => {
                self.count("revoked");
                let Asked::Revoke(edge) = self.ended_call(who, *call) else {
                    panic!("ours every_answer_is_for_its_call: {event:?}")
                };
                let authority = self.authority(edge.as_str());
                assert_eq!(authority, None, "§2.3 what_is_revoked_is_not_active: {edge}");
            }
            ClientEvent::Inbound { call, .. } => drop(self.ended_call(who, *call)),
            ClientEvent::LeaseAcquired { call, .. } => {
                self.count("lease taken over");
                self.ended_call(who, *call);
            }
            ClientEvent::Failed { call, why } => self.call_failed(who, *call, why),
            ClientEvent::Suspended(_) => self.count("suspended"),
            ClientEvent::Resumed(_) => self.count("resumed"),
            ClientEvent::Ended { .. } => self.count("session ended by itself"),
            ClientEvent::Closed => {
                self.count("client closed");
                self.clients[who].is_closed = true;
            }
        }
    }

    /// ours: every call ends once.
    fn ended_call(&mut self, who: usize, call: CallId) -> Asked {
        let asked = self.clients[who].calls.remove(&call);
        asked.unwrap_or_else(|| panic!("ours every_call_ends_once: {call:?} of client {who}"))
    }

    fn ended_spawn(&mut self, who: usize, call: CallId) -> u64 {
        match self.ended_call(who, call) {
            Asked::Spawn(spawn) => spawn,
            other => panic!("ours every_answer_is_for_its_call: {other:?}"),
        }
    }

    /// Records that an application holds a session.
    fn hold(&mut self, who: usize, spawn: u64, session: &SessionId, is_service: bool) {
        let opened = self.model.spawned.get(&spawn);
        let is_own = opened.is_some_and(|opened| opened.contains(session.as_str()));
        assert!(is_own, "§1.7 every_client_gets_its_own_session: {session} for {spawn}, which has opened {opened:?}");
        let is_service = is_service || self.model.sessions.get(session.as_str()).is_some_and(|one| one.is_service);
        self.clients[who].held.push(Held { session: session.clone(), spawn, is_service, is_ending: false });
    }

    fn call_failed(&mut self, who: usize, call: CallId, why: &CallFailure) {
        let is_known = match why {
            CallFailure::Refused(_) | CallFailure::Unreachable | CallFailure::NoToken | CallFailure::LeaseLost => {
                self.count("failed");
                true
            }
            CallFailure::Uncertain => {
                self.count("uncertain");
                false
            }
            CallFailure::Closed => false,
            CallFailure::Malformed(fault) => panic!("ours every_answer_can_be_read: {fault:?}"),
        };
        match self.ended_call(who, call) {
            Asked::Spawn(spawn) if is_known && !self.had_session(spawn) => {
                let session = self.model.live_session_of(spawn);
                assert_eq!(session, None, "§1.7 a_known_failure_leaves_no_session: {spawn} has failed: {why}");
            }
            Asked::Spawn(spawn) => {
                // Its cleanup may be lost, too.
                if !self.converging || !is_known {
                    self.model.excused.insert(spawn);
                }
            }
            Asked::Terminate(session) => {
                let host = &mut self.clients[who];
                let held: Vec<u64> =
                    host.held.iter().filter(|held| held.session == session).map(|held| held.spawn).collect();
                host.held.retain(|held| held.session != session);
                self.model.excused.extend(held);
            }
            Asked::Revoke(_) | Asked::Other => {}
        }
    }

    /// Returns whether a spawn with an edge had its session before it failed. It is terminated in the background.
    fn had_session(&self, spawn: u64) -> bool {
        self.edged.contains(&spawn) && self.model.spawned.contains_key(&spawn)
    }
}
