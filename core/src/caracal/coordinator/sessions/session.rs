//! One session: [`Session`].

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use super::state::Phase;
use crate::caracal::coordinator::event::CoordinatorTimer;
use crate::caracal::coordinator::ids::Uuid;
use crate::caracal::coordinator::record::{CoordinatorRecord, SessionEnded, SessionOpened};
use crate::caracal::coordinator::timers::{Deadline, Timers, ZoneKey};
use crate::caracal::wire::answer::write::session::SessionRow;
use crate::caracal::wire::ids::ZoneId;
use crate::time::Time;

/// When a lease lapses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseEnd {
    /// By the wall clock.
    until: Time,
    /// In the time of the coordinator.
    over: Time,
}

impl LeaseEnd {
    /// Returns the end of a lease that lasts until `until` by the wall clock of the record that says so.
    pub(crate) const fn of(record: &CoordinatorRecord, until: Time) -> LeaseEnd {
        LeaseEnd { until, over: record.deadline(until) }
    }
}

/// A session. A service has a lease, any other session a lifetime.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    facts: Arc<SessionOpened>,
    phase: Phase,
    /// The sessions directly below it that have not ended.
    children: BTreeSet<Uuid>,
    /// The generation of the lease's holder; 0 without a lease.
    generation: u64,
    heartbeat_at: Option<Time>,
    /// When the lease lapses, also while the session is suspended.
    lease_end: Option<LeaseEnd>,
    /// Whether it is suspended because its lease has lapsed.
    lapsed: bool,
    ended: Option<(Time, Box<str>)>,
    lifetime: Deadline,
    lease: Deadline,
    forget: Deadline,
}

impl Session {
    pub(super) fn open(
        zone: ZoneKey,
        facts: Arc<SessionOpened>,
        record: &CoordinatorRecord,
        timers: &mut Timers,
    ) -> Session {
        let deadline = |timer| Deadline::new(timer, zone, facts.id);
        let mut session = Session {
            phase: Phase::Active,
            children: BTreeSet::new(),
            generation: u64::from(facts.is_service),
            heartbeat_at: facts.is_service.then_some(facts.at),
            lease_end: facts.lease_until.map(|until| LeaseEnd::of(record, until)),
            lapsed: false,
            ended: None,
            lifetime: deadline(CoordinatorTimer::Session),
            lease: deadline(CoordinatorTimer::Lease),
            forget: deadline(CoordinatorTimer::EndedSession),
            facts,
        };
        if let Some(secs) = session.facts.ttl_secs {
            session.lifetime.set(record.at.plus_secs(u64::from(secs)), timers);
        }
        if let Some(end) = session.lease_end {
            session.lease.set(end.over, timers);
        }
        session
    }

    pub(crate) fn facts(&self) -> &SessionOpened {
        &self.facts
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the reason of the end.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.ended.as_ref().map(|(_, reason)| &**reason)
    }

    /// Returns whether it is suspended because its lease has lapsed.
    pub(crate) const fn has_lapsed(&self) -> bool {
        self.lapsed
    }

    pub(crate) fn child_count(&self) -> usize {
        self.children.len()
    }

    pub(super) fn children(&self) -> impl DoubleEndedIterator<Item = Uuid> + '_ {
        self.children.iter().copied()
    }

    pub(super) fn adopt(&mut self, child: Uuid) {
        self.children.insert(child);
    }

    pub(super) fn release(&mut self, child: Uuid) {
        self.children.remove(&child);
    }

    /// Suspends the session. Its lease cannot lapse until it is resumed; its lifetime goes on.
    pub(super) fn suspend(&mut self, now: Time, timers: &mut Timers) -> bool {
        if !self.phase.suspend() {
            return false;
        }
        self.lapsed = self.lease_end.is_some_and(|end| end.over <= now);
        self.lease.clear(timers);
        true
    }

    pub(super) fn resume(&mut self, end: LeaseEnd, timers: &mut Timers) -> bool {
        if !self.phase.resume() {
            return false;
        }
        self.lapsed = false;
        if self.facts.is_service {
            self.lease_end = Some(end);
            self.lease.set(end.over, timers);
        }
        true
    }

    /// Renews the lease, in this generation or the next one. A suspended session keeps its lease in suspense.
    pub(super) fn lease(&mut self, generation: u64, wall: Time, end: LeaseEnd, timers: &mut Timers) -> bool {
        let is_next = self.generation == generation || self.generation.saturating_add(1) == generation;
        if !self.facts.is_service || !self.phase.is_live() || !is_next {
            return false;
        }
        self.generation = generation;
        self.heartbeat_at = Some(wall);
        self.lease_end = Some(end);
        if self.phase == Phase::Active {
            self.lease.set(end.over, timers);
        }
        true
    }

    pub(super) fn end(&mut self, ended: &SessionEnded, wall: Time, forget_at: Time, timers: &mut Timers) -> bool {
        let changed = if ended.expired { self.phase.expire() } else { self.phase.terminate() };
        if !changed {
            return false;
        }
        self.ended = Some((wall, ended.reason.clone()));
        self.lifetime.clear(timers);
        self.lease.clear(timers);
        self.forget.set(forget_at, timers);
        true
    }

    pub(super) fn disarm(&mut self, timers: &mut Timers) {
        self.lifetime.clear(timers);
        self.lease.clear(timers);
        self.forget.clear(timers);
    }

    /// Returns the session as it is answered.
    pub(crate) fn row<'a>(&'a self, zone: &'a ZoneId) -> SessionRow<'a> {
        SessionRow {
            status: self.phase.as_str(),
            ended_at: self.ended.as_ref().map(|(at, _)| *at),
            reason: self.reason(),
            heartbeat_at: self.heartbeat_at,
            deadline: self.lease_end.map(|end| end.until),
            lease: self.generation,
            ..first_row(zone, &self.facts)
        }
    }

    pub(super) fn bytes_held(&self) -> usize {
        let labels: usize = self.facts.labels.iter().map(|label| label.len().saturating_add(16)).sum();
        // What is not metadata has a bound of its own.
        self.facts.metadata.len().saturating_add(labels).saturating_add(1_024)
    }
}

/// Returns a session as it is answered when it is opened.
pub(crate) fn first_row<'a>(zone: &'a ZoneId, facts: &'a SessionOpened) -> SessionRow<'a> {
    SessionRow {
        id: facts.id.text(),
        zone,
        application: &facts.application,
        parent: facts.parent.map(Uuid::text),
        authority: &facts.authority,
        is_service: facts.is_service,
        labels: &facts.labels,
        status: Phase::Active.as_str(),
        depth: facts.depth,
        ttl_secs: facts.ttl_secs,
        metadata: &facts.metadata,
        started_at: facts.at,
        ended_at: None,
        reason: None,
        heartbeat_at: facts.is_service.then_some(facts.at),
        deadline: facts.lease_until,
        lease: u64::from(facts.is_service),
    }
}
