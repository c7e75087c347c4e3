//! The bytes that a session or a job has in the journal.

use crate::time::Time;

/// The period after which a journal need not keep the events of a session or a job, and the present time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) now: Time,
    pub(super) micros: u64,
}

/// The bytes of the records of a session or a job, in the present period and in the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    began: Time,
    recent: u64,
    before: u64,
}

impl Stored {
    pub(super) fn add(&mut self, bytes: u64, period: Period) {
        self.pass(period);
        self.recent = self.recent.saturating_add(bytes);
    }

    /// Returns the bytes that count now.
    pub(super) fn counted(&mut self, period: Period) -> u64 {
        self.pass(period);
        self.recent.saturating_add(self.before)
    }

    /// Begins another period if the present one is over.
    fn pass(&mut self, period: Period) {
        let age = period.now.since(self.began);
        if age >= period.micros {
            self.before = if age / 2 < period.micros { self.recent } else { 0 };
            self.recent = 0;
            self.began = period.now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_for_one_period_at_least_and_for_two_at_most() {
        let at = |now: u64| Period { now: Time(1_000 + now), micros: 10 };
        let mut stored = Stored::default();
        stored.add(5, at(0));
        stored.add(7, at(9));
        assert_eq!(stored.counted(at(10)), 12);
        stored.add(1, at(12));
        assert_eq!(stored.counted(at(19)), 13);
        assert_eq!(stored.counted(at(20)), 1);
        assert_eq!(stored.counted(at(60)), 0);
    }
}
