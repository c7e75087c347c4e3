//! Handles deadlines that have passed.

use alloc::vec::Vec;

use super::Coordinator;
use super::event::CoordinatorTimer;
use super::ids::Uuid;
use super::lease::LAPSED;
use super::record::Change;
use super::sessions::Session;
use super::timers::ZoneKey;
use crate::time::Time;

impl Coordinator {
    /// Acts on all deadlines that have passed. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        self.lapse();
    }

    /// Ends what is over at the present time.
    pub(super) fn lapse(&mut self) {
        while let Some((at, timer, zone, id)) = self.timers.expired(self.clock.now()) {
            match timer {
                CoordinatorTimer::Edge => {
                    if self.is_early(zone, id) {
                        self.commit(zone, Change::Expired { edges: Vec::from([id]) });
                    } else {
                        self.expire_edge(zone, id, at);
                    }
                    self.forget_surplus(zone);
                }
                CoordinatorTimer::Session => self.end(zone, &[id], "ttl", true),
                CoordinatorTimer::Lease => self.lapse_lease(zone, id),
                CoordinatorTimer::Receipt => self.forget_receipt(zone, id),
                CoordinatorTimer::EndedEdge => self.forget(zone, Vec::new(), Vec::from([id])),
                CoordinatorTimer::EndedSession => self.forget(zone, Vec::from([id]), Vec::new()),
            }
        }
    }

    /// Whether the wall clock does not show yet that an edge has expired: it was set back, or ahead and back.
    fn is_early(&self, key: ZoneKey, edge: Uuid) -> bool {
        let edge = self.zone(key).and_then(|zone| zone.edges().get(edge));
        edge.is_some_and(|edge| edge.facts().expires_at > self.clock.wall())
    }

    /// Ends an edge that has expired at `at`. It is forgotten at the same time whenever that is noticed: in a restart it is
    /// noticed with the next record, and a store may have deleted that.
    fn expire_edge(&mut self, key: ZoneKey, edge: Uuid, at: Time) {
        let forget_at = at.plus(self.config.retention);
        if let Some(zone) = usize::try_from(key).ok().and_then(|at| self.zones.get_mut(at)) {
            zone.expire_edge(edge, forget_at, &mut self.timers);
        }
    }

    /// Ends what is over at the time of a record and has no record of its own.
    pub(super) fn lapse_unrecorded(&mut self, at: Time) {
        const REASONS: [CoordinatorTimer; 2] = [CoordinatorTimer::Edge, CoordinatorTimer::Receipt];
        while let Some((expired_at, timer, zone, id)) = self.timers.expired_of(at, &REASONS) {
            if timer == CoordinatorTimer::Edge {
                self.expire_edge(zone, id, expired_at);
            } else {
                self.forget_receipt(zone, id);
            }
        }
    }

    fn forget_receipt(&mut self, key: ZoneKey, id: Uuid) {
        if let Some(zone) = usize::try_from(key).ok().and_then(|at| self.zones.get_mut(at)) {
            zone.forget_receipt(id, &mut self.timers);
        }
    }

    /// Suspends a service whose lease was not renewed, with the sessions below it.
    fn lapse_lease(&mut self, key: ZoneKey, id: Uuid) {
        let Some(zone) = self.zone(key) else { return };
        let sessions = zone.sessions().subtree(&[id], Session::is_active);
        if !sessions.is_empty() {
            self.commit(key, Change::Suspended { sessions, reason: LAPSED.into() });
        }
    }

    fn forget(&mut self, key: ZoneKey, sessions: Vec<Uuid>, edges: Vec<Uuid>) {
        let Some(zone) = self.zone(key) else { return };
        let (edges, epoch) = (zone.edges_of(&sessions, edges), zone.epoch());
        self.commit(key, Change::Forgotten { sessions, edges, epoch });
    }
}
