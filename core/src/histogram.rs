//! Durations, counted by their lengths: [`Histogram`].

use core::ops::AddAssign;
use core::time::Duration;

/// Durations, counted by their lengths, for the metrics of a host.
///
/// It has 14 upper bounds, which increase, and counts what is longer than the last one as well.
///
/// ```
/// use core::time::Duration;
///
/// use nuncio_core::histogram::Histogram;
///
/// let mut waits = Histogram::of_jobs();
/// waits.observe(Duration::from_millis(10));
/// waits.observe(Duration::from_secs(2));
/// assert_eq!((waits.count(), waits.sum()), (2, Duration::from_millis(2_010)));
/// let up_to_a_second = waits.buckets().find(|(bound, _)| *bound == Duration::from_secs(1));
/// assert_eq!(up_to_a_second, Some((Duration::from_secs(1), 1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [Duration; Histogram::BOUNDS],
    counts: [u64; Histogram::BOUNDS],
    count: u64,
    sum: Duration,
}

/// From a millisecond to a day.
const OF_JOBS: [Duration; Histogram::BOUNDS] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];

impl Histogram {
    /// The number of upper bounds.
    pub const BOUNDS: usize = 14;

    /// Returns a histogram that has counted nothing. The bounds must increase.
    pub const fn new(bounds: &'static [Duration; Histogram::BOUNDS]) -> Histogram {
        Histogram { bounds, counts: [0; Histogram::BOUNDS], count: 0, sum: Duration::ZERO }
    }

    /// Returns a histogram with bounds for the times of jobs: from 1 ms to a day.
    pub const fn of_jobs() -> Histogram {
        Histogram::new(&OF_JOBS)
    }

    /// Counts a duration.
    pub fn observe(&mut self, duration: Duration) {
        let first = self.bounds.partition_point(|bound| *bound < duration);
        if let Some(count) = self.counts.get_mut(first) {
            *count += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    /// Returns each upper bound with the number of durations that are not longer, in the order of the bounds.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let cumulative = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(cumulative)
    }

    /// Returns the number of all durations.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all durations.
    pub const fn sum(&self) -> Duration {
        self.sum
    }
}

/// Adds what another histogram with the same bounds has counted.
impl AddAssign for Histogram {
    fn add_assign(&mut self, other: Histogram) {
        debug_assert_eq!(self.bounds, other.bounds, "the bounds are the same");
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn bounds_increase_and_belong_to_their_buckets() {
        assert!(OF_JOBS.is_sorted_by(|before, after| before < after));
        let mut histogram = Histogram::of_jobs();
        for bound in OF_JOBS {
            histogram.observe(bound);
        }
        histogram.observe(Duration::MAX);
        let counts: Vec<u64> = histogram.buckets().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=14).collect::<Vec<u64>>(), "each bound is the last of its own bucket");
        assert_eq!((histogram.count(), histogram.sum()), (15, Duration::MAX), "what is too long is counted, too");
    }
}
