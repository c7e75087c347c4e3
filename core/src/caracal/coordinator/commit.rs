//! Commits a change: stores it, applies it, and emits its events.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Coordinator;
use super::event::CoordinatorEvent;
use super::ids::Uuid;
use super::record::{Change, CoordinatorRecord, EdgeCreated};
use super::timers::ZoneKey;
use crate::caracal::wire::ids::{AuthorityId, EdgeId, SessionId, ZoneId};

impl Coordinator {
    /// Carries a change out that was checked before.
    pub(super) fn commit(&mut self, key: ZoneKey, change: Change) {
        let Some(zone) = usize::try_from(key).ok().and_then(|at| self.zones.get_mut(at)) else { return };
        let id = zone.config().id.clone();
        let record = CoordinatorRecord { zone: id.clone(), at: self.clock.now(), wall: self.clock.wall(), change };
        let unused = authorities(zone, &record.change);
        if !zone.apply(&self.config, &record, &mut self.timers) {
            return;
        }
        let unused: Vec<AuthorityId> =
            unused.into_iter().filter(|authority| !zone.sessions().uses(authority)).collect();
        let events = events(&id, &record.change);
        if self.config.journal {
            self.outputs.store(record);
        }
        for event in events {
            self.outputs.event(event);
        }
        for authority in unused {
            self.outputs.event(CoordinatorEvent::AuthorityUnused { zone: id.clone(), authority });
        }
    }

    /// Forgets what has ended beyond the limits.
    pub(super) fn forget_surplus(&mut self, key: ZoneKey) {
        let Some(zone) = self.zone(key) else { return };
        let (sessions, edges) = zone.surplus(&self.config);
        if !sessions.is_empty() || !edges.is_empty() {
            let epoch = zone.epoch();
            self.commit(key, Change::Forgotten { sessions, edges, epoch });
        }
    }
}

/// Returns the authority records of the sessions that a change ends.
fn authorities(zone: &super::zone::Zone, change: &Change) -> BTreeSet<AuthorityId> {
    match change {
        Change::Ended { sessions, .. } => {
            let sessions = sessions.iter().filter_map(|ended| zone.sessions().get(ended.id));
            sessions.map(|session| session.facts().authority.clone()).collect()
        }
        Change::Opened { .. }
        | Change::Suspended { .. }
        | Change::Resumed { .. }
        | Change::Leased { .. }
        | Change::Delegated { .. }
        | Change::Expired { .. }
        | Change::Forgotten { .. } => BTreeSet::new(),
    }
}

fn events(zone: &ZoneId, change: &Change) -> Vec<CoordinatorEvent> {
    let zone = || zone.clone();
    let created = |edge: &EdgeCreated| {
        edge_id(edge.id).map(|id| CoordinatorEvent::EdgeCreated { zone: zone(), edge: id, epoch: edge.epoch })
    };
    match change {
        Change::Opened { session, inherited, .. } => {
            let started = session_id(session.id).map(|id| CoordinatorEvent::Started {
                zone: zone(),
                session: id,
                parent: session.parent.and_then(session_id),
                application: session.application.clone(),
            });
            started.into_iter().chain(inherited.as_ref().and_then(|edge| created(edge))).collect()
        }
        Change::Suspended { sessions, reason } => {
            let ids = sessions.iter().filter_map(|id| session_id(*id));
            let event = |session| CoordinatorEvent::Suspended { zone: zone(), session, reason: reason.clone() };
            ids.map(event).collect()
        }
        Change::Resumed { sessions, .. } => {
            let ids = sessions.iter().filter_map(|id| session_id(*id));
            ids.map(|session| CoordinatorEvent::Resumed { zone: zone(), session }).collect()
        }
        Change::Delegated { edge, .. } => created(edge).into_iter().collect(),
        Change::Ended { sessions, edges, epoch } => {
            let revoked = edges.iter().filter_map(|id| edge_id(*id));
            let revoked = revoked.map(|edge| CoordinatorEvent::EdgeRevoked { zone: zone(), edge, epoch: *epoch });
            let ended = sessions.iter().filter_map(|ended| Some((session_id(ended.id)?, ended.reason.clone())));
            let ended = ended.map(|(session, reason)| CoordinatorEvent::Ended { zone: zone(), session, reason });
            revoked.chain(ended).collect()
        }
        Change::Leased { .. } | Change::Expired { .. } | Change::Forgotten { .. } => Vec::new(),
    }
}

/// The text of an id that was made here is always an id.
pub(super) fn session_id(id: Uuid) -> Option<SessionId> {
    SessionId::new(&id.text()).ok()
}

pub(super) fn edge_id(id: Uuid) -> Option<EdgeId> {
    EdgeId::new(&id.text()).ok()
}
