//! Finds the patterns of a list that can match what another pattern matches, without a look at each.

use alloc::vec::Vec;

use super::pattern::Pattern;
use super::work::{Exhausted, Work};

/// Patterns in the order of their literal prefixes.
///
/// A target can match two patterns only if one prefix begins with the other. The patterns whose prefix begins with that
/// of another pattern are neighbours in this order. Those with a shorter prefix come before them, and each of them is
/// reached from the next one by a chain: every pattern knows the nearest earlier one whose prefix it begins with.
///
/// ```text
/// /a        /a/b      /a/b/c      /a/d      /b
///   ^---------'  ^------'           |
///   `-------------------------------'
/// ```
pub(super) struct Index<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    pattern: &'a Pattern,
    /// The nearest earlier pattern whose prefix this one's begins with.
    shorter: Option<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn of(patterns: &'a [Pattern], work: &mut Work<'_>) -> Result<Index<'a>, Exhausted> {
        for pattern in patterns {
            work.spend((1 + comparisons(patterns.len()) / 4).saturating_mul(1 + pattern.prefix().len() / BYTES))?;
        }
        let mut sorted: Vec<&Pattern> = patterns.iter().collect();
        sorted.sort_unstable_by_key(|pattern| key(pattern));
        let mut index = Index { entries: Vec::with_capacity(sorted.len()) };
        for pattern in sorted {
            let last = index.entries.len().checked_sub(1);
            let shorter = index.chain(last).find(|(_, entry)| begins(pattern, entry.pattern)).map(|(place, _)| place);
            index.entries.push(Entry { pattern, shorter });
        }
        Ok(index)
    }

    /// Returns whether this pattern is in the list.
    pub(super) fn contains(&self, pattern: &Pattern, work: &mut Work<'_>) -> Result<bool, Exhausted> {
        self.spend_search(pattern, work)?;
        Ok(self.entries.binary_search_by_key(&key(pattern), |entry| key(entry.pattern)).is_ok())
    }

    /// Returns the patterns of which one could match a target that `other` matches, too.
    pub(super) fn overlapping(&self, other: &Pattern, work: &mut Work<'_>) -> Result<Vec<&'a Pattern>, Exhausted> {
        self.spend_search(other, work)?;
        let start = self.entries.partition_point(|entry| entry.pattern.prefix() < other.prefix());
        let mut near = Vec::new();
        let cost = 1 + other.prefix().len() / BYTES;
        for entry in self.entries.get(start..).unwrap_or_default() {
            work.spend(cost)?;
            if !begins(entry.pattern, other) {
                break;
            }
            near.push(entry.pattern);
        }
        for (_, entry) in self.chain(start.checked_sub(1)) {
            work.spend(1 + entry.pattern.prefix().len() / BYTES)?;
            if begins(other, entry.pattern) {
                near.push(entry.pattern);
            }
        }
        Ok(near)
    }

    /// Returns an entry, and each that is reached from it.
    fn chain(&self, from: Option<usize>) -> impl Iterator<Item = (usize, &Entry<'a>)> {
        let entry = |place: usize| self.entries.get(place).map(|entry| (place, entry));
        core::iter::successors(from.and_then(entry), move |(_, found)| found.shorter.and_then(entry))
    }

    fn spend_search(&self, pattern: &Pattern, work: &mut Work<'_>) -> Result<(), Exhausted> {
        work.spend((1 + comparisons(self.entries.len()) / 4).saturating_mul(1 + pattern.prefix().len() / BYTES))
    }
}

/// The bytes of a prefix that are compared in one step.
const BYTES: usize = 256;

/// Returns about how often one of so many elements is compared to find its place.
fn comparisons(elements: usize) -> usize {
    elements.checked_ilog2().unwrap_or(0) as usize + 1
}

fn key(pattern: &Pattern) -> (&[u8], &str) {
    (pattern.prefix(), pattern.as_str())
}

fn begins(pattern: &Pattern, with: &Pattern) -> bool {
    pattern.prefix().starts_with(with.prefix())
}
