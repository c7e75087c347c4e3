//! The time of a runtime, and what the wall clock shows as text.

use alloc::string::String;

use crate::clock::{self, WallOffset};
use crate::time::Time;

/// The clock of a runtime: the time for intervals, deadlines and ages, what the wall clock shows, and that as text.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    clock: clock::Clock,
    /// The millisecond of the wall clock that `text` is the RFC 3339 form of.
    millis: u64,
    text: String,
}

impl Clock {
    pub(super) fn new(now: Time) -> Clock {
        Clock { clock: clock::Clock::new(now), millis: now.millis(), text: now.to_rfc3339() }
    }

    /// The time for intervals, deadlines and ages.
    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// What the wall clock shows: the time for what others have said or will read, such as `expires_at` and timestamps.
    pub(super) fn wall(&self) -> Time {
        self.clock.wall()
    }

    /// Moves to `now`, unless it is earlier.
    pub(super) fn advance(&mut self, now: Time) {
        self.clock.advance(now);
    }

    /// Notes that the wall clock shows `wall` now.
    pub(super) fn set_wall(&mut self, wall: Time) {
        self.clock.set_wall(wall);
    }

    pub(super) fn offset(&self) -> WallOffset {
        self.clock.offset()
    }

    /// Returns what the wall clock shows as RFC 3339 with milliseconds. The text is made once per millisecond.
    pub(super) fn text(&mut self) -> &str {
        let wall = self.wall();
        if self.millis != wall.millis() {
            self.millis = wall.millis();
            self.text = wall.to_rfc3339();
        }
        &self.text
    }
}
