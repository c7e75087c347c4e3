//! One zone: its sessions, edges and receipts, which change only by [`Zone::apply`].

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::config::{CoordinatorConfig, ZoneConfig};
use super::edges::{Edge, Edges};
use super::ids::Uuid;
use super::receipts::{Purpose, Receipts};
use super::record::{Change, CoordinatorRecord, SessionEnded};
use super::sessions::{LeaseEnd, Sessions};
use super::timers::{Timers, ZoneKey};
use crate::caracal::wire::ids::ApplicationId;
use crate::clock::Clock;
use crate::time::Time;

/// A zone.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    key: ZoneKey,
    config: ZoneConfig,
    sessions: Sessions,
    edges: Edges,
    receipts: Receipts,
    /// The number of changes of the edges.
    epoch: u64,
}

/// What ends by one cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    pub(super) sessions: Vec<SessionEnded>,
    pub(super) edges: Vec<Uuid>,
}

impl Zone {
    pub(super) fn new(key: ZoneKey, config: ZoneConfig) -> Zone {
        Zone {
            key,
            config,
            sessions: Sessions::default(),
            edges: Edges::default(),
            receipts: Receipts::default(),
            epoch: 0,
        }
    }

    pub(super) fn config(&self) -> &ZoneConfig {
        &self.config
    }

    pub(super) fn has(&self, application: &ApplicationId) -> bool {
        self.config.applications.contains(application)
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) fn edges(&self) -> &Edges {
        &self.edges
    }

    pub(super) fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the active edges into a session, the oldest first.
    pub(super) fn authority_of(&self, session: Uuid) -> Vec<&Edge> {
        self.edges.inbound(session).filter(|edge| edge.is_active()).collect()
    }

    /// Returns what ends when some sessions end: those below them too, and the edges of all of them.
    ///
    /// `why` is the end of the sessions themselves. Those below them are terminated with the reason `parent_terminated`
    /// (1.0; before it they have the same).
    pub(super) fn ending(&self, config: &CoordinatorConfig, roots: &[Uuid], reason: &str, expired: bool) -> Ending {
        let expired = expired && config.is_head();
        let ids = self.sessions.subtree(roots, |session| session.phase().is_live());
        let sessions = ids.iter().map(|id| {
            let is_root = roots.contains(id) || !config.is_head();
            let reason = if is_root { reason } else { "parent_terminated" };
            SessionEnded { id: *id, expired: expired && is_root, reason: reason.into() }
        });
        let sessions: Vec<SessionEnded> = sessions.collect();
        let mut edges = Vec::new();
        if config.is_head() || config.is_strict() {
            let touching = ids.iter().flat_map(|id| self.edges.outbound(*id).chain(self.edges.inbound(*id)));
            // An edge that has expired could still be revoked, which would end its target.
            let touching = touching.filter(|edge| !edge.is_revoked()).map(|edge| edge.facts().id);
            edges = self.with_followers(config, touching.collect());
        }
        Ending { sessions, edges }
    }

    /// Returns what ends when an edge is revoked: the edges that begin where it and they end, the sessions that received
    /// authority by them, and what ends with those.
    pub(super) fn revocation(&self, config: &CoordinatorConfig, edge: Uuid) -> (Ending, Vec<Uuid>) {
        let (mut open, mut edges) = (Vec::from([edge]), BTreeSet::new());
        let mut targets = Vec::new();
        while let Some(id) = open.pop() {
            let Some(edge) = self.edges.get(id).filter(|edge| !edge.is_revoked()) else { continue };
            if !edges.insert(id) {
                continue;
            }
            let target = edge.facts().target;
            if self.sessions.live(target).is_some() && !targets.contains(&target) {
                targets.push(target);
            }
            open.extend(self.edges.outbound(target).map(|edge| edge.facts().id));
        }
        let mut ending = self.ending(config, &targets, "delegation_revoked", false);
        edges.extend(ending.edges);
        ending.edges = self.with_followers(config, edges);
        (ending, targets)
    }

    /// Returns some edges with all that follow them, unless only what the deployed coordinators end is ended.
    fn with_followers(&self, config: &CoordinatorConfig, edges: BTreeSet<Uuid>) -> Vec<Uuid> {
        if !config.is_strict() {
            return edges.into_iter().collect();
        }
        let (mut open, mut all) = (edges.iter().copied().collect::<Vec<Uuid>>(), edges);
        while let Some(id) = open.pop() {
            for edge in self.edges.following(id).filter(|edge| !edge.is_revoked()) {
                if all.insert(edge.facts().id) {
                    open.push(edge.facts().id);
                }
            }
        }
        all.into_iter().collect()
    }

    /// Carries a change out. Returns whether it fits the state; if not, nothing has changed.
    ///
    /// Requests are checked before their record is made, so that only records that were read can fail here.
    pub(super) fn apply(
        &mut self,
        config: &CoordinatorConfig,
        record: &CoordinatorRecord,
        timers: &mut Timers,
    ) -> bool {
        let (at, wall) = (record.at, record.wall);
        let forget_at = at.plus(config.retention);
        match &record.change {
            Change::Opened { session, inherited, receipt } => {
                let bytes = self.receipts.bytes_held();
                let has_room = self.sessions.live_count() < config.limits.sessions_per_zone
                    && session.metadata.len() <= config.limits.metadata_bytes
                    && receipt
                        .as_ref()
                        .is_none_or(|receipt| bytes.saturating_add(receipt.body.len()) <= config.limits.receipt_bytes);
                if !has_room || !self.has(&session.application) {
                    return false;
                }
                if !self.sessions.open(self.key, session.clone(), record, timers) {
                    return false;
                }
                if let Some(edge) = inherited {
                    self.epoch = self.epoch.max(edge.epoch);
                    // The session is new, so that its edge is the first one.
                    let _ = self.edges.create(self.key, edge.clone(), &record.clock(), timers);
                }
                if let Some(receipt) = receipt {
                    let (id, application) = (session.id, &session.application);
                    let until = record.deadline(receipt.expires_at);
                    self.receipts.add((self.key, id), Purpose::Spawn, application, receipt.clone(), until, timers);
                }
                true
            }
            Change::Delegated { edge, receipt } => {
                let has_ends = self.sessions.live(edge.source).is_some() && self.sessions.live(edge.target).is_some();
                let has_room = self.edges.active_count() < config.limits.edges_per_zone
                    && receipt.as_ref().is_none_or(|receipt| {
                        self.receipts.bytes_held().saturating_add(receipt.body.len()) <= config.limits.receipt_bytes
                    });
                let is_cycle = self.edges.leads(edge.target, edge.source);
                if !has_ends
                    || !has_room
                    || is_cycle
                    || !self.edges.create(self.key, edge.clone(), &record.clock(), timers)
                {
                    return false;
                }
                self.epoch = self.epoch.max(edge.epoch);
                if let Some(receipt) = receipt {
                    let (until, issuer) = (record.deadline(receipt.expires_at), &edge.issuer);
                    let owner = (self.key, edge.id);
                    self.receipts.add(owner, Purpose::Delegation, issuer, receipt.clone(), until, timers);
                }
                true
            }
            Change::Suspended { sessions, .. } => {
                // All are tried, whatever becomes of the first.
                sessions.iter().filter(|id| self.sessions.suspend(**id, at, timers)).count() > 0
            }
            Change::Resumed { sessions, until } => {
                let lease = LeaseEnd::of(record, *until);
                sessions.iter().filter(|id| self.sessions.resume(**id, lease, timers)).count() > 0
            }
            Change::Leased { session, generation, until } => {
                self.sessions.lease(*session, *generation, wall, LeaseEnd::of(record, *until), timers)
            }
            Change::Ended { sessions, edges, epoch } => {
                let revoked = edges.iter().filter(|id| self.edges.revoke(**id, wall, forget_at, timers)).count();
                let ended = sessions.iter().filter(|end| self.sessions.end(end, wall, forget_at, timers)).count();
                if revoked > 0 {
                    self.epoch = self.epoch.max(*epoch);
                }
                revoked > 0 || ended > 0
            }
            Change::Expired { edges } => {
                for edge in edges {
                    self.edges.expire(*edge, forget_at, timers);
                }
                // One that has expired by itself since is over all the same.
                true
            }
            Change::Forgotten { sessions, edges, epoch } => {
                self.epoch = self.epoch.max(*epoch);
                for edge in edges {
                    self.edges.forget(*edge, timers);
                }
                for session in sessions {
                    self.sessions.forget(*session, timers);
                }
                // What is not there was forgotten with its records.
                true
            }
        }
    }

    /// Notes that the wall clock was set. Returns the edges that are over because of that.
    pub(super) fn follow_wall(&mut self, clock: &Clock, timers: &mut Timers) -> Vec<Uuid> {
        self.edges.follow_wall(clock, timers)
    }

    /// Notes that the lifetime of an edge is over. This needs no record, because the edge says itself when it expires.
    pub(super) fn expire_edge(&mut self, edge: Uuid, forget_at: Time, timers: &mut Timers) {
        self.edges.expire(edge, forget_at, timers);
    }

    /// Notes that the retention of a receipt is over. This needs no record either.
    pub(super) fn forget_receipt(&mut self, id: Uuid, timers: &mut Timers) {
        self.receipts.forget(id, timers);
    }

    /// Returns what is held beyond the limits of what has ended, and all edges of the sessions among it.
    pub(super) fn surplus(&self, config: &CoordinatorConfig) -> (Vec<Uuid>, Vec<Uuid>) {
        let sessions = self.sessions.surplus(config.limits.ended_sessions);
        let edges = self.edges.surplus(config.limits.ended_edges);
        (sessions.clone(), self.edges_of(&sessions, edges))
    }

    /// Returns some edges and all edges of some sessions.
    pub(super) fn edges_of(&self, sessions: &[Uuid], edges: Vec<Uuid>) -> Vec<Uuid> {
        let own = sessions.iter().flat_map(|id| self.edges.outbound(*id).chain(self.edges.inbound(*id)));
        let all: BTreeSet<Uuid> = own.map(|edge| edge.facts().id).chain(edges).collect();
        all.into_iter().collect()
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.sessions.bytes_held().saturating_add(self.edges.bytes_held()).saturating_add(self.receipts.bytes_held())
    }
}
