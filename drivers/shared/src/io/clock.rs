//! Clocks, sleeps and timeouts. No other file reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_lite::future::or;
use nuncio_core::time::Time;
use tracing::warn;

use super::driver::Io;

/// A timer looks at the clock at least this often, because the clock that it sleeps on may stand still while the machine is
/// suspended.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// The wall clock was set if it has moved by this many microseconds more or less than time has passed.
const NOTICED: u64 = 10_000;
/// The two clocks are read again if this many microseconds have passed between.
const AT_ONCE: u64 = 1_000;
/// The longest time between two ticks of the system, in microseconds. Its fast clock shows the time of the last one.
const SYSTEM_TICK: u64 = 10_000;

/// The time of a machine: the wall clock when the clock was started, and what has passed since. It never steps back, and goes
/// on while the machine is suspended if the system has such a clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begin: Time,
    start: Duration,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        let clock = Clock { begin: wall(), start: since_boot() };
        // The thread may have been interrupted between the two.
        let Reading { now, wall } = clock.read();
        let behind = wall.0.wrapping_sub(now.0).cast_signed();
        Clock { begin: Time(clock.begin.0.saturating_add_signed(behind)), ..clock }
    }

    /// Returns the clock, moved forward if it is behind `told`, a time that has already been used.
    pub(crate) fn no_earlier(self, told: Time) -> Clock {
        Clock { begin: self.begin.max(told), ..self }
    }

    /// Returns the clock of a machine that goes on from `told` now, at the time that this clock was started.
    #[cfg(feature = "caracal")]
    pub(crate) fn from(self, told: Time) -> Clock {
        Clock { begin: told, ..self }
    }

    pub(crate) fn now(&self) -> Time {
        self.begin.plus_micros(micros(since_boot().saturating_sub(self.start)))
    }

    /// Returns when to look at the clock again for a deadline: in a second, or earlier if the deadline is. There is no need to
    /// do so for one at the end of time.
    pub(crate) fn instant(&self, deadline: Time) -> Instant {
        const FAR: Duration = Duration::from_hours(30 * 365 * 24);
        let longest = if deadline == Time::MAX { FAR } else { TICK };
        monotonic() + self.until(deadline).min(longest)
    }

    /// Returns the time until a deadline; zero if it has passed.
    pub(crate) fn until(&self, deadline: Time) -> Duration {
        Duration::from_micros(deadline.since(self.now()))
    }

    /// Returns the present time, and what the wall clock shows now.
    pub(crate) fn read(&self) -> Reading {
        let mut reading = self.read_once();
        for _ in 0..3 {
            if reading.1 < AT_ONCE {
                break;
            }
            reading = self.read_once();
        }
        reading.0
    }

    /// Returns what [`read`](Clock::read) does, in less time while the wall clock goes on as the machine was told. A step of
    /// less than 20 ms is not noticed, and one of less than 30 ms perhaps not at once.
    pub(crate) fn follow(&self, told: WallClock) -> Reading {
        let glance = self.glance();
        if told.behind(glance).unsigned_abs() > NOTICED + SYSTEM_TICK {
            return self.read();
        }
        Reading { wall: told.shows(glance.now), ..glance }
    }

    /// Returns both times in less time than [`read`](Clock::read) does. They are not to be compared with each other: the thread
    /// may be interrupted between them, and the wall clock may be some milliseconds behind.
    pub(crate) fn glance(&self) -> Reading {
        Reading { now: self.now(), wall: recent_wall() }
    }

    /// Returns a reading, and the microseconds that may lie between its two times.
    fn read_once(&self) -> (Reading, u64) {
        let before = self.now();
        let wall = wall();
        let now = self.now();
        (Reading { now, wall }, now.since(before))
    }
}

/// The time of a machine and what the wall clock shows, at the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) now: Time,
    pub(crate) wall: Time,
}

/// What a machine was told of the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock {
    /// The microseconds by which it is ahead of the machine's time.
    ahead: i64,
}

/// A step of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallStep {
    /// What the wall clock shows now.
    pub(crate) wall: Time,
    /// The microseconds by which it was set ahead, or back if they are negative.
    pub(crate) by: i64,
}

impl WallClock {
    pub(crate) fn new(reading: Reading) -> WallClock {
        WallClock { ahead: reading.wall.0.wrapping_sub(reading.now.0).cast_signed() }
    }

    /// Returns the microseconds by which the machine is behind the wall clock of a reading; they are negative if it is ahead.
    const fn behind(self, reading: Reading) -> i64 {
        reading.wall.0.wrapping_sub(reading.now.0).cast_signed().saturating_sub(self.ahead)
    }

    /// Returns the step by which the wall clock was set since the last call, if it was.
    fn step(&mut self, reading: Reading) -> Option<WallStep> {
        let by = self.behind(reading);
        if by.unsigned_abs() < NOTICED {
            return None;
        }
        self.ahead = self.ahead.saturating_add(by);
        Some(WallStep { wall: reading.wall, by })
    }

    /// Tells a machine what the wall clock shows, and when, if it was set since the last call. Returns the step if it is to be
    /// logged.
    pub(crate) fn follow(&mut self, reading: Reading, tell: impl FnOnce(Time, Time)) -> Option<WallStep> {
        let step = self.step(reading)?;
        tell(reading.now, step.wall);
        Some(step).filter(|step| step.is_logged())
    }

    /// Returns what the wall clock will show at a time of the machine, if it is not set until then.
    pub(crate) fn shows(self, at: Time) -> Time {
        if at == Time::MAX { at } else { Time(at.0.saturating_add_signed(self.ahead)) }
    }
}

impl WallStep {
    /// Logs the step. The lock of the machine is free.
    pub(crate) fn log(self) {
        let (seconds, wall) = (self.seconds(), self.wall.to_rfc3339());
        warn!(seconds, wall, "the wall clock was set; what expires is judged by it as it is now");
    }

    /// Whether the step is logged: it is longer than a second.
    fn is_logged(self) -> bool {
        self.by.unsigned_abs() > 1_000_000
    }

    /// Returns the seconds of the step, for a log.
    fn seconds(self) -> String {
        let micros = self.by.unsigned_abs();
        let sign = if self.by < 0 { "-" } else { "+" };
        format!("{sign}{}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000)
    }
}

/// Reads the wall clock, which may be set back.
pub(crate) fn wall() -> Time {
    Time(micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// Returns what the wall clock showed at the last tick of the system, which is some milliseconds ago at most.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn recent_wall() -> Time {
    use rustix::time::{ClockId, clock_gettime};

    let read = clock_gettime(ClockId::RealtimeCoarse);
    let micros = u64::try_from(read.tv_nsec / 1_000).unwrap_or_default();
    Time(u64::try_from(read.tv_sec).unwrap_or_default().saturating_mul(1_000_000).saturating_add(micros))
}

/// Returns what the wall clock shows: this system has none that is read faster.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn recent_wall() -> Time {
    wall()
}

/// Reads the monotonic clock, for pauses and timeouts.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Reads the clock that goes on while the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    // On Apple's systems, this clock goes on during sleep.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: ClockId = ClockId::Boottime;

    let read = clock_gettime(CLOCK);
    let nanos = u32::try_from(read.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(read.tv_sec).unwrap_or_default(), nanos)
}

/// Reads the monotonic clock: this system has none that goes on while the machine is suspended.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn since_boot() -> Duration {
    use std::sync::LazyLock;

    static FIRST: LazyLock<Instant> = LazyLock::new(monotonic);
    FIRST.elapsed()
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_700_000_000_000_000);

    fn read(now: u64, wall: u64) -> Reading {
        Reading { now: Time(NOW.0 + now), wall: Time(NOW.0 + wall) }
    }

    #[test]
    fn a_wall_clock_that_is_set_is_noticed_once() {
        let mut wall = WallClock::default();
        assert_eq!(wall.step(read(0, 0)), None);
        assert_eq!(wall.step(read(5_000_000, 5_000_000 + NOTICED - 1)), None, "clocks are read one after the other");
        let hour = 3_600_000_000;
        let step = wall.step(read(6_000_000, 6_000_000 + hour)).expect("a step");
        assert_eq!((step.wall, step.by), (Time(NOW.0 + 6_000_000 + hour), hour.cast_signed()));
        assert!(step.is_logged());
        assert_eq!(step.seconds(), "+3600.000");
        assert_eq!(wall.step(read(7_000_000, 7_000_000 + hour)), None, "it goes on");
        assert_eq!(wall.shows(Time(NOW.0)), Time(NOW.0 + hour));
        let step = wall.step(read(8_000_000, 8_000_000)).expect("a step back");
        assert_eq!(step.seconds(), "-3600.000");
        assert_eq!(wall.shows(Time(NOW.0)), NOW);
        let step = wall.step(read(9_000_000, 9_050_000)).expect("a short step");
        assert!(!step.is_logged());
    }

    #[test]
    fn a_machine_is_told_of_every_step_and_long_ones_are_logged() {
        let mut wall = WallClock::default();
        let mut follow = |now, shown| {
            let mut told = None;
            let logged = wall.follow(read(now, shown), |now, wall| told = Some((now.0 - NOW.0, wall.0 - NOW.0)));
            (told, logged.map(|step| step.by))
        };
        assert_eq!(follow(1_000_000, 1_000_000), (None, None));
        assert_eq!(follow(2_000_000, 2_500_000), (Some((2_000_000, 2_500_000)), None));
        assert_eq!(follow(3_000_000, 9_500_000), (Some((3_000_000, 9_500_000)), Some(6_000_000)));
        assert_eq!(follow(9_000_000, 9_000_000), (Some((9_000_000, 9_000_000)), Some(-6_500_000)));
    }

    #[test]
    fn a_clock_that_is_followed_shows_every_long_step() {
        let clock = Clock::start();
        let told = WallClock::new(clock.read());
        let reading = clock.follow(told);
        assert_eq!(told.behind(reading), 0, "nobody has set the wall clock");
        for by in [-3_600_000_000, -31_000, 31_000, 3_600_000_000] {
            // As if the wall clock had been set by this much since the machine was told of it.
            let told = WallClock { ahead: told.ahead - by };
            let shown = told.behind(clock.follow(told));
            assert!(shown.signum() == by.signum() && shown.unsigned_abs() >= NOTICED, "a step of {by} is {shown}");
        }
    }
    /// Many small steps must not add up to a long one that is never noticed.
    #[test]
    fn a_wall_clock_that_drifts_is_noticed() {
        let mut wall = WallClock::default();
        let steps: Vec<_> = (0..100).filter_map(|n| wall.step(read(n * 1_000_000, n * 1_003_000))).collect();
        assert_eq!(steps.iter().map(|step| step.by).sum::<i64>(), 297_000 / 12_000 * 12_000);
    }

    #[test]
    fn a_clock_does_not_step_back() {
        let clock = Clock::start().no_earlier(Time(NOW.0 * 2));
        assert!(clock.now() >= Time(NOW.0 * 2));
        let before = clock.now();
        assert!(clock.now() >= before);
        assert_eq!(clock.until(before), Duration::ZERO);
        assert!(
            clock.instant(before.plus_secs(3_600)) <= monotonic() + TICK,
            "a timer looks at the clock every second"
        );
    }
}
