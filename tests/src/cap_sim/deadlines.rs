//! The deadlines of jobs, which count from their arrival at a worker.

use nuncio_core::cap::JobRequest;
use nuncio_core::time::Time;

use super::Sim;

impl Sim {
    /// The milliseconds after which a job is too late.
    pub(super) fn longest(&self, request: &JobRequest) -> Option<u64> {
        let in_budget = request.budget.as_ref().map_or(0, |budget| budget.deadline_ms);
        let in_budget = u64::try_from(in_budget).ok().filter(|millis| *millis > 0);
        in_budget.into_iter().chain(self.params.max_runtime.map(|secs| secs * 1_000)).min()
    }

    /// spec/07: a job that is too late has had all of its time, however the wall clock was set.
    pub(super) fn no_deadline_passes_early(&self, id: &str, since: Time) {
        let longest = self.longest(&self.model.jobs[id].request);
        let is_over = longest.is_some_and(|millis| self.now >= since.plus_millis(millis));
        assert!(is_over, "spec/07 no_deadline_passes_early: {id} after {longest:?} ms since {}", since.to_rfc3339());
    }
}
