//! All deadlines of a router in one ordered set. The owner of a deadline holds it as a [`Deadline`].

use alloc::collections::BTreeSet;

use super::keys::WorkerKey;
use super::output::{RouterJob, RouterTimer};
use crate::time::Time;

/// What a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Job(RouterJob),
    Worker(WorkerKey),
}

/// The armed deadlines: when, why, and what they belong to.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, RouterTimer, Owner)>);

impl Timers {
    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<(Time, RouterTimer)> {
        self.0.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Takes out the earliest deadline that has passed.
    pub(super) fn expired(&mut self, now: Time) -> Option<(RouterTimer, Owner)> {
        self.0.first().filter(|(at, _, _)| *at <= now)?;
        self.0.pop_first().map(|(_, timer, owner)| (timer, owner))
    }
}

/// A deadline of one thing, which is armed for one reason or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    owner: Owner,
    armed: Option<(Time, RouterTimer)>,
}

impl Deadline {
    pub(super) const fn new(owner: Owner) -> Deadline {
        Deadline { owner, armed: None }
    }

    /// Returns when the deadline passes.
    pub(super) fn at(&self) -> Option<Time> {
        self.armed.map(|(at, _)| at)
    }

    /// Arms the deadline, in place of an earlier one. One at the end of time never passes.
    pub(super) fn set(&mut self, at: Time, timer: RouterTimer, timers: &mut Timers) {
        self.clear(timers);
        self.armed = Some((at, timer));
        if at < Time::MAX {
            timers.0.insert((at, timer, self.owner));
        }
    }

    /// Takes the deadline back.
    pub(super) fn clear(&mut self, timers: &mut Timers) {
        if let Some((at, timer)) = self.armed.take() {
            timers.0.remove(&(at, timer, self.owner));
        }
    }
}
