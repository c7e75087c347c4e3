//! Tracks which of the machine's events the application has taken.

use std::collections::VecDeque;

/// The events that were not taken yet. Handles are read in any order, and the machine is told in its own order.
#[derive(Default)]
pub(super) struct Ledger {
    /// The number of the first event that was not taken.
    base: u64,
    taken: VecDeque<bool>,
}

impl Ledger {
    /// Adds the machine's next event and returns its number.
    pub(super) fn put(&mut self) -> u64 {
        let index = self.base + self.taken.len() as u64;
        self.taken.push_back(false);
        index
    }

    /// Marks an event as taken. Returns how many events at the front are now taken, and removes them.
    pub(super) fn take(&mut self, index: u64) -> usize {
        let place = index.checked_sub(self.base).and_then(|place| usize::try_from(place).ok());
        if let Some(taken) = place.and_then(|place| self.taken.get_mut(place)) {
            *taken = true;
        }
        let before = self.taken.len();
        while self.taken.front() == Some(&true) {
            self.taken.pop_front();
            self.base += 1;
        }
        before - self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn events_taken_out_of_order_are_reported_in_order() {
        let mut ledger = Ledger::default();
        let numbers: Vec<_> = (0..4).map(|_| ledger.put()).collect();
        assert_eq!(ledger.take(numbers[1]), 0);
        assert_eq!(ledger.take(numbers[3]), 0);
        assert_eq!(ledger.take(numbers[0]), 2);
        assert_eq!(ledger.take(numbers[0]), 0);
        assert_eq!(ledger.take(numbers[2]), 2);
        assert_eq!(ledger.put(), 4);
    }
}
