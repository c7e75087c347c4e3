//! The sessions of a zone: [`Sessions`].

mod session;
pub(super) mod state;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(super) use session::{LeaseEnd, Session, first_row};

use super::ids::Uuid;
use super::record::{CoordinatorRecord, SessionEnded, SessionOpened};
use super::timers::{Timers, ZoneKey};
use crate::caracal::wire::ids::{ApplicationId, AuthorityId};
use crate::time::Time;

/// The sessions that have not ended, and the latest of those that have.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    map: BTreeMap<Uuid, Session>,
    live: usize,
    /// The sessions that have ended, in this order.
    ended: VecDeque<Uuid>,
    bytes: usize,
}

impl Sessions {
    pub(super) fn get(&self, id: Uuid) -> Option<&Session> {
        self.map.get(&id)
    }

    /// Returns a session that has not ended.
    pub(super) fn live(&self, id: Uuid) -> Option<&Session> {
        self.get(id).filter(|session| session.phase().is_live())
    }

    /// Returns the number of sessions that have not ended.
    pub(super) fn live_count(&self) -> usize {
        self.live
    }

    /// Returns the number of sessions of an application that have not ended.
    pub(super) fn live_of(&self, application: &ApplicationId) -> usize {
        let live = self.map.values().filter(|session| session.phase().is_live());
        live.filter(|session| session.facts().application == *application).count()
    }

    /// Returns whether a session that has not ended uses an authority record.
    pub(super) fn uses(&self, authority: &AuthorityId) -> bool {
        self.map.values().any(|session| session.phase().is_live() && session.facts().authority == *authority)
    }

    /// Returns the sessions before `cursor`, the latest first.
    pub(super) fn before(&self, cursor: Uuid) -> impl Iterator<Item = &Session> {
        self.map.range(..cursor).rev().map(|(_, session)| session)
    }

    /// Returns some sessions and all below them that are in a phase which the condition accepts. Nothing is looked for
    /// below a session that it does not accept.
    pub(super) fn subtree(&self, roots: &[Uuid], accepts: impl Fn(&Session) -> bool) -> Vec<Uuid> {
        let mut found: Vec<Uuid> = Vec::new();
        let mut open: Vec<Uuid> = roots.iter().rev().copied().collect();
        let mut seen = alloc::collections::BTreeSet::new();
        while let Some(id) = open.pop() {
            if let Some(session) = self.get(id).filter(|session| accepts(session))
                && seen.insert(id)
            {
                found.push(id);
                open.extend(session.children().rev());
            }
        }
        found
    }

    /// Adds a session, as a record says. Its parent, if it has one, is there and has not ended.
    pub(super) fn open(
        &mut self,
        zone: ZoneKey,
        facts: Arc<SessionOpened>,
        record: &CoordinatorRecord,
        timers: &mut Timers,
    ) -> bool {
        let id = facts.id;
        let has_parent = facts.parent.is_none_or(|parent| {
            self.live(parent).is_some_and(|parent| facts.depth == parent.facts().depth.saturating_add(1))
        });
        if !has_parent || self.map.contains_key(&id) {
            return false;
        }
        if let Some(parent) = facts.parent.and_then(|parent| self.map.get_mut(&parent)) {
            parent.adopt(id);
        }
        let session = Session::open(zone, facts, record, timers);
        self.bytes = self.bytes.saturating_add(session.bytes_held());
        self.live = self.live.saturating_add(1);
        self.map.insert(id, session);
        true
    }

    pub(super) fn suspend(&mut self, id: Uuid, now: Time, timers: &mut Timers) -> bool {
        self.map.get_mut(&id).is_some_and(|session| session.suspend(now, timers))
    }

    pub(super) fn resume(&mut self, id: Uuid, end: LeaseEnd, timers: &mut Timers) -> bool {
        self.map.get_mut(&id).is_some_and(|session| session.resume(end, timers))
    }

    pub(super) fn lease(&mut self, id: Uuid, generation: u64, wall: Time, end: LeaseEnd, timers: &mut Timers) -> bool {
        self.map.get_mut(&id).is_some_and(|session| session.lease(generation, wall, end, timers))
    }

    /// Ends a session, which is forgotten at `forget_at`.
    pub(super) fn end(&mut self, ended: &SessionEnded, wall: Time, forget_at: Time, timers: &mut Timers) -> bool {
        let Some(session) = self.map.get_mut(&ended.id) else { return false };
        if !session.end(ended, wall, forget_at, timers) {
            return false;
        }
        self.live = self.live.saturating_sub(1);
        self.ended.push_back(ended.id);
        if let Some(parent) = session.facts().parent.and_then(|parent| self.map.get_mut(&parent)) {
            parent.release(ended.id);
        }
        true
    }

    /// Returns the sessions that have ended beyond a limit, the oldest first.
    pub(super) fn surplus(&self, limit: usize) -> Vec<Uuid> {
        self.ended.iter().take(self.ended.len().saturating_sub(limit)).copied().collect()
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&mut self, id: Uuid, timers: &mut Timers) -> bool {
        if self.get(id).is_none_or(|session| session.phase().is_live()) {
            return false;
        }
        if let Some(mut session) = self.map.remove(&id) {
            session.disarm(timers);
            self.bytes = self.bytes.saturating_sub(session.bytes_held());
        }
        self.ended.retain(|held| *held != id);
        true
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.bytes
    }
}
