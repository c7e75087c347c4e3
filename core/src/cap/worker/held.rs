//! Counts the bytes that a worker holds.

use super::Worker;

impl Worker {
    /// Returns the approximate number of bytes that the worker holds, what was not polled yet included. It walks over all
    /// jobs.
    pub fn bytes_held(&self) -> usize {
        let jobs = self.jobs.bytes() + self.cancelled.bytes();
        size_of::<Worker>() + jobs + self.outbox.bytes() + self.profile.bytes()
    }
}
