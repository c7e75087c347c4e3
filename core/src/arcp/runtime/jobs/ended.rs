//! The ended jobs that are still kept, the oldest first, and who has them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::shares::{Room, Shares};
use crate::time::Time;

#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    jobs: BTreeMap<u64, (Time, JobKey)>,
    shares: Shares<u64>,
    /// The place of the last one.
    last: u64,
}

impl Ended {
    /// Adds a job that has ended now, and returns its place.
    pub(super) fn push(&mut self, principal: &Arc<str>, at: Time, id: JobKey, bytes: usize) -> u64 {
        self.last += 1;
        self.jobs.insert(self.last, (at, id));
        self.shares.set(principal, self.last, bytes);
        self.last
    }

    pub(super) fn remove(&mut self, principal: &Arc<str>, place: u64) {
        self.jobs.remove(&place);
        self.shares.remove(principal, place);
    }

    pub(super) fn oldest(&self) -> Option<(Time, JobKey)> {
        self.jobs.first_key_value().map(|(_, job)| *job)
    }

    /// Returns when the job at a place has ended.
    pub(super) fn at(&self, place: u64) -> Option<Time> {
        self.jobs.get(&place).map(|(at, _)| *at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = JobKey> {
        self.jobs.values().map(|(_, id)| *id)
    }

    /// Returns the job that has to go because there are too many: the oldest of the principal that has too many, or that has
    /// most.
    pub(super) fn surplus(&self, limits: &Limits) -> Option<JobKey> {
        self.surplus_besides(Room::default(), limits, |_| true)
    }

    /// Returns the oldest job of the principal whose jobs hold most bytes.
    pub(super) fn heaviest(&self) -> Option<JobKey> {
        self.oldest_of(self.shares.most_bytes()?)
    }

    /// Returns the oldest job of a principal.
    pub(super) fn oldest_of(&self, principal: &str) -> Option<JobKey> {
        let place = self.shares.places(principal).next()?;
        self.jobs.get(&place).map(|(_, id)| *id)
    }

    /// As [`Ended::surplus`], of the jobs for which `may_go` is true; `besides` may be there in addition.
    pub(super) fn surplus_besides(
        &self,
        besides: Room,
        limits: &Limits,
        may_go: impl Fn(JobKey) -> bool,
    ) -> Option<JobKey> {
        let with = |entries: usize, bytes: usize| Room {
            entries: entries.saturating_add(besides.entries),
            bytes: bytes.saturating_add(besides.bytes),
        };
        let all = with(limits.retained_jobs, limits.retained_bytes);
        let each = with(limits.retained_jobs_per_principal, limits.retained_bytes_per_principal);
        let holder = self.shares.gives_way(all, each)?;
        let mut jobs = self.shares.places(holder).filter_map(|place| self.jobs.get(&place).map(|(_, id)| *id));
        jobs.find(|id| may_go(*id))
    }
}
