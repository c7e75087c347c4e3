//! Sends jobs again.

use alloc::string::String;

use super::Router;
use super::answer::Verdict;
use super::job::state::RouterJobState;
use super::output::{RouterEvent, RouterJob, RouterTimer};
use crate::cap::wire::job::{ErrorCode, JobStatus};

impl Router {
    /// Nothing was heard of a job in time, or its worker is lost: it is sent again after a pause, or given up.
    pub(super) fn lose(&mut self, key: RouterJob, is_last: bool, verdict: &Verdict) {
        let max = self.config.redispatches;
        let Some(job) = self.jobs.change(key) else { return };
        job.losses = job.losses.saturating_add(1);
        job.has_failed = false;
        let is_last = is_last || job.losses > max;
        self.again(key, is_last, verdict);
    }

    /// A worker has failed, and another attempt may succeed.
    pub(super) fn fail(&mut self, key: RouterJob, verdict: &Verdict) {
        let max = self.config.retries;
        let Some(job) = self.jobs.change(key) else { return };
        job.failures = job.failures.saturating_add(1);
        job.has_failed = true;
        let is_last = job.failures > job.constraints.max_retries.map_or(max, |retries| retries.min(max));
        self.again(key, is_last, verdict);
    }

    fn again(&mut self, key: RouterJob, is_last: bool, verdict: &Verdict) {
        let Some(job) = self.jobs.change(key) else { return };
        if job.state() == RouterJobState::Cancelling {
            let reason = core::mem::take(&mut job.reason);
            return self.settle(key, &Verdict::new(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, reason));
        }
        if is_last {
            return self.give_up(key, verdict);
        }
        if job.pass(RouterJobState::pause, &mut self.timers) {
            let pause = self.config.pause(job.losses.saturating_add(job.failures));
            job.step.set(self.clock.now().plus(pause), RouterTimer::Retry, &mut self.timers);
            if let Some(worker) = job.worker.take() {
                self.workers.free(&worker, key);
                self.queue.wake_all();
            }
            let reason = String::from(&verdict.message);
            self.outbox.event(RouterEvent::Retrying { job: key, reason });
        }
    }
}
