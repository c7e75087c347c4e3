//! Handles deadlines that have passed.

use alloc::string::String;

use super::Worker;
use super::job::Verdict;
use super::job::state::WorkerJobState;
use super::output::{WorkerJob, WorkerTimer};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::time::Time;

impl Worker {
    /// Does what is due. Called early or for nothing, it changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.input(now, |this| {
            while let Some((timer, job)) = this.timers.expired(this.clock.now()) {
                match (timer, job) {
                    (WorkerTimer::Heartbeat, _) => this.heartbeat(),
                    (WorkerTimer::Io, Some(job)) => {
                        this.io_failed(job, String::from("the store has not answered in time"));
                    }
                    (WorkerTimer::Retry, Some(job)) => this.retry(job),
                    (WorkerTimer::Runtime, Some(job)) => {
                        let message = "the job took longer than its deadline allows";
                        this.settle(job, Verdict::failed(JobStatus::TIMEOUT, ErrorCode::JOB_TIMEOUT, message));
                    }
                    (WorkerTimer::Trust, _) => {
                        if let Some(trust) = &mut this.trust {
                            trust.handle_timeout(this.clock.now());
                        }
                    }
                    (WorkerTimer::Io | WorkerTimer::Retry | WorkerTimer::Runtime, None) => {}
                }
            }
        });
    }

    /// Begins another attempt of what has failed.
    fn retry(&mut self, key: WorkerJob) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        match job.state() {
            WorkerJobState::Pausing => self.run(key),
            WorkerJobState::Fetching => {
                job.again();
                self.load(key);
            }
            WorkerJobState::Storing => {
                job.again();
                self.store(key);
            }
            WorkerJobState::Queued | WorkerJobState::Running | WorkerJobState::Stopping | WorkerJobState::Ended => {}
        }
    }
}
