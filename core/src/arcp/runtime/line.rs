//! A line that anyone in it may leave.

use alloc::collections::BTreeMap;

/// Keys in the order in which they came. Each of them can be removed in little time, however many there are.
#[derive(Clone, Debug)]
pub(super) struct Line<K> {
    by_place: BTreeMap<u64, K>,
    places: BTreeMap<K, u64>,
    next: u64,
}

impl<K> Default for Line<K> {
    fn default() -> Line<K> {
        Line { by_place: BTreeMap::new(), places: BTreeMap::new(), next: 0 }
    }
}

impl<K: Copy + Ord> Line<K> {
    /// Puts a key last. One that is in the line leaves its former place.
    pub(super) fn push(&mut self, key: K) {
        if let Some(before) = self.places.insert(key, self.next) {
            self.by_place.remove(&before);
        }
        self.by_place.insert(self.next, key);
        self.next += 1;
    }

    /// Removes and returns the first key.
    pub(super) fn pop(&mut self) -> Option<K> {
        let (_, key) = self.by_place.pop_first()?;
        self.places.remove(&key);
        Some(key)
    }

    pub(super) fn remove(&mut self, key: K) {
        if let Some(place) = self.places.remove(&key) {
            self.by_place.remove(&place);
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = K> {
        self.by_place.values().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn keys_come_in_their_order_and_may_leave() {
        let mut line = Line::default();
        for key in [5, 3, 9, 1, 7] {
            line.push(key);
        }
        line.remove(9);
        line.remove(4);
        assert_eq!(line.iter().collect::<Vec<_>>(), [5, 3, 1, 7]);
        assert_eq!(line.iter().next_back(), Some(7));
        assert_eq!((line.pop(), line.len()), (Some(5), 3));
        // A key that comes again is behind all others, and in the line once.
        line.push(3);
        assert_eq!(line.iter().collect::<Vec<_>>(), [1, 7, 3]);
        line.remove(3);
        assert_eq!([line.pop(), line.pop(), line.pop()], [Some(1), Some(7), None]);
        assert!(line.is_empty());
    }
}
