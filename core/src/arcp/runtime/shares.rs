//! Who holds how much of a common room: where there is too much, the principal that holds most gives way.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

/// A number of entries, and of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// The entries of one principal, the oldest first, with their bytes.
#[derive(Clone, Debug)]
struct Share<P> {
    entries: BTreeMap<P, usize>,
    bytes: usize,
}

impl<P> Default for Share<P> {
    fn default() -> Share<P> {
        Share { entries: BTreeMap::new(), bytes: 0 }
    }
}

impl<P> Share<P> {
    fn room(&self) -> Room {
        Room { entries: self.entries.len(), bytes: self.bytes }
    }
}

/// The entries of all principals. `P` is the place of an entry among all of them, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Shares<P> {
    holders: BTreeMap<Arc<str>, Share<P>>,
    by_entries: BTreeSet<(usize, Arc<str>)>,
    by_bytes: BTreeSet<(usize, Arc<str>)>,
    held: Room,
}

impl<P> Default for Shares<P> {
    fn default() -> Shares<P> {
        Shares {
            holders: BTreeMap::new(),
            by_entries: BTreeSet::new(),
            by_bytes: BTreeSet::new(),
            held: Room::default(),
        }
    }
}

impl<P: Ord + Copy> Shares<P> {
    /// Adds an entry, or replaces the bytes of one.
    pub(super) fn set(&mut self, holder: &Arc<str>, place: P, bytes: usize) {
        self.change(holder, |share| {
            let before = share.entries.insert(place, bytes);
            share.bytes = share.bytes - before.unwrap_or(0) + bytes;
        });
    }

    /// Removes an entry, if it is there.
    pub(super) fn remove(&mut self, holder: &Arc<str>, place: P) {
        self.change(holder, |share| share.bytes -= share.entries.remove(&place).unwrap_or(0));
    }

    fn change(&mut self, holder: &Arc<str>, change: impl FnOnce(&mut Share<P>)) {
        let share = self.holders.entry(Arc::clone(holder)).or_default();
        let before = share.room();
        change(share);
        let after = share.room();
        self.held.entries = self.held.entries - before.entries + after.entries;
        self.held.bytes = self.held.bytes - before.bytes + after.bytes;
        let was = |amount| (before.entries > 0).then_some(amount);
        let is = |amount| (after.entries > 0).then_some(amount);
        rank(&mut self.by_entries, holder, was(before.entries), is(after.entries));
        rank(&mut self.by_bytes, holder, was(before.bytes), is(after.bytes));
        if after.entries == 0 {
            self.holders.remove(holder);
        }
    }

    /// What all principals hold.
    pub(super) fn held(&self) -> Room {
        self.held
    }

    /// What one principal holds.
    pub(super) fn of(&self, holder: &str) -> Room {
        self.holders.get(holder).map_or_else(Room::default, Share::room)
    }

    /// The principal with the most entries.
    pub(super) fn most_entries(&self) -> Option<&Arc<str>> {
        self.by_entries.last().map(|(_, holder)| holder)
    }

    /// The principal with the most bytes.
    pub(super) fn most_bytes(&self) -> Option<&Arc<str>> {
        self.by_bytes.last().map(|(_, holder)| holder)
    }

    /// The entries of a principal, the oldest first.
    pub(super) fn places(&self, holder: &str) -> impl Iterator<Item = P> {
        self.holders.get(holder).into_iter().flat_map(|share| share.entries.keys().copied())
    }

    /// Returns the principal that has to give way, because it holds more than `each` may, or because all hold more than
    /// `all` and it holds most.
    pub(super) fn gives_way(&self, all: Room, each: Room) -> Option<&Arc<str>> {
        let most = |by: &BTreeSet<(usize, Arc<str>)>| by.last().map_or(0, |(most, _)| *most);
        if most(&self.by_entries) > each.entries || self.held.entries > all.entries {
            self.most_entries()
        } else if most(&self.by_bytes) > each.bytes || self.held.bytes > all.bytes {
            self.most_bytes()
        } else {
            None
        }
    }
}

/// Moves a principal from one amount to another; without one it is not listed.
fn rank(by: &mut BTreeSet<(usize, Arc<str>)>, holder: &Arc<str>, before: Option<usize>, after: Option<usize>) {
    if before == after {
        return;
    }
    if let Some(before) = before {
        by.remove(&(before, Arc::clone(holder)));
    }
    if let Some(after) = after {
        by.insert((after, Arc::clone(holder)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: Room = Room { entries: 100, bytes: 100_000 };

    #[test]
    fn the_principal_that_holds_most_gives_way() {
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let mut shares = Shares::default();
        for place in 0..5 {
            shares.set(&a, place, 10);
        }
        shares.set(&b, 5, 900);
        assert_eq!(shares.held(), Room { entries: 6, bytes: 950 });
        assert_eq!(shares.gives_way(MUCH, MUCH), None);
        assert_eq!(shares.gives_way(Room { entries: 5, ..MUCH }, MUCH), Some(&a));
        assert_eq!(shares.gives_way(Room { bytes: 949, ..MUCH }, MUCH), Some(&b));
        assert_eq!(shares.gives_way(MUCH, Room { entries: 4, ..MUCH }), Some(&a));
        assert_eq!(shares.gives_way(MUCH, Room { bytes: 899, ..MUCH }), Some(&b));
        assert_eq!(shares.places("a").next(), Some(0));

        shares.set(&b, 5, 20);
        shares.remove(&a, 0);
        shares.remove(&a, 0);
        assert_eq!((shares.of("a"), shares.of("b")), (Room { entries: 4, bytes: 40 }, Room { entries: 1, bytes: 20 }));
        for place in 1..5 {
            shares.remove(&a, place);
        }
        assert_eq!(shares.of("a"), Room::default());
        assert_eq!(shares.most_entries(), Some(&b));
        assert_eq!(shares.held(), Room { entries: 1, bytes: 20 });
    }
}
