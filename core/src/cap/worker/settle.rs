//! Decides and publishes the result of a job.

use alloc::string::String;
use core::time::Duration;

use super::Worker;
use super::job::state::WorkerJobState;
use super::job::{Asker, Verdict};
use super::output::{Attempt, WorkerEvent, WorkerJob, WorkerOutput};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::subject::Subject;

impl Worker {
    /// Decides the result of a job and publishes it, unless it has one. A handler that runs has to stop.
    pub(super) fn settle(&mut self, key: WorkerJob, verdict: Verdict) {
        let detail = verdict.message.clone();
        self.decide(key, verdict, detail, false);
    }

    /// The same for the result of a handler, which has ended. The detail is what the application is told.
    pub(super) fn settle_by_handler(&mut self, key: WorkerJob, verdict: Verdict, detail: String) {
        self.decide(key, verdict, detail, true);
    }

    fn decide(&mut self, key: WorkerJob, mut verdict: Verdict, detail: String, by_handler: bool) {
        verdict.message = self.cut(verdict.message);
        if !self.jobs.decide(key, verdict, self.clock.now(), by_handler, &mut self.timers) {
            return;
        }
        let Some(job) = self.jobs.get(key) else { return };
        let attempt = Attempt { job: key, number: job.attempts() };
        let Some(verdict) = job.verdict().cloned() else { return };
        let askers = job.askers().to_vec();
        if job.state() == WorkerJobState::Stopping {
            self.outbox.push(WorkerOutput::Stop { attempt });
        }
        for asker in &askers {
            self.publish_result(asker, &verdict);
        }
        let took = Duration::from_millis(u64::try_from(verdict.execution_ms).unwrap_or(0));
        let message = self.cut(detail);
        let Verdict { status, code, .. } = verdict;
        self.outbox.event(WorkerEvent::Ended { job: key, status, code, message, took });
    }

    /// Cuts a message to the length that is allowed, between two characters.
    pub(super) fn cut(&self, mut message: String) -> String {
        message.truncate(message.floor_char_boundary(self.config.limits.error_bytes));
        message
    }

    /// Tells the application that an attempt has failed and another one follows.
    pub(super) fn retried(&mut self, key: WorkerJob, failures: u32, message: String) {
        let message = self.cut(message);
        self.outbox.event(WorkerEvent::Retried { job: key, failures, message });
    }

    /// Publishes the result of one request.
    pub(super) fn publish_result(&mut self, asker: &Asker, verdict: &Verdict) {
        let result = verdict.result(asker, self.config.id.as_str());
        self.outbox.publish(Subject::JobResult, asker.trace_id.as_str(), result);
    }

    /// An attempt to read or store has failed: another one follows after a pause, or the job fails and can be tried on
    /// another worker.
    pub(super) fn io_failed(&mut self, key: WorkerJob, message: String) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.io.clear(&mut self.timers);
        job.failed();
        let failures = job.failures();
        if failures <= self.config.retries {
            job.retry.set(self.clock.now().plus(self.config.pause(failures)), &mut self.timers);
            self.retried(key, failures, message);
            return;
        }
        let code = ErrorCode::TRANSPORT_CONNECTION_LOST;
        self.settle(key, Verdict::failed(JobStatus::FAILED_RETRYABLE, code, message));
    }
}
