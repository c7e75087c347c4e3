//! Cancellations of jobs that a router does not know.

use alloc::collections::VecDeque;
use alloc::string::String;

/// Job ids that were cancelled before their request came; the latest ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled(VecDeque<Early>);

/// One of them.
#[derive(Clone, Debug)]
struct Early {
    job_id: String,
    /// Who has asked for it.
    sender: String,
    /// The tenant that the packet has proven; empty if that is of another form than the one of the production profile.
    tenant: String,
    reason: String,
}

impl Cancelled {
    /// Remembers the cancellation of a job.
    pub(super) fn remember(&mut self, job_id: &str, (sender, tenant): (&str, &str), reason: String, capacity: usize) {
        if self.0.iter().any(|early| early.job_id == job_id && early.sender == sender) {
            return;
        }
        self.0.push_back(Early { job_id: job_id.into(), sender: sender.into(), tenant: tenant.into(), reason });
        while self.0.len() > capacity {
            self.0.pop_front();
        }
    }

    /// Takes out the reason for which a job of a tenant was cancelled by one who may do so.
    pub(super) fn take(&mut self, job_id: &str, tenant: &str, may_cancel: impl Fn(&str) -> bool) -> Option<String> {
        let is_its = |early: &Early| early.job_id == job_id && early.tenant == tenant && may_cancel(&early.sender);
        let at = self.0.iter().position(is_its)?;
        self.0.remove(at).map(|early| early.reason)
    }

    /// Returns the bytes of all cancellations.
    pub(super) fn bytes(&self) -> usize {
        let texts = |early: &Early| [&early.job_id, &early.sender, &early.tenant, &early.reason].map(String::len);
        self.0.iter().flat_map(texts).sum()
    }
}
