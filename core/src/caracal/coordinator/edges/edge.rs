//! One edge: [`Edge`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::state::Standing;
use crate::caracal::coordinator::event::CoordinatorTimer;
use crate::caracal::coordinator::ids::Uuid;
use crate::caracal::coordinator::record::EdgeCreated;
use crate::caracal::coordinator::timers::{Deadline, Timers, ZoneKey};
use crate::caracal::wire::answer::write::edge::EdgeRow;
use crate::caracal::wire::ids::ZoneId;
use crate::clock::{Clock, Expiry};
use crate::time::Time;

/// An edge: a session passes scopes on to another one.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    facts: Arc<EdgeCreated>,
    standing: Standing,
    revoked_at: Option<Time>,
    expiry: Expiry,
    lifetime: Deadline,
    forget: Deadline,
}

impl Edge {
    /// Returns a new edge, which is over no later than `limit`.
    pub(super) fn create(
        zone: ZoneKey,
        facts: Arc<EdgeCreated>,
        clock: &Clock,
        limit: Option<Time>,
        timers: &mut Timers,
    ) -> Edge {
        let deadline = |timer| Deadline::new(timer, zone, facts.id);
        let mut expiry = Expiry::new(facts.expires_at, clock);
        expiry.limit(limit.unwrap_or(Time::MAX));
        let mut edge = Edge {
            standing: Standing::Active,
            revoked_at: None,
            expiry,
            lifetime: deadline(CoordinatorTimer::Edge),
            forget: deadline(CoordinatorTimer::EndedEdge),
            facts,
        };
        edge.lifetime.set(edge.expiry.over(), timers);
        edge
    }

    pub(crate) fn facts(&self) -> &EdgeCreated {
        &self.facts
    }

    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.standing == Standing::Revoked
    }

    /// Returns when it is over, in the time of the coordinator.
    pub(super) fn over(&self) -> Time {
        self.expiry.over()
    }

    /// Notes that the wall clock was set. Returns whether the edge is over because of that.
    pub(super) fn follow_wall(&mut self, clock: &Clock, timers: &mut Timers) -> bool {
        let before = self.expiry;
        self.expiry.follow(clock);
        if !self.is_active() || before == self.expiry {
            return false;
        }
        self.lifetime.set(self.expiry.over(), timers);
        self.expiry.is_over(clock.now())
    }

    pub(super) fn expire(&mut self, forget_at: Time, timers: &mut Timers) -> bool {
        let expired = self.standing.expire();
        if expired {
            self.lifetime.clear(timers);
            self.forget.set(forget_at, timers);
        }
        expired
    }

    pub(super) fn revoke(&mut self, wall: Time, forget_at: Time, timers: &mut Timers) -> bool {
        let revoked = self.standing.revoke();
        if revoked {
            self.revoked_at = Some(wall);
            self.lifetime.clear(timers);
            self.forget.set(forget_at, timers);
        }
        revoked
    }

    pub(super) fn disarm(&mut self, timers: &mut Timers) {
        self.lifetime.clear(timers);
        self.forget.clear(timers);
    }

    /// Returns the edge as it is answered.
    pub(crate) fn row<'a>(&'a self, zone: &'a ZoneId) -> EdgeRow<'a> {
        EdgeRow {
            status: self.standing.as_str(),
            version: u64::from(self.is_revoked()),
            revoked_at: self.revoked_at,
            ..first_row(zone, &self.facts)
        }
    }

    /// Returns the resources that the edge is limited to; an empty list does not limit them.
    pub(crate) fn resources(&self) -> Vec<Box<str>> {
        self.facts.resources()
    }

    pub(super) fn bytes_held(&self) -> usize {
        let scopes: usize = self.facts.scopes.iter().map(|scope| scope.len().saturating_add(16)).sum();
        let resource = self.facts.resource.as_ref().map_or(0, |resource| resource.len());
        // What is not listed here has a bound of its own.
        scopes.saturating_add(resource).saturating_add(self.facts.limits.bytes_held()).saturating_add(1_024)
    }
}

impl EdgeCreated {
    /// Returns the resources that the edge is limited to; an empty list does not limit them. A `resource_id` is narrower
    /// than the constraint `resources`.
    pub(crate) fn resources(&self) -> Vec<Box<str>> {
        match &self.resource {
            Some(resource) => Vec::from([resource.clone()]),
            None => self.limits.resources.clone(),
        }
    }
}

/// Returns an edge as it is answered when it is created.
pub(crate) fn first_row<'a>(zone: &'a ZoneId, facts: &'a EdgeCreated) -> EdgeRow<'a> {
    EdgeRow {
        id: facts.id.text(),
        zone,
        source: facts.source.text(),
        target: facts.target.text(),
        issuer: &facts.issuer,
        receiver: &facts.receiver,
        parent: facts.parent.map(Uuid::text),
        resource: facts.resource.as_deref(),
        scopes: &facts.scopes,
        limits: &facts.limits,
        status: Standing::Active.as_str(),
        expires_at: facts.expires_at,
        version: 0,
        revoked_at: None,
        created_at: facts.at,
    }
}
