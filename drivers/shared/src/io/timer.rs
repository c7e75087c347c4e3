//! The deadlines of a machine.

use futures_lite::future::{or, yield_now};
use nuncio_core::time::Time;

use super::Io;
use super::clock::{Clock, TICK, monotonic};
use super::sync::Signal;

/// The deadline that the timer of a machine waits for.
#[derive(Debug, Default)]
pub(crate) struct Armed(Option<Time>);

impl Armed {
    /// Notes that the timer waits for the next deadline from now on, and returns that.
    pub(crate) fn set(&mut self, next: Option<Time>) -> Option<Time> {
        self.0 = next;
        next
    }

    /// Returns whether the next deadline is earlier than what the timer waits for.
    pub(crate) fn is_after(&self, next: Option<Time>) -> bool {
        next.is_some_and(|next| self.0.is_none_or(|armed| next < armed))
    }
}

/// Calls `expire` whenever a deadline has passed, and once a second, so that a machine without deadlines notices that the wall
/// clock was set. `arm` returns the next deadline, and `nearer` is notified when it has moved to an earlier time.
pub(crate) async fn watch_deadlines(
    io: &dyn Io,
    clock: &Clock,
    nearer: &Signal,
    arm: impl Fn() -> Option<Time>,
    expire: impl Fn(),
) {
    loop {
        let passed = async {
            let due = clock.instant(arm().unwrap_or(Time::MAX));
            io.sleep_until(due.min(monotonic() + TICK)).await;
            true
        };
        let moved = async {
            nearer.notified().await;
            false
        };
        if or(passed, moved).await {
            expire();
            // A timer that has passed already is ready at once; the other tasks of the thread have to run as well.
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::{Context, Waker};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::io::BoxFuture;
    use crate::io::sync::lock;

    /// Timers that have passed as soon as they are asked for, until there were some.
    #[derive(Default)]
    struct Timers(Mutex<Vec<Instant>>);

    impl Io for Timers {
        fn spawn(&self, _: BoxFuture<'static, ()>) {}

        fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
            let mut asked = lock(&self.0);
            asked.push(at);
            if asked.len() < 3 { Box::pin(async {}) } else { Box::pin(std::future::pending()) }
        }
    }

    #[test]
    fn a_timer_is_woken_for_an_earlier_deadline_only() {
        let mut armed = Armed::default();
        assert!(armed.is_after(Some(Time(5))), "it waits for none");
        assert_eq!(armed.set(Some(Time(5))), Some(Time(5)));
        let woken = [None, Some(Time(4)), Some(Time(5)), Some(Time(6))].map(|next| armed.is_after(next));
        assert_eq!(woken, [false, true, false, false]);
        assert_eq!(armed.set(None), None);
        assert!(armed.is_after(Some(Time(6))));
    }

    #[test]
    fn a_machine_without_deadlines_is_told_the_time_once_a_second() {
        let (timers, clock, nearer) = (Timers::default(), Clock::start(), Signal::default());
        let expired = Mutex::new(0);
        let mut watched = Box::pin(watch_deadlines(&timers, &clock, &nearer, || None, || *lock(&expired) += 1));
        for _ in 0..3 {
            assert!(watched.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(watched);
        let asked = lock(&timers.0).clone();
        assert_eq!((asked.len(), *lock(&expired)), (3, 2));
        let latest = monotonic() + TICK;
        assert!(asked.into_iter().all(|at| at <= latest), "none is later than in {:?}", Duration::from_secs(1));
    }
}
