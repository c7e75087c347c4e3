//! The amounts that a program has reserved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nuncio_tokio::arcp::Reservation;

/// What a program has reserved and not settled, by number. Clones share everything.
#[derive(Clone, Default)]
pub(super) struct Reservations(Arc<Mutex<BTreeMap<u64, Reservation>>>);

impl Reservations {
    /// Keeps a reservation until the program settles or releases it, or ends. Returns its number.
    pub(super) fn keep(&self, reservation: Reservation) -> u64 {
        let number = reservation.id();
        self.lock().insert(number, reservation);
        number
    }

    /// Removes a reservation.
    pub(super) fn take(&self, number: u64) -> Option<Reservation> {
        self.lock().remove(&number)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Reservation>> {
        // No code that holds the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
