//! A job request: it is accepted, answered with the result of the same job, or refused with a result.

use core::time::Duration;

use super::Worker;
use super::job::{Asker, Origin, Verdict};
use super::output::{RefusedPacket, WorkerEvent, WorkerJob};
use super::phase::Phase;
use crate::cap::wire::job::{ErrorCode, JobRequest, JobStatus};
use crate::time::{Time, micros};

/// What becomes of a request whose job is not known by its id.
enum Fate {
    /// It is a new job.
    Accept,
    /// A job has the same idempotency key, and answers this request as well.
    Follow(WorkerJob),
    /// It has its result at once.
    Answer(Verdict),
}

impl Worker {
    pub(super) fn on_request(&mut self, request: JobRequest, origin: Origin) -> Result<(), RefusedPacket> {
        let max = self.config.limits.job_id_bytes;
        if request.job_id.len() > max {
            return Err(RefusedPacket::JobId { bytes: request.job_id.len(), max });
        }
        let asker = Asker::of(&request, origin);
        let rerun = self.rerun_of(&request, &asker);
        if let Some(key) = self.jobs.find(&request.job_id).filter(|_| rerun.is_none()) {
            // The request came again. If the job has no result yet, it will be published once.
            self.publish_again(key, &asker);
            self.jobs.join(key, asker);
            return Ok(());
        }
        match self.fate(&request, rerun.is_some()) {
            Fate::Accept => self.accept(request, asker, rerun),
            Fate::Follow(key) => {
                self.publish_again(key, &asker);
                self.jobs.follow(key, asker);
            }
            Fate::Answer(verdict) => self.publish_result(&asker, &verdict),
        }
        Ok(())
    }

    /// Publishes the result of a job for a further request, if the job has one.
    fn publish_again(&mut self, key: WorkerJob, asker: &Asker) {
        if let Some(verdict) = self.jobs.get(key).and_then(|job| job.verdict().cloned()) {
            self.publish_result(asker, &verdict);
        }
    }

    fn fate(&self, request: &JobRequest, is_rerun: bool) -> Fate {
        let failed = |status, code, message: &str| Fate::Answer(Verdict::failed(status, code, message));
        let limits = &self.config.limits;
        if let Some(reason) = self.cancelled.reason(&request.job_id) {
            return failed(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, reason);
        }
        if !self.config.topics.iter().any(|topic| topic.as_str() == request.topic) {
            let message = alloc::format!("this worker does not run jobs of the topic {:?}", request.topic);
            return failed(JobStatus::FAILED, ErrorCode::JOB_WORKER_UNAVAILABLE, &message);
        }
        if let Some((key, job)) = self.jobs.find_same(request).filter(|_| !is_rerun) {
            // The first of the askers is the one that the job was made for.
            let has_room = job.askers().len() <= limits.followers;
            return match job.verdict() {
                _ if !job.is_same(request) => {
                    let message = "another job has the same idempotency key";
                    failed(JobStatus::FAILED, ErrorCode::JOB_DUPLICATE, message)
                }
                _ if has_room => Fate::Follow(key),
                Some(verdict) => Fate::Answer(verdict.clone()),
                None => {
                    let message = "too many requests with the same idempotency key wait";
                    failed(JobStatus::FAILED_RETRYABLE, ErrorCode::JOB_RESOURCE_EXHAUSTED, message)
                }
            };
        }
        if self.phase != Phase::Serving {
            let message = "this worker is being stopped";
            return failed(JobStatus::FAILED_RETRYABLE, ErrorCode::JOB_WORKER_UNAVAILABLE, message);
        }
        if self.jobs.running() + self.jobs.queued() >= limits.parallel.saturating_add(limits.queued) {
            let message = "this worker has as many jobs as it can have";
            return failed(JobStatus::FAILED_RETRYABLE, ErrorCode::JOB_RESOURCE_EXHAUSTED, message);
        }
        Fate::Accept
    }

    /// Accepts a job. One that is run again is a new job, which answers the other requests of the earlier one as well.
    fn accept(&mut self, request: JobRequest, asker: Asker, rerun: Option<WorkerJob>) {
        let in_budget = request.budget.as_ref().and_then(|budget| u64::try_from(budget.deadline_ms).ok());
        let in_budget = in_budget.filter(|millis| *millis > 0).map(Duration::from_millis);
        let runtime = [in_budget, self.config.max_runtime].into_iter().flatten().min();
        let others = rerun.map(|key| self.take_rerun(key, &asker));
        let key = self.jobs.accept(request, asker, self.clock.now());
        for other in others.into_iter().flatten() {
            self.jobs.follow(key, other);
        }
        if let (Some(runtime), Some(job)) = (runtime, self.jobs.get_mut(key)) {
            job.runtime.set(self.clock.now().plus(runtime), &mut self.timers);
        }
        self.outbox.event(WorkerEvent::Accepted { job: key });
        self.forget();
    }

    /// Forgets ended jobs that are too old or too many.
    fn forget(&mut self) {
        let before = self.clock.now().0.checked_sub(micros(self.config.retention)).map(Time);
        self.jobs.forget(before, self.config.limits.retained);
    }
}
