//! The open questions of all jobs (ours).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::ops::Bound;

use crate::arcp::wire::ids::JobUlid;

/// The open questions by their jobs, the oldest job first, and how many the jobs of each principal have.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking {
    open: BTreeSet<(JobUlid, u64)>,
    principals: BTreeMap<Arc<str>, usize>,
}

impl Asking {
    pub(super) fn add(&mut self, principal: &Arc<str>, job: JobUlid, number: u64) {
        if self.open.insert((job, number)) {
            *self.principals.entry(Arc::clone(principal)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, principal: &str, job: JobUlid, number: u64) {
        if self.open.remove(&(job, number))
            && let Some(open) = self.principals.get_mut(principal)
        {
            *open -= 1;
            if *open == 0 {
                self.principals.remove(principal);
            }
        }
    }

    /// Returns the open questions of the jobs of a principal.
    pub(super) fn of(&self, principal: &str) -> usize {
        self.principals.get(principal).copied().unwrap_or_default()
    }

    /// Returns the open questions.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns the open questions of all jobs, or of one, after the last one that was looked at.
    pub(super) fn after(
        &self,
        job: Option<JobUlid>,
        after: Option<(JobUlid, u64)>,
    ) -> impl Iterator<Item = (JobUlid, u64)> {
        let first = job.map_or((JobUlid(0), 0), |job| (job, 0));
        let last = (job.unwrap_or(JobUlid(u128::MAX)), u64::MAX);
        let from = after.filter(|after| *after >= first).map_or(Bound::Included(first), Bound::Excluded);
        let is_over = after.is_some_and(|after| after >= last);
        let range = (!is_over).then(|| self.open.range((from, Bound::Included(last))));
        range.into_iter().flatten().copied()
    }

    pub(super) fn held(&self) -> usize {
        self.open.len() * 48
    }
}
