//! Clocks, sleeps and timeouts. No other file reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_lite::future::or;
use nuncio_core::time::Time;

use super::driver::Io;

/// The wall clock, sampled once, plus monotonic time. It never steps back, even if the system's clock is set back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Time,
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { wall: wall(), start: monotonic() }
    }

    /// Returns the clock, moved forward if it is behind `told`, a time that has already been used.
    pub(crate) fn no_earlier(self, told: Time) -> Clock {
        Clock { wall: self.wall.max(told), ..self }
    }

    pub(crate) fn now(&self) -> Time {
        self.wall.plus_micros(micros(self.start.elapsed()))
    }

    /// Converts a deadline for timers, which do not reach as far as [`Time`] does.
    pub(crate) fn instant(&self, deadline: Time) -> Instant {
        const FAR: Duration = Duration::from_hours(30 * 365 * 24);
        let after_start = Duration::from_micros(deadline.since(self.wall)).min(FAR);
        self.start + after_start
    }

    /// Returns the time until a deadline; zero if it has passed.
    pub(crate) fn until(&self, deadline: Time) -> Duration {
        Duration::from_micros(deadline.since(self.now()))
    }
}

/// Reads the wall clock, which may be set back. It is for the age of data that outlives the process.
pub(crate) fn wall() -> Time {
    Time(micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// Reads the monotonic clock, for pauses and timeouts.
pub fn monotonic() -> Instant {
    Instant::now()
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Waits for this long.
pub(crate) async fn sleep(io: &dyn Io, pause: Duration) {
    io.sleep_until(monotonic() + pause).await;
}

/// Returns the future's value, or `None` if it takes longer than `limit`.
pub(crate) async fn timeout<T>(io: &dyn Io, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let timer = io.sleep_until(monotonic() + limit);
    or(async { Some(future.await) }, async {
        timer.await;
        None
    })
    .await
}
