//! How often something may happen, by who does it.

use alloc::collections::BTreeMap;

use crate::time::Time;

/// Names beyond which those whose time has come again are forgotten.
const KEPT: usize = 1_024;

/// A rate for each name: so many times in a period, and as many at once.
#[derive(Clone, Debug)]
pub(super) struct Rates<K> {
    /// When everything that has happened would be paid for.
    due: BTreeMap<K, Time>,
}

impl<K> Default for Rates<K> {
    fn default() -> Rates<K> {
        Rates { due: BTreeMap::new() }
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
        if self.due.len() >= KEPT {
            self.due.retain(|_, due| *due > now);
        }
        let due = self.due.get(name).copied().unwrap_or(now).max(now);
        self.due.insert(name.clone(), due.plus_micros(period / u64::from(times.max(1))));
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
}
