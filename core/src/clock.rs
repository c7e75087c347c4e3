//! The time of a machine, and what the wall clock shows.
//!
//! The time of a machine counts how long things take and never steps back; the wall clock may be set either way. Intervals,
//! grace periods and ages follow the time of the machine. What others have said or will read follows the wall clock:
//! timestamps, and when something expires.

use crate::time::Time;

/// How far the wall clock is from the time of a machine. The time of a machine counts how long things take and never steps
/// back; the wall clock may be set either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WallOffset {
    /// At least one of the two is 0.
    ahead: u64,
    behind: u64,
}

impl WallOffset {
    /// Returns the offset of a wall clock that shows `wall` when it is `now`.
    pub(crate) const fn between(now: Time, wall: Time) -> WallOffset {
        WallOffset { ahead: wall.since(now), behind: now.since(wall) }
    }

    /// Returns what the wall clock shows at a time of the machine, at most [`Time::LATEST_WRITTEN`].
    pub(crate) fn wall(self, now: Time) -> Time {
        let wall = Time(now.0.saturating_add(self.ahead).saturating_sub(self.behind));
        if self.ahead > 0 { wall.min(Time::LATEST_WRITTEN.max(now)) } else { wall }
    }

    /// Returns the time of the machine at which the wall clock shows `wall`, if it is not set until then.
    pub(crate) const fn machine(self, wall: Time) -> Time {
        Time(wall.0.saturating_add(self.behind).saturating_sub(self.ahead))
    }
}

/// The latest time that a machine was given, and what the wall clock shows then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now: Time,
    offset: WallOffset,
}

impl Clock {
    /// Returns a clock whose wall clock shows the time of the machine until [`Clock::set_wall`] is called.
    pub(crate) fn new(now: Time) -> Clock {
        Clock { now, offset: WallOffset::default() }
    }

    /// Returns the time for intervals, deadlines and ages.
    pub(crate) const fn now(&self) -> Time {
        self.now
    }

    /// Returns what the wall clock shows.
    pub(crate) fn wall(&self) -> Time {
        self.offset.wall(self.now)
    }

    /// Returns what the wall clock showed or will show at a time of the machine, if it is not set in between.
    #[cfg(feature = "cap")]
    pub(crate) fn wall_at(&self, at: Time) -> Time {
        self.offset.wall(at)
    }

    /// Moves to `now`, unless it is earlier.
    pub(crate) fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Notes that the wall clock shows `wall` now.
    pub(crate) fn set_wall(&mut self, wall: Time) {
        self.offset = WallOffset::between(self.now, wall);
    }

    /// Returns how far the wall clock is from the time of the machine.
    pub(crate) const fn offset(&self) -> WallOffset {
        self.offset
    }
}

/// When something that expires by the wall clock is over, in the time of a machine. This time may become earlier, but never
/// later: a wall clock that is set back gives nothing back.
#[cfg(any(feature = "cap", feature = "caracal"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    at: Time,
    over: Time,
}

#[cfg(any(feature = "cap", feature = "caracal"))]
impl Expiry {
    /// Returns the expiry of what is over once the wall clock shows `at`.
    pub(crate) fn new(at: Time, clock: &Clock) -> Expiry {
        Expiry { at, over: clock.offset.machine(at) }
    }

    /// Notes that the wall clock was set. What it shows to be over is over now.
    pub(crate) fn follow(&mut self, clock: &Clock) {
        self.over = self.over.min(clock.offset.machine(self.at).max(clock.now));
    }

    /// Has it be over at `over`, unless it is over earlier.
    pub(crate) fn limit(&mut self, over: Time) {
        self.over = self.over.min(over);
    }

    /// Returns what the wall clock shows when it is over.
    #[cfg(feature = "cap")]
    pub(crate) const fn at(&self) -> Time {
        self.at
    }

    /// Returns the time of the machine from which on it is over.
    pub(crate) const fn over(&self) -> Time {
        self.over
    }

    /// Returns whether it is over.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        now >= self.over
    }
}
