//! Cancellations of jobs that a worker does not know.

use alloc::collections::VecDeque;
use alloc::string::String;

/// The ids of the jobs that were cancelled before their request came, the latest ones. Every worker hears of every
/// cancellation, so most of them are of jobs of other workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled(VecDeque<(String, String)>);

impl Cancelled {
    /// Remembers the cancellation of a job with its reason.
    pub(super) fn remember(&mut self, job_id: String, reason: String, capacity: usize) {
        if self.reason(&job_id).is_none() {
            self.0.push_back((job_id, reason));
        }
        while self.0.len() > capacity {
            self.0.pop_front();
        }
    }

    /// Returns the bytes of all cancellations.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(id, reason)| id.len() + reason.len()).sum()
    }

    /// Returns the reason for which a job was cancelled.
    pub(super) fn reason(&self, job_id: &str) -> Option<&str> {
        self.0.iter().find(|(id, _)| id == job_id).map(|(_, reason)| reason.as_str())
    }
}
