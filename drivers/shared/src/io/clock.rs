//! The only place that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nuncio_core::time::Time;

/// The wall clock, sampled once, plus monotonic time: it never steps back, whatever is done to the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Time,
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { wall: wall(), start: Instant::now() }
    }

    /// The same, but not behind a time that was already told.
    pub(crate) fn no_earlier(self, told: Time) -> Clock {
        Clock { wall: self.wall.max(told), ..self }
    }

    pub(crate) fn now(&self) -> Time {
        self.wall.plus_micros(micros(self.start.elapsed()))
    }

    /// When a deadline is due for timers, which do not reach as far as [`Time`] does.
    pub(crate) fn instant(&self, deadline: Time) -> Instant {
        const FAR: Duration = Duration::from_hours(30 * 365 * 24);
        let after_start = Duration::from_micros(deadline.since(self.wall)).min(FAR);
        self.start + after_start
    }

    /// How long it is until a deadline; zero if it has passed.
    pub(crate) fn until(&self, deadline: Time) -> Duration {
        Duration::from_micros(deadline.since(self.now()))
    }
}

/// The wall clock, which may be set back: for the age of what outlives the process.
pub(crate) fn wall() -> Time {
    Time(micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
