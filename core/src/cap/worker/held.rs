//! How much a worker holds.

use super::Worker;

impl Worker {
    /// Returns the approximate number of bytes that the worker holds, what was not polled yet included. It walks over all
    /// jobs.
    pub fn bytes_held(&self) -> usize {
        size_of::<Worker>() + self.jobs.bytes() + self.cancelled.bytes() + self.outbox.bytes()
    }
}
