//! The edges of a zone: [`Edges`].

mod edge;
pub(super) mod state;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(super) use edge::{Edge, first_row};

use super::ids::Uuid;
use super::record::EdgeCreated;
use super::timers::{Timers, ZoneKey};
use crate::clock::Clock;
use crate::time::Time;

/// The edges that are active, and the latest of those that are not any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    map: BTreeMap<Uuid, Edge>,
    /// The edges from a session.
    from: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// The edges into a session.
    into: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// The edges that follow an edge.
    after: BTreeMap<Uuid, BTreeSet<Uuid>>,
    active: usize,
    /// The edges that are no longer active, in this order.
    ended: VecDeque<Uuid>,
    bytes: usize,
}

fn remove(index: &mut BTreeMap<Uuid, BTreeSet<Uuid>>, key: Uuid, edge: Uuid) {
    if let Some(set) = index.get_mut(&key) {
        set.remove(&edge);
        if set.is_empty() {
            index.remove(&key);
        }
    }
}

impl Edges {
    pub(super) fn get(&self, id: Uuid) -> Option<&Edge> {
        self.map.get(&id)
    }

    pub(super) fn active_count(&self) -> usize {
        self.active
    }

    /// Returns all edges, the latest first, before `cursor`.
    pub(super) fn before(&self, cursor: Uuid) -> impl Iterator<Item = &Edge> {
        self.map.range(..cursor).rev().map(|(_, edge)| edge)
    }

    /// Returns the edges from a session.
    pub(super) fn outbound(&self, session: Uuid) -> impl Iterator<Item = &Edge> {
        self.indexed(&self.from, session)
    }

    /// Returns the edges into a session.
    pub(super) fn inbound(&self, session: Uuid) -> impl Iterator<Item = &Edge> {
        self.indexed(&self.into, session)
    }

    /// Returns the edges that follow an edge.
    pub(super) fn following(&self, edge: Uuid) -> impl Iterator<Item = &Edge> {
        self.indexed(&self.after, edge)
    }

    fn indexed<'a>(&'a self, index: &'a BTreeMap<Uuid, BTreeSet<Uuid>>, key: Uuid) -> impl Iterator<Item = &'a Edge> {
        index.get(&key).into_iter().flatten().filter_map(|edge| self.map.get(edge))
    }

    /// Returns whether a path of active edges leads from one session to another.
    pub(super) fn leads(&self, from: Uuid, to: Uuid) -> bool {
        let (mut open, mut seen) = (Vec::from([from]), BTreeSet::from([from]));
        while let Some(session) = open.pop() {
            if session == to {
                return true;
            }
            for edge in self.outbound(session).filter(|edge| edge.is_active()) {
                if seen.insert(edge.facts().target) {
                    open.push(edge.facts().target);
                }
            }
        }
        false
    }

    /// Returns the edges from the first one to this one.
    pub(super) fn path(&self, edge: Uuid) -> Vec<Uuid> {
        let (mut path, mut next) = (Vec::new(), Some(edge));
        while let Some(id) = next.filter(|id| !path.contains(id)) {
            path.push(id);
            next = self.get(id).and_then(|edge| edge.facts().parent);
        }
        path.reverse();
        path
    }

    /// Adds an edge at the time of `clock`.
    pub(super) fn create(
        &mut self,
        zone: ZoneKey,
        facts: Arc<EdgeCreated>,
        clock: &Clock,
        timers: &mut Timers,
    ) -> bool {
        let (id, source, target, parent) = (facts.id, facts.source, facts.target, facts.parent);
        if source == target || parent == Some(id) || self.map.contains_key(&id) {
            return false;
        }
        // The wall clock may have been set back since the edge was created that this one follows.
        let limit = parent.and_then(|parent| self.map.get(&parent)).map(Edge::over);
        let edge = Edge::create(zone, facts, clock, limit, timers);
        self.bytes = self.bytes.saturating_add(edge.bytes_held());
        self.active = self.active.saturating_add(1);
        self.map.insert(id, edge);
        self.from.entry(source).or_default().insert(id);
        self.into.entry(target).or_default().insert(id);
        if let Some(parent) = parent {
            self.after.entry(parent).or_default().insert(id);
        }
        true
    }

    /// Notes that the wall clock was set. Returns the edges that are over because of that.
    pub(super) fn follow_wall(&mut self, clock: &Clock, timers: &mut Timers) -> Vec<Uuid> {
        let over = self.map.iter_mut().filter_map(|(id, edge)| edge.follow_wall(clock, timers).then_some(*id));
        over.collect()
    }

    /// Notes that the lifetime of an edge is over. It is forgotten at `forget_at`.
    pub(super) fn expire(&mut self, id: Uuid, forget_at: Time, timers: &mut Timers) -> bool {
        let expired = self.map.get_mut(&id).is_some_and(|edge| edge.expire(forget_at, timers));
        if expired {
            self.active = self.active.saturating_sub(1);
            self.ended.push_back(id);
        }
        expired
    }

    /// Revokes an edge. It is forgotten at `forget_at`.
    pub(super) fn revoke(&mut self, id: Uuid, wall: Time, forget_at: Time, timers: &mut Timers) -> bool {
        let Some(edge) = self.map.get_mut(&id) else { return false };
        let was_active = edge.is_active();
        if !edge.revoke(wall, forget_at, timers) {
            return false;
        }
        if was_active {
            self.active = self.active.saturating_sub(1);
            self.ended.push_back(id);
        }
        true
    }

    /// Returns the edges that have ended beyond a limit, the oldest first.
    pub(super) fn surplus(&self, limit: usize) -> Vec<Uuid> {
        self.ended.iter().take(self.ended.len().saturating_sub(limit)).copied().collect()
    }

    /// Forgets an edge.
    pub(super) fn forget(&mut self, id: Uuid, timers: &mut Timers) -> bool {
        let Some(mut edge) = self.map.remove(&id) else { return false };
        if edge.is_active() {
            self.active = self.active.saturating_sub(1);
        }
        edge.disarm(timers);
        self.bytes = self.bytes.saturating_sub(edge.bytes_held());
        remove(&mut self.from, edge.facts().source, id);
        remove(&mut self.into, edge.facts().target, id);
        if let Some(parent) = edge.facts().parent {
            remove(&mut self.after, parent, id);
        }
        self.ended.retain(|held| *held != id);
        true
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.bytes
    }
}
