//! All deadlines of a runtime in one ordered set; an entity knows its own deadline and takes it back by name.

use alloc::collections::BTreeSet;

use crate::arcp::runtime::event::Timer;
use crate::time::Time;

/// A deadline of one entity: the key is the slab key of the connection, session, job or revocation.
pub(crate) type Deadline = (Time, Timer, u64);

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers(BTreeSet<Deadline>);

impl Timers {
    pub(crate) fn arm(&mut self, at: Time, timer: Timer, key: u64) {
        self.0.insert((at, timer, key));
    }

    pub(crate) fn disarm(&mut self, at: Option<Time>, timer: Timer, key: u64) {
        if let Some(at) = at {
            self.0.remove(&(at, timer, key));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<(Time, Timer)> {
        self.0.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Takes out the earliest deadline that has passed.
    pub(crate) fn expired(&mut self, now: Time) -> Option<Deadline> {
        let first = *self.0.first()?;
        (first.0 <= now).then(|| self.0.pop_first())?
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
