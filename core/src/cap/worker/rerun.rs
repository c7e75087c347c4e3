//! A further attempt of a job that has failed and can be tried again (spec/07).

use super::Worker;
use super::job::Asker;
use super::output::WorkerJob;
use crate::cap::wire::job::JobRequest;

impl Worker {
    /// Returns the job that a request runs again, if it does: a job that has failed and can be tried again, whose next attempt
    /// it is. Without an attempt, which only routers that sign requests themselves name, a request that comes soon after the
    /// failure cannot be told from one that the bus has doubled, and is taken for that.
    pub(super) fn rerun_of(&self, request: &JobRequest, asker: &Asker) -> Option<WorkerJob> {
        let known = self.jobs.find(&request.job_id);
        let key = known.or_else(|| self.jobs.find_same(request).map(|(key, _)| key))?;
        let job = self.jobs.get(key)?;
        let failed_at = job.failed_retryably_at()?;
        let last = job.asker(&request.job_id).map_or(0, Asker::attempt);
        let is_next = match asker.attempt() {
            0 => self.clock.now() >= failed_at.plus(self.config.rerun_after),
            attempt => attempt > last,
        };
        Some(key).filter(|_| is_next && self.jobs.asks_the_same(key, request))
    }

    /// Takes out the job that is run again, and returns the other requests that get the result of the next attempt: the
    /// latest ones, as many as may follow a job.
    pub(super) fn take_rerun(&mut self, key: WorkerJob, asker: &Asker) -> impl Iterator<Item = Asker> + use<> {
        let mut others = self.jobs.take_ended(key);
        others.retain(|other| other.job_id != asker.job_id);
        let surplus = others.len().saturating_sub(self.config.limits.followers);
        others.into_iter().skip(surplus)
    }
}
