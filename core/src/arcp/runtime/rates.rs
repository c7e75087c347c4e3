//! How often something may happen, by who does it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::time::Time;

/// Names up to which nobody looks for those whose time has come again.
const KEPT: usize = 1_024;
/// Names beyond which the half that has to wait least is forgotten.
const MOST: usize = 64 * KEPT;

/// A rate for each name: so many times in a period, and as many at once.
#[derive(Clone, Debug)]
pub(super) struct Rates<K> {
    /// When everything that has happened would be paid for.
    due: BTreeMap<K, Time>,
    /// Names at which those whose time has come again are forgotten. It doubles with the names that are left, so that a
    /// note costs the same, however many there are.
    full: usize,
}

impl<K> Default for Rates<K> {
    fn default() -> Rates<K> {
        Rates { due: BTreeMap::new(), full: KEPT }
    }
}

impl<K: Ord + Clone> Rates<K> {
    /// Returns whether it may happen `times` in `period` microseconds, counting what was [noted](Rates::note).
    pub(super) fn allows<Q>(&self, name: &Q, now: Time, times: u32, period: u64) -> bool
    where
        K: core::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let cost = period / u64::from(times.max(1));
        let due = self.due.get(name).copied().unwrap_or(now).max(now);
        due.plus_micros(cost) <= now.plus_micros(period)
    }

    /// Notes that it has happened.
    pub(super) fn note(&mut self, name: &K, now: Time, times: u32, period: u64) {
        if self.due.len() >= self.full {
            self.forget(now);
        }
        let due = self.due.get(name).copied().unwrap_or(now).max(now);
        self.due.insert(name.clone(), due.plus_micros(period / u64::from(times.max(1))));
    }

    fn forget(&mut self, now: Time) {
        self.due.retain(|_, due| *due > now);
        if self.due.len() >= MOST {
            let mut due: Vec<Time> = self.due.values().copied().collect();
            let half = due.len() / 2;
            let (_, least, _) = due.select_nth_unstable(half);
            let least = *least;
            self.due.retain(|_, due| *due > least);
        }
        self.full = (2 * self.due.len()).clamp(KEPT, MOST);
    }

    pub(super) fn held(&self) -> usize {
        self.due.len() * 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_burst_is_followed_by_the_rate() {
        let mut rates = Rates::default();
        let start = Time(1_000 * SECOND);
        let mut happened = |name: &'static str, now| {
            let may = rates.allows(&name, now, 4, SECOND);
            if may {
                rates.note(&name, now, 4, SECOND);
            }
            may
        };
        assert!((0..4).all(|_| happened("a", start)));
        assert!(!happened("a", start));
        assert!(happened("b", start), "each name has its own");
        assert!(!happened("a", start.plus_micros(SECOND / 4 - 1)));
        assert!(happened("a", start.plus_micros(SECOND / 4)));
        assert!(!happened("a", start.plus_micros(SECOND / 4)));
        assert!((0..4).all(|_| happened("a", start.plus_micros(10 * SECOND))));
    }

    #[test]
    fn names_that_may_go_on_are_forgotten() {
        let mut rates = Rates::default();
        for name in 0..10 * KEPT as u64 {
            rates.note(&name, Time(SECOND + name * SECOND), 1, SECOND);
        }
        assert!(rates.due.len() <= KEPT);
    }

    #[test]
    fn names_are_bounded_and_who_has_to_wait_most_is_remembered() {
        let mut rates = Rates::default();
        let now = Time(SECOND);
        for _ in 0..8 {
            rates.note(&u64::MAX, now, 8, SECOND);
        }
        for name in 0..2 * MOST as u64 {
            rates.note(&name, now, 8, SECOND);
        }
        assert!(rates.due.len() <= MOST);
        assert!(!rates.allows(&u64::MAX, now, 8, SECOND), "it has happened eight times");
    }

    #[test]
    fn names_that_are_left_are_looked_at_rarely() {
        let mut rates = Rates::default();
        let now = Time(SECOND);
        let mut sweeps = 0;
        for name in 0..8 * KEPT as u64 {
            let full = rates.full;
            rates.note(&name, now, 1, SECOND);
            sweeps += usize::from(rates.full != full);
        }
        assert_eq!(sweeps, 3, "at 1, 2 and 4 times {KEPT}");
    }
}
