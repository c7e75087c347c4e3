//! All deadlines of a runtime in one ordered set. A component holds each of its deadlines as a [`Deadline`].

use alloc::collections::BTreeSet;

use slotmap::{Key, KeyData};

use crate::arcp::runtime::event::Timer;
use crate::time::Time;

/// The armed deadlines: the time, the reason, and the slab key of the connection, session, job or question.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, Timer, u64)>);

impl Timers {
    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Time, Timer)> {
        self.0.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Removes and returns the earliest deadline that has passed.
    pub(super) fn expired(&mut self, now: Time) -> Option<(Timer, KeyData)> {
        let first = self.0.first()?;
        if first.0 > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer, key)| (timer, KeyData::from_ffi(key)))
    }

    /// Arms a deadline that cannot be cleared. It must be harmless if it passes without need. One at the end of time never
    /// passes.
    pub(super) fn arm(&mut self, at: Time, timer: Timer, key: impl Key) {
        if at < Time::MAX {
            self.0.insert((at, timer, key.data().as_ffi()));
        }
    }

    pub(super) fn held(&self) -> usize {
        self.0.len() * 32
    }
}

/// A deadline of one connection, session, job or question, which may be armed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    timer: Timer,
    at: Option<Time>,
}

impl Deadline {
    pub(super) const fn new(timer: Timer) -> Deadline {
        Deadline { timer, at: None }
    }

    pub(super) fn at(&self) -> Option<Time> {
        self.at
    }

    pub(super) fn is_clear(&self) -> bool {
        self.at.is_none()
    }

    /// Arms the deadline, and replaces an earlier one.
    pub(super) fn set(&mut self, at: Time, key: impl Key, timers: &mut Timers) {
        self.clear(key, timers);
        self.at = Some(at);
        timers.arm(at, self.timer, key);
    }

    /// Clears the deadline.
    pub(super) fn clear(&mut self, key: impl Key, timers: &mut Timers) {
        if let Some(at) = self.at.take() {
            timers.0.remove(&(at, self.timer, key.data().as_ffi()));
        }
    }

    /// Notes that the deadline has passed and was removed from the timers.
    pub(super) fn passed(&mut self) {
        self.at = None;
    }
}
