//! The pauses between attempts to connect.

use std::time::{Duration, Instant};

use super::reconnect::Reconnect;
use crate::io::random::fraction;

/// The pauses of one client.
pub(super) struct Backoff {
    policy: Reconnect,
    streak: u32,
    last: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(policy: Reconnect) -> Backoff {
        Backoff { policy, streak: 0, last: None }
    }

    /// Returns the pause before the next attempt, which is made at `now` plus the pause.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        let recent =
            self.last.is_some_and(|last| now.duration_since(last) < self.policy.steady_after.max(self.ceiling() * 2));
        self.streak = if recent { self.streak.saturating_add(1) } else { 0 };
        let ceiling = self.ceiling();
        let half = ceiling / 2;
        let pause = half + half.mul_f64(fraction());
        self.last = Some(now + pause);
        pause
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
            let pause = backoff.pause(now);
            assert!(pause <= ceiling && pause >= ceiling / 2, "{pause:?} is not below {ceiling:?}");
            now += pause + Duration::from_millis(1);
        }
    }

    #[test]
    fn a_connection_that_lasted_is_followed_by_an_attempt_at_once() {
        let mut backoff = Backoff::new(Reconnect::default());
        let mut now = monotonic();
        for _ in 0..9 {
            now += backoff.pause(now);
        }
        now += Duration::from_mins(1);
        assert_eq!(backoff.pause(now), Duration::ZERO);
    }

    #[test]
    fn a_connection_that_is_lost_again_and_again_is_not_retried_in_a_busy_loop() {
        let mut backoff = Backoff::new(Reconnect::default());
        let now = monotonic();
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause(now)).collect();
        assert!(pauses.last().is_some_and(|last| *last >= Duration::from_millis(200)), "{pauses:?}");
    }
}
