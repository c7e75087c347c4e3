//! A timer for code that belongs to no driver.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::clock::monotonic;
use super::sync::{CancellationToken, lock};

/// Timers on a thread of their own, which starts with the first of them and ends when this is dropped.
#[derive(Default)]
pub(crate) struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    timers: Mutex<Timers>,
    changed: Condvar,
}

#[derive(Default)]
struct Timers {
    pending: BTreeMap<(Instant, u64), Weak<CancellationToken>>,
    next: u64,
    is_running: bool,
    has_ended: bool,
}

impl Alarm {
    /// Returns a future of a later time. Fails if the system refuses a thread.
    pub(crate) fn after(&self, pause: Duration) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let token = Arc::new(CancellationToken::new());
        let mut timers = lock(&self.shared.timers);
        if !timers.is_running {
            let shared = Arc::clone(&self.shared);
            std::thread::Builder::new().name("nuncio-alarm".to_owned()).spawn(move || shared.ring())?;
            timers.is_running = true;
        }
        timers.next += 1;
        let key = (monotonic() + pause, timers.next);
        timers.pending.insert(key, Arc::downgrade(&token));
        drop(timers);
        self.shared.changed.notify_one();
        Ok(async move { token.cancelled().await })
    }
}

impl Shared {
    fn ring(&self) {
        let mut timers = lock(&self.timers);
        while !timers.has_ended {
            // A timer that nobody waits for is forgotten.
            timers.pending.retain(|_, token| token.strong_count() > 0);
            let now = monotonic();
            let due = timers.pending.first_key_value().map(|((at, _), _)| *at);
            timers = match due {
                Some(at) if at <= now => {
                    let token = timers.pending.pop_first().and_then(|(_, token)| token.upgrade());
                    drop(timers);
                    if let Some(token) = token {
                        token.cancel();
                    }
                    lock(&self.timers)
                }
                Some(at) => {
                    let waited = self.changed.wait_timeout(timers, at - now);
                    waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
                None => self.changed.wait(timers).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        lock(&self.shared.timers).has_ended = true;
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn timers_ring_in_the_order_of_their_times() {
        let alarm = Alarm::default();
        let (late, soon) =
            (alarm.after(Duration::from_hours(1)).unwrap(), alarm.after(Duration::from_millis(1)).unwrap());
        let first = futures_lite::future::or(
            async {
                late.await;
                "late"
            },
            async {
                soon.await;
                "soon"
            },
        );
        assert_eq!(futures_lite::future::block_on(first), "soon");
    }

    #[test]
    fn a_timer_that_is_dropped_is_forgotten() {
        let alarm = Alarm::default();
        let pending = || lock(&alarm.shared.timers).pending.len();
        let kept = alarm.after(Duration::from_hours(1)).unwrap();
        drop(alarm.after(Duration::from_hours(1)).unwrap());
        // The thread looks at all of them when it is woken.
        rings(&alarm);
        until(|| pending() == 1);
        drop(kept);
        rings(&alarm);
        until(|| pending() == 0);
    }

    #[test]
    fn the_thread_ends_with_the_alarm() {
        let alarm = Alarm::default();
        let late = alarm.after(Duration::from_hours(1)).unwrap();
        let held_by_the_thread = Arc::downgrade(&alarm.shared);
        drop(alarm);
        until(|| held_by_the_thread.strong_count() == 0);
        drop(late);
    }

    /// Waits until a timer has rung.
    #[track_caller]
    fn rings(alarm: &Alarm) {
        let mut timer = Box::pin(alarm.after(Duration::ZERO).unwrap());
        until(|| timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    /// Waits for something that another thread does.
    #[track_caller]
    fn until(mut reached: impl FnMut() -> bool) {
        let late = monotonic() + Duration::from_mins(1);
        while !reached() {
            assert!(monotonic() < late, "it takes too long");
            std::thread::yield_now();
        }
    }
}
