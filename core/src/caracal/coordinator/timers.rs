//! All deadlines of a coordinator in one ordered set. The owner of a deadline holds it as a [`Deadline`].

use alloc::collections::BTreeSet;

use super::event::CoordinatorTimer;
use super::ids::Uuid;
use crate::time::Time;

/// The place of a zone among those of the configuration.
pub(in crate::caracal::coordinator) type ZoneKey = u32;

/// The armed deadlines: when, why, and the session or edge that it belongs to.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, CoordinatorTimer, ZoneKey, Uuid)>);

impl Timers {
    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<(Time, CoordinatorTimer)> {
        self.0.first().map(|(at, timer, _, _)| (*at, *timer))
    }

    /// Takes out the earliest deadline that has passed.
    pub(super) fn expired(&mut self, now: Time) -> Option<(Time, CoordinatorTimer, ZoneKey, Uuid)> {
        let (at, _, _, _) = self.0.first()?;
        if *at > now { None } else { self.0.pop_first() }
    }

    /// Takes out the earliest deadline of some reasons that has passed.
    pub(super) fn expired_of(
        &mut self,
        now: Time,
        reasons: &[CoordinatorTimer],
    ) -> Option<(Time, CoordinatorTimer, ZoneKey, Uuid)> {
        let passed = self.0.iter().take_while(|(at, _, _, _)| *at <= now);
        let found = *passed.into_iter().find(|(_, timer, _, _)| reasons.contains(timer))?;
        self.0.remove(&found);
        Some(found)
    }
}

/// A deadline of one thing, which is armed or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    timer: CoordinatorTimer,
    zone: ZoneKey,
    id: Uuid,
    at: Option<Time>,
}

impl Deadline {
    pub(super) const fn new(timer: CoordinatorTimer, zone: ZoneKey, id: Uuid) -> Deadline {
        Deadline { timer, zone, id, at: None }
    }

    /// Arms the deadline, in place of an earlier one.
    pub(super) fn set(&mut self, at: Time, timers: &mut Timers) {
        self.clear(timers);
        self.at = Some(at);
        timers.0.insert((at, self.timer, self.zone, self.id));
    }

    /// Takes the deadline back.
    pub(super) fn clear(&mut self, timers: &mut Timers) {
        if let Some(at) = self.at.take() {
            timers.0.remove(&(at, self.timer, self.zone, self.id));
        }
    }
}
