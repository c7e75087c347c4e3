//! The host's answers: inputs that were read, handlers that have ended, outputs that were stored.

use alloc::string::String;

use super::Worker;
use super::job::state::WorkerJobState;
use super::job::{Verdict, result_pointer};
use super::output::{
    Attempt, FailureKind, Fetched, JobFailure, JobOutput, WorkerEvent, WorkerJob, WorkerOutput, WorkerRefused,
};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::pointer::Pointer;
use crate::time::Time;

impl Worker {
    /// Answers [`WorkerOutput::Fetch`].
    ///
    /// Errors: [`WorkerRefused::Stale`] if the job has ended, the attempt took too long, or the input was already
    /// given.
    pub fn fetched(&mut self, now: Time, attempt: Attempt, fetched: Fetched) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            let max = this.config.limits.context_bytes;
            let fault = |code, message: String| Err(Verdict::failed(JobStatus::FAILED, code, message));
            let input = match fetched {
                Fetched::Found(input) if input.len() > max => {
                    let message = alloc::format!("the input has {} bytes, and at most {max} are allowed", input.len());
                    fault(ErrorCode::JOB_INVALID_INPUT, message)
                }
                Fetched::Found(input) => Ok(input),
                Fetched::Missing => {
                    let message = String::from("there is no input where the context_ptr points");
                    fault(ErrorCode::JOB_NOT_FOUND, message)
                }
                Fetched::Failed(message) => return this.load_failed(attempt, message),
            };
            if !this.jobs.awaited(attempt, WorkerJobState::Fetching)?.fetched(input) {
                return Err(WorkerRefused::Stale);
            }
            this.loaded(attempt.job);
            Ok(())
        })
    }

    /// Answers [`WorkerOutput::Look`]. An output that was found is stored again, so that its time begins anew, and is the
    /// output of the job.
    ///
    /// Errors: [`WorkerRefused::Stale`] if the job has ended, the attempt took too long, or this was answered already.
    pub fn looked(&mut self, now: Time, attempt: Attempt, stored: Fetched) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            let output = match stored {
                Fetched::Found(output) => Some(output),
                Fetched::Missing => None,
                Fetched::Failed(message) => return this.load_failed(attempt, message),
            };
            let job = this.jobs.awaited(attempt, WorkerJobState::Fetching)?;
            if !job.looked() {
                return Err(WorkerRefused::Stale);
            }
            if output.is_some_and(|output| job.store(output.into())) {
                this.outbox.event(WorkerEvent::Recovered { job: attempt.job });
                this.store(attempt.job);
            } else {
                this.loaded(attempt.job);
            }
            Ok(())
        })
    }

    fn load_failed(&mut self, attempt: Attempt, message: String) -> Result<(), WorkerRefused> {
        self.jobs.awaited(attempt, WorkerJobState::Fetching)?;
        self.io_failed(attempt.job, message);
        Ok(())
    }

    /// Goes on with a job once everything is read.
    fn loaded(&mut self, key: WorkerJob) {
        let Some(job) = self.jobs.get_mut(key).filter(|job| job.is_loaded()) else { return };
        job.io.clear(&mut self.timers);
        match job.take_fault() {
            Some(fault) => self.settle(key, fault),
            None => self.run(key),
        }
    }

    /// Answers [`WorkerOutput::Run`] with an output, which is stored before the result is published.
    ///
    /// Errors: [`WorkerRefused::Stale`] if the handler of this attempt has ended before; [`WorkerRefused::Limit`] if it
    /// names too many artifacts.
    pub fn finish(&mut self, now: Time, attempt: Attempt, output: impl Into<JobOutput>) -> Result<(), WorkerRefused> {
        let output = output.into();
        self.input(now, |this| {
            this.check_artifacts(&output.artifact_ptrs, &output.artifact_refs)?;
            if this.stopped(attempt) {
                return Ok(());
            }
            let max = this.config.limits.result_bytes;
            let job = this.jobs.awaited(attempt, WorkerJobState::Running)?;
            if output.bytes.len() > max {
                let length = output.bytes.len();
                let message = alloc::format!("the output has {length} bytes, and at most {max} are allowed");
                let code = ErrorCode::JOB_RESOURCE_EXHAUSTED;
                let verdict = Verdict::failed(JobStatus::FAILED, code, message.as_str());
                this.settle_by_handler(attempt.job, verdict, message);
            } else if job.store(output) {
                this.store(attempt.job);
            }
            Ok(())
        })
    }

    /// Answers [`WorkerOutput::Run`] with a failure. Unless it is final, the handler is called again after a pause, as often
    /// as the settings say.
    ///
    /// Errors: [`WorkerRefused::Stale`] if the handler of this attempt has ended before.
    pub fn fail(&mut self, now: Time, attempt: Attempt, failure: JobFailure) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            if this.stopped(attempt) {
                return Ok(());
            }
            let retries = this.config.retries;
            let job = this.jobs.awaited(attempt, WorkerJobState::Running)?;
            let may_retry = matches!(failure.kind, FailureKind::Plain | FailureKind::Retryable);
            if may_retry && job.failures() < retries && job.pause() {
                let failures = job.failures();
                let until = this.clock.now().plus(this.config.pause(failures));
                this.jobs.awaited(attempt, WorkerJobState::Pausing)?.retry.set(until, &mut this.timers);
                this.retried(attempt.job, failures, failure.message);
                return Ok(());
            }
            let status = match failure.kind {
                FailureKind::Plain | FailureKind::Input => JobStatus::FAILED,
                FailureKind::Retryable => JobStatus::FAILED_RETRYABLE,
                FailureKind::Fatal => JobStatus::FAILED_FATAL,
            };
            let is_bare = failure.kind == FailureKind::Input && failure.code == ErrorCode::UNSPECIFIED;
            let code = if is_bare { ErrorCode::JOB_INVALID_INPUT } else { failure.code };
            let message = if this.config.share_errors { failure.message.as_str() } else { "the handler has failed" };
            let verdict = Verdict::failed(status, code, message);
            this.settle_by_handler(attempt.job, verdict, failure.message);
            Ok(())
        })
    }

    /// Answers [`WorkerOutput::Store`]; an error is a sentence for people.
    ///
    /// Errors: [`WorkerRefused::Stale`] if the job has ended or the attempt took too long.
    pub fn stored(&mut self, now: Time, attempt: Attempt, stored: Result<(), String>) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            this.jobs.awaited(attempt, WorkerJobState::Storing)?.io.clear(&mut this.timers);
            match stored {
                Ok(()) => this.succeed(attempt.job),
                Err(message) => this.io_failed(attempt.job, message),
            }
            Ok(())
        })
    }

    /// Notes that a handler that had to stop has ended. Returns false if it had not to.
    fn stopped(&mut self, attempt: Attempt) -> bool {
        self.jobs.awaited(attempt, WorkerJobState::Stopping).is_ok() && self.jobs.stopped(attempt.job, self.clock.now())
    }

    /// Asks for the output of a job to be stored.
    pub(super) fn store(&mut self, key: WorkerJob) {
        let until = self.clock.now().plus(self.config.io_timeout);
        let Some(pointer) = self.pointer(key) else { return };
        let ttl = self.config.result_ttl;
        if let Some(job) = self.jobs.get_mut(key)
            && let Some(output) = job.output().map(|output| output.bytes.clone())
        {
            job.io.set(until, &mut self.timers);
            let attempt = Attempt { job: key, number: job.attempts() };
            self.outbox.push(WorkerOutput::Store { attempt, pointer, output, ttl });
        }
    }

    /// Returns where the output of a job is stored.
    pub(super) fn pointer(&self, key: WorkerJob) -> Option<Pointer> {
        let asker = self.jobs.get(key)?.askers().first()?;
        Some(result_pointer(self.config.result_scheme, &asker.job_id))
    }
}
