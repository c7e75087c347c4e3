//! What is known of every session and edge from outside of the coordinator, and the rules that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_core::caracal::{CoordinatorEvent, Request};
use nuncio_core::time::Time;
use serde_json::Value;

/// A session, as the coordinator's answers and events tell of it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) parent: Option<String>,
    /// The spawn that it was opened for, once it is known.
    pub(super) spawn: Option<u64>,
    pub(super) is_service: bool,
    /// When its lifetime is over, by the coordinator's clock.
    pub(super) ends_at: Option<Time>,
    pub(super) has_ended: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// The session that acts by it.
    pub(super) presenter: String,
    /// Whether its session has it from its parent.
    pub(super) is_inherited: bool,
    pub(super) is_revoked: bool,
    /// When it expires: by the wall clock, and in the time of the coordinator, in which it may be over earlier.
    pub(super) expiry: Option<(Time, Time)>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) edges: BTreeMap<String, Edge>,
    /// The sessions that were opened for each logical spawn.
    pub(super) spawned: BTreeMap<u64, BTreeSet<String>>,
    /// The spawns whose session may outlive its scope: their outcome was reported as unknown, or their client crashed.
    pub(super) excused: BTreeSet<u64>,
}

/// The lifetime of a session that asks for none.
const DEFAULT_TTL: u64 = 3_600;

impl Model {
    /// Takes in an event that is durable. The time of the coordinator is given if it was told at once.
    pub(super) fn event(&mut self, event: &CoordinatorEvent, now: Option<Time>) {
        match event {
            CoordinatorEvent::Started { session, parent, .. } => {
                let parent = parent.as_ref().map(|parent| parent.as_str().to_owned());
                let session = session.as_str().to_owned();
                let new = Session { parent, spawn: None, is_service: false, ends_at: None, has_ended: false };
                let before = self.sessions.insert(session, new);
                assert!(before.is_none(), "§2.2 every_session_is_new: {before:?}");
            }
            CoordinatorEvent::Ended { session, reason, .. } => {
                if let Some(now) = now.filter(|_| **reason == *"ttl") {
                    self.no_session_ends_early(session.as_str(), now);
                }
                let ended = self.sessions.get_mut(session.as_str()).map(|session| &mut session.has_ended);
                let before = ended.map(|ended| std::mem::replace(ended, true));
                assert_eq!(before, Some(false), "§2.2 a_session_ends_once: {session}");
            }
            CoordinatorEvent::EdgeRevoked { edge, .. } => {
                if let Some(edge) = self.edges.get_mut(edge.as_str()) {
                    edge.is_revoked = true;
                }
            }
            _ => {}
        }
    }

    /// §2.2: a session that ends with its lifetime has had all of it, however the wall clock was set. One below it ends with it.
    fn no_session_ends_early(&self, id: &str, now: Time) {
        let session = self.sessions.get(id).filter(|session| session.parent.is_none());
        let is_over = session.and_then(|session| session.ends_at).is_none_or(|at| at <= now);
        assert!(is_over, "§2.2 no_session_ends_early: {id} {session:?} at {}", now.to_rfc3339());
    }

    /// Notes when an edge expires that is active when it is `now` and the wall clock shows `wall`.
    pub(super) fn expires(&mut self, edge: &str, at: Time, now: Time, wall: Time) {
        if let Some(edge) = self.edges.get_mut(edge) {
            edge.expiry.get_or_insert((at, now.plus_micros(at.since(wall))));
        }
    }

    /// The wall clock was set: edges are over earlier, but never later.
    pub(super) fn edges_follow(&mut self, now: Time, wall: Time) {
        for (at, over) in self.edges.values_mut().filter_map(|edge| edge.expiry.as_mut()) {
            *over = (*over).min(now.plus_micros(at.since(wall)));
        }
    }

    /// A coordinator that was started again judges by the wall clock as it is then.
    pub(super) fn forget_expiries(&mut self) {
        self.edges.values_mut().for_each(|edge| edge.expiry = None);
    }

    /// Returns the edges that are over, each once.
    pub(super) fn edges_that_are_over(&mut self, now: Time) -> Vec<String> {
        let over = self.edges.iter_mut().filter(|(_, edge)| edge.expiry.is_some_and(|(_, over)| over <= now));
        over.map(|(id, edge)| {
            edge.expiry = None;
            id.clone()
        })
        .collect()
    }

    /// Takes in the answer to a request, which is durable.
    pub(super) fn answered(&mut self, now: Time, is_head: bool, request: &Request, status: u16, answer: &str) {
        let answer: Value = serde_json::from_str(answer).unwrap_or(Value::Null);
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        if status == 201 && request.path().ends_with("/agents") {
            let asked: Value = serde_json::from_str(request.body().unwrap_or_default()).expect("a spawn has a body");
            let id = text("agent_session_id").or(text("id")).expect("an answer names the session");
            self.opened(now, &id, &asked);
            if let Some(edge) = text("delegation_edge_id") {
                let inherited = Edge { presenter: id, is_inherited: true, is_revoked: false, expiry: None };
                self.edges.entry(edge).or_insert(inherited);
            }
        } else if status == 201 && request.path().ends_with("/delegations") {
            let id = text("delegation_edge_id").or(text("id")).expect("an answer names the edge");
            let presenter = text(if is_head { "target_session_id" } else { "source_session_id" });
            // A delegation that is answered again may have been revoked.
            let presenter = presenter.expect("an answer names the sessions");
            let edge = Edge { presenter, is_inherited: false, is_revoked: false, expiry: None };
            self.edges.entry(id).or_insert(edge);
        }
    }

    fn opened(&mut self, now: Time, id: &str, asked: &Value) {
        let spawn = asked["metadata"]["spawn"].as_u64().expect("a spawn has its number");
        let sessions = self.spawned.entry(spawn).or_default();
        sessions.insert(id.to_owned());
        assert!(sessions.len() == 1, "§1.7 one_session_per_logical_spawn: {spawn} has opened {sessions:?}");
        let session = self.sessions.get_mut(id).expect("ours every_session_is_told_of");
        let is_new = session.spawn.replace(spawn).is_none();
        assert_eq!(session.spawn, Some(spawn), "§1.7 every_session_has_its_own_spawn: {id}");
        if is_new {
            session.is_service = asked["lifecycle"] == "service";
            let ttl = asked["ttl_seconds"].as_u64().unwrap_or(DEFAULT_TTL);
            session.ends_at = (!session.is_service).then(|| now.plus_secs(ttl));
        }
    }

    /// Returns the session of a logical spawn that has not ended.
    pub(super) fn live_session_of(&self, spawn: u64) -> Option<&str> {
        let sessions = self.spawned.get(&spawn)?;
        sessions.iter().find(|id| !self.has_ended(id)).map(String::as_str)
    }

    pub(super) fn has_ended(&self, session: &str) -> bool {
        self.sessions.get(session).is_none_or(|session| session.has_ended)
    }

    pub(super) fn live(&self) -> usize {
        self.sessions.values().filter(|session| !session.has_ended).count()
    }

    /// §2.2: a session ends with its lifetime and with its parent.
    pub(super) fn sessions_end_in_time(&self, now: Time) {
        for (id, session) in self.sessions.iter().filter(|(_, session)| !session.has_ended) {
            let is_over = session.ends_at.is_some_and(|at| at <= now);
            assert!(!is_over, "§2.2 no_session_outlives_its_lifetime: {id} {session:?} at {}", now.to_rfc3339());
            let is_orphan = session.parent.as_ref().is_some_and(|parent| self.has_ended(parent));
            assert!(!is_orphan, "§2.2 no_session_outlives_its_parent: {id} {session:?}");
        }
    }

    /// Ours: a session whose scope has ended has ended, unless its outcome was reported as unknown.
    pub(super) fn sessions_end_with_their_scopes(&self) {
        for (id, session) in self.sessions.iter().filter(|(_, session)| !session.has_ended) {
            let is_excused = session.spawn.is_none_or(|spawn| self.excused.contains(&spawn));
            assert!(is_excused, "ours no_session_outlives_its_scope: {id} {session:?}");
        }
    }
}
