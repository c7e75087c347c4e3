//! The way of a connection from the shard in which it begins to the one that has the sessions of its principal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nuncio_core::arcp::ConnId;

/// Where a connection is after it has left the shard in which it began; shards are of the type `H`. It moves at most once.
pub(crate) struct Relocation<H> {
    seat: OnceLock<Seat<H>>,
    /// Whether the thread of the connection was told.
    is_told: AtomicBool,
    /// Whether the connection has ended.
    has_ended: AtomicBool,
}

/// A place in a shard.
pub(crate) struct Seat<H> {
    pub(crate) hub: Arc<H>,
    pub(crate) conn: ConnId,
}

impl<H> Default for Relocation<H> {
    fn default() -> Relocation<H> {
        Relocation { seat: OnceLock::new(), is_told: AtomicBool::new(false), has_ended: AtomicBool::new(false) }
    }
}

impl<H> Relocation<H> {
    /// Returns where the connection has moved.
    pub(crate) fn seat(&self) -> Option<&Seat<H>> {
        self.seat.get()
    }

    /// Notes where the connection is from now on. Returns false if it has ended in the meantime, so that its new shard has to
    /// close it.
    pub(super) fn settle(&self, seat: Seat<H>) -> bool {
        // It is moved by the one answer to its hello.
        drop(self.seat.set(seat));
        !self.has_ended.load(Ordering::SeqCst)
    }

    /// Notes that the connection has ended. Where it is then is to be told.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }

    /// Returns where the connection has moved, once: its thread hands it on.
    pub(super) fn news(&self) -> Option<&Seat<H>> {
        self.seat.get().filter(|_| !self.is_told.swap(true, Ordering::SeqCst))
    }
}
