use std::time::{Duration, Instant};

use crate::io::random::fraction;

/// How a client comes back after its connection was lost.
///
/// The first attempt is made at once. The pause before each further one is drawn between half and all of a value that
/// begins with `first` and doubles up to `longest`. A connection that is lost again within `steady` counts as a failed
/// attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The first pause. Default 100 ms.
    pub first: Duration,
    /// The longest pause. Default 10 s.
    pub longest: Duration,
    /// How long a connection must last to count as good. Default 5 s.
    pub steady: Duration,
    /// Attempts until the client gives up. Default: no limit but the session's resume window.
    pub attempts: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            steady: Duration::from_secs(5),
            attempts: None,
        }
    }
}

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

    /// The pause before the next attempt, at this time.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        let recent =
            self.last.is_some_and(|last| now.duration_since(last) < self.policy.steady.max(self.ceiling() * 2));
        self.streak = if recent { self.streak.saturating_add(1) } else { 0 };
        let ceiling = self.ceiling();
        let half = ceiling / 2;
        let pause = half + half.mul_f64(fraction());
        self.last = Some(now + pause);
        pause
    }

    /// What the pause is drawn below. The first attempt of all is no return.
    fn ceiling(&self) -> Duration {
        match self.streak {
            0 | 1 => Duration::ZERO,
            streak => {
                let doubled = self.policy.first.saturating_mul(1_u32.checked_shl(streak - 2).unwrap_or(u32::MAX));
                doubled.min(self.policy.longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_never_below_half() {
        let policy = Reconnect { longest: Duration::from_secs(1), ..Reconnect::default() };
        let mut backoff = Backoff::new(policy);
        let mut now = Instant::now();
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
        let mut now = Instant::now();
        for _ in 0..9 {
            now += backoff.pause(now);
        }
        now += Duration::from_mins(1);
        assert_eq!(backoff.pause(now), Duration::ZERO);
    }

    #[test]
    fn a_connection_that_is_lost_again_and_again_is_not_retried_in_a_busy_loop() {
        let mut backoff = Backoff::new(Reconnect::default());
        let now = Instant::now();
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause(now)).collect();
        assert!(pauses.last().is_some_and(|last| *last >= Duration::from_millis(200)), "{pauses:?}");
    }
}
