//! How many lines of one kind are logged.

use std::time::{Duration, Instant};

use super::clock::monotonic;

/// Bounds the lines of one kind that are logged in a second, where peers decide how many there are.
///
/// ```
/// use nuncio_shared::io::Complaints;
///
/// let mut complaints = Complaints::new(2);
/// let logged: Vec<bool> = (0..3).map(|_| complaints.next().is_some()).collect();
/// assert_eq!(logged, [true, true, false]);
/// ```
#[derive(Debug)]
pub struct Complaints {
    per_second: u32,
    /// When the first line of the current second was logged.
    began: Option<Instant>,
    logged: u32,
    missed: u64,
}

impl Complaints {
    /// Allows this many lines a second.
    pub const fn new(per_second: u32) -> Complaints {
        Complaints { per_second, began: None, logged: 0, missed: 0 }
    }

    /// Returns how many lines were left out since the last one, if there may be another one now.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: there is no last line")]
    pub fn next(&mut self) -> Option<u64> {
        self.at(monotonic())
    }

    fn at(&mut self, now: Instant) -> Option<u64> {
        const PERIOD: Duration = Duration::from_secs(1);
        if self.began.is_none_or(|began| now.duration_since(began) >= PERIOD) {
            (self.began, self.logged) = (Some(now), 0);
        }
        if self.logged == self.per_second {
            self.missed += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second() {
        let mut complaints = Complaints::new(1);
        let start = monotonic();
        assert_eq!(complaints.at(start), Some(0));
        for millis in (0..1_000).step_by(50) {
            assert_eq!(complaints.at(start + Duration::from_millis(millis)), None);
        }
        assert_eq!(complaints.at(start + Duration::from_secs(1)), Some(20));
        assert_eq!(complaints.at(start + Duration::from_secs(3)), Some(0));
    }

    #[test]
    fn as_many_lines_as_are_allowed_are_logged_in_a_second() {
        let mut complaints = Complaints::new(3);
        let start = monotonic();
        let logged = (0..10).filter(|_| complaints.at(start).is_some()).count();
        assert_eq!(logged, 3);
        assert_eq!(complaints.at(start + Duration::from_secs(1)), Some(7));
    }
}
