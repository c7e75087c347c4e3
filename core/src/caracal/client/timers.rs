//! All deadlines of a client in one ordered set. The owner of a deadline holds it as a [`Deadline`].

use alloc::collections::BTreeSet;

use super::event::ClientTimer;
use crate::time::Time;

/// The armed deadlines: when, why, and the number of the call or session that it belongs to.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, ClientTimer, u64)>);

impl Timers {
    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<(Time, ClientTimer)> {
        self.0.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Takes out the earliest deadline that has passed.
    pub(super) fn expired(&mut self, now: Time) -> Option<(ClientTimer, u64)> {
        let (at, _, _) = self.0.first()?;
        if *at > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer, key)| (timer, key))
    }
}

/// A deadline of one thing, which is armed or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    timer: ClientTimer,
    key: u64,
    at: Option<Time>,
}

impl Deadline {
    pub(super) const fn new(timer: ClientTimer, key: u64) -> Deadline {
        Deadline { timer, key, at: None }
    }

    pub(super) const fn at(&self) -> Option<Time> {
        self.at
    }

    /// Arms the deadline, in place of an earlier one. One at the end of time never passes.
    pub(super) fn set(&mut self, at: Time, timers: &mut Timers) {
        self.clear(timers);
        self.at = Some(at);
        if at < Time::MAX {
            timers.0.insert((at, self.timer, self.key));
        }
    }

    /// Takes the deadline back.
    pub(super) fn clear(&mut self, timers: &mut Timers) {
        if let Some(at) = self.at.take() {
            timers.0.remove(&(at, self.timer, self.key));
        }
    }
}
