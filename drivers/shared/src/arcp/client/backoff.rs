//! The pauses between attempts to connect.

use std::time::{Duration, Instant};

use super::reconnect::Reconnect;
use crate::io::random::fraction;

/// The pauses of one client.
pub(super) struct Backoff {
    policy: Reconnect,
    streak: u32,
    /// The attempts to connect again since the session last made progress; `None` before the first of all.
    attempts: Option<u32>,
    last: Option<Instant>,
}

/// The next attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The attempts before it since the session last made progress.
    pub(super) number: u32,
    /// The pause before it.
    pub(super) after: Duration,
}

impl Backoff {
    pub(super) fn new(policy: Reconnect) -> Backoff {
        Backoff { policy, streak: 0, attempts: None, last: None }
    }

    /// Returns the next attempt, which is made at `now` plus its pause. `progress` tells whether the session has received
    /// an event or an answer since the last one.
    pub(super) fn next(&mut self, now: Instant, progress: bool) -> Attempt {
        let recent =
            self.last.is_some_and(|last| now.duration_since(last) < self.policy.steady_after.max(self.ceiling() * 2));
        self.streak = match (recent, progress) {
            (false, _) => 0,
            (true, false) => self.streak.saturating_add(1),
            // The first pause: a runtime that closes every connection after one event is not called in a busy loop.
            (true, true) => self.streak.saturating_add(1).min(2),
        };
        let number = self.attempts.filter(|_| recent && !progress).map_or(0, |attempts| attempts.saturating_add(1));
        self.attempts = self.last.map(|_| number);
        let ceiling = self.ceiling();
        let half = ceiling / 2;
        let pause = half + half.mul_f64(fraction());
        self.last = Some(now + pause);
        Attempt { number, after: pause }
    }

    /// Returns the longest pause before this attempt. The first attempt and the second have none.
    fn ceiling(&self) -> Duration {
        match self.streak {
            0 | 1 => Duration::ZERO,
            streak => {
                let doubled = self.policy.first_pause.saturating_mul(1_u32.checked_shl(streak - 2).unwrap_or(u32::MAX));
                doubled.min(self.policy.longest_pause)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::monotonic;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_never_below_half() {
        let policy = Reconnect::default().longest_pause(Duration::from_secs(1));
        let mut backoff = Backoff::new(policy);
        let mut now = monotonic();
        let expected = [0, 0, 100, 200, 400, 800, 1000, 1000].map(Duration::from_millis);
        for ceiling in expected {
            let pause = backoff.next(now, false).after;
            assert!(pause <= ceiling && pause >= ceiling / 2, "{pause:?} is not below {ceiling:?}");
            now += pause + Duration::from_millis(1);
        }
    }

    #[test]
    fn a_connection_that_lasted_is_followed_by_an_attempt_at_once() {
        let mut backoff = Backoff::new(Reconnect::default());
        let mut now = monotonic();
        for _ in 0..9 {
            now += backoff.next(now, false).after;
        }
        now += Duration::from_mins(1);
        assert_eq!(backoff.next(now, false), Attempt { number: 0, after: Duration::ZERO });
    }

    /// A connection is steady from `steady_after` on, and not before.
    #[test]
    fn a_connection_is_steady_once_it_has_lasted_long_enough() {
        let steady = Duration::from_secs(10);
        let policy = Reconnect::default().steady_after(steady);
        let shorter = steady.saturating_sub(Duration::from_nanos(1));
        for (lasted, number) in [(shorter, 1), (steady, 0), (steady * 2, 0)] {
            let mut backoff = Backoff::new(policy);
            let now = monotonic();
            // The first attempt is made at once, and its connection is lost after this time.
            assert_eq!(backoff.next(now, false), Attempt { number: 0, after: Duration::ZERO });
            assert_eq!(backoff.next(now, false).number, 0);
            assert_eq!(backoff.next(now + lasted, false).number, number, "{lasted:?}");
        }
    }

    #[test]
    fn a_connection_that_is_lost_again_and_again_is_not_retried_in_a_busy_loop() {
        let mut backoff = Backoff::new(Reconnect::default());
        let now = monotonic();
        let attempts: Vec<_> = (0..5).map(|_| backoff.next(now, false)).collect();
        assert!(attempts.last().is_some_and(|last| last.after >= Duration::from_millis(200)), "{attempts:?}");
        let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, [0, 0, 1, 2, 3], "the first one is the connection itself");
    }

    #[test]
    fn after_progress_the_pause_is_the_first_one_again() {
        let mut backoff = Backoff::new(Reconnect::default());
        let now = monotonic();
        for _ in 0..9 {
            backoff.next(now, false);
        }
        for _ in 0..100 {
            let Attempt { number, after } = backoff.next(now, true);
            assert_eq!(number, 0);
            assert!(after <= Duration::from_millis(100) && after >= Duration::from_millis(50), "{after:?}");
        }
        let attempt = backoff.next(now, false);
        assert_eq!(attempt.number, 1);
        assert!(attempt.after >= Duration::from_millis(100), "{attempt:?}");
    }
}
