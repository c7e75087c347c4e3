//! Cancellations of jobs that a router does not know.

use alloc::collections::VecDeque;
use alloc::string::String;

/// Job ids that were cancelled before their request came, with who has asked for it and why; the latest ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled(VecDeque<(String, String, String)>);

impl Cancelled {
    /// Remembers the cancellation of a job.
    pub(super) fn remember(&mut self, job_id: &str, sender: &str, reason: String, capacity: usize) {
        if self.0.iter().any(|(id, by, _)| id == job_id && by == sender) {
            return;
        }
        self.0.push_back((job_id.into(), sender.into(), reason));
        while self.0.len() > capacity {
            self.0.pop_front();
        }
    }

    /// Takes out the reason for which a job was cancelled by one who may do so.
    pub(super) fn take(&mut self, job_id: &str, may_cancel: impl Fn(&str) -> bool) -> Option<String> {
        let at = self.0.iter().position(|(id, sender, _)| id == job_id && may_cancel(sender))?;
        self.0.remove(at).map(|(_, _, reason)| reason)
    }

    /// Returns the bytes of all cancellations.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(id, sender, reason)| id.len() + sender.len() + reason.len()).sum()
    }
}
