//! The amounts that a job has reserved for operations that were not charged yet (ours, §9.6).

use alloc::collections::BTreeMap;

use crate::arcp::runtime::host::{JobKey, ReservationId};
use crate::budget::{Amount, Currency};

/// The reservations of a job, by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Reservations {
    open: BTreeMap<u64, Reserved>,
    /// The number of the last one.
    last: u64,
}

/// A reserved amount.
#[derive(Clone, Debug)]
pub(in crate::arcp::runtime) struct Reserved {
    /// The job whose budget holds it, or `None` if no budget of the family has the currency.
    pub(super) holder: Option<JobKey>,
    pub(in crate::arcp::runtime) currency: Currency,
    pub(super) amount: Amount,
}

impl Reservations {
    pub(super) fn add(&mut self, reserved: Reserved) -> ReservationId {
        self.last += 1;
        self.open.insert(self.last, reserved);
        ReservationId(self.last)
    }

    pub(super) fn of(&self, id: ReservationId) -> Option<&Reserved> {
        self.open.get(&id.0)
    }

    pub(super) fn remove(&mut self, id: ReservationId) -> Option<Reserved> {
        self.open.remove(&id.0)
    }

    pub(super) fn pop(&mut self) -> Option<Reserved> {
        self.open.pop_first().map(|(_, reserved)| reserved)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// What is reserved in a currency in all.
    pub(super) fn total(&self, currency: &Currency) -> Amount {
        let all = self.open.values().filter(|reserved| reserved.currency == *currency);
        all.fold(Amount::ZERO, |sum, reserved| sum.add_downwards(reserved.amount))
    }

    pub(super) fn held(&self) -> usize {
        self.open.len() * (size_of::<(u64, Reserved)>() + Currency::MAX_BYTES)
    }
}
