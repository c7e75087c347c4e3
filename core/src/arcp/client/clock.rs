//! A clock that stands still while the client does not read.

use crate::time::Time;

/// A clock that stands still while the driver is asked not to read. Deadlines for frames of the runtime are set on it,
/// because a frame that is not read cannot be late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadClock {
    /// Since when the clock has been standing still.
    paused: Option<Time>,
    /// For how many microseconds it stood still in the past.
    stood: u64,
}

impl ReadClock {
    pub(super) fn pause(&mut self, now: Time) {
        self.paused.get_or_insert(now);
    }

    pub(super) fn resume(&mut self, now: Time) {
        if let Some(paused) = self.paused.take() {
            self.stood = self.stood.saturating_add(now.since(paused));
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Returns the time that this clock shows.
    pub(super) fn read(&self, now: Time) -> Time {
        let now = self.paused.unwrap_or(now);
        Time(now.0.saturating_sub(self.stood))
    }

    /// Returns when this clock will show `at`, or `None` while it stands still.
    pub(super) fn real(&self, at: Time) -> Option<Time> {
        match self.paused {
            Some(_) => None,
            None => Some(at.plus_micros(self.stood)),
        }
    }
}
