//! The host's answers: inputs that were read, handlers that have ended, outputs that were stored.

use alloc::string::String;

use bytes::Bytes;

use super::Worker;
use super::job::state::WorkerJobState;
use super::job::{Verdict, result_pointer};
use super::output::{Attempt, FailureKind, Fetched, JobFailure, WorkerJob, WorkerOutput, WorkerRefused};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::pointer::Pointer;
use crate::time::Time;

impl Worker {
    /// Answers [`WorkerOutput::Fetch`].
    ///
    /// Errors: [`WorkerRefused::Stale`] if the job has ended or the attempt took too long.
    pub fn fetched(&mut self, now: Time, attempt: Attempt, fetched: Fetched) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            this.jobs.awaited(attempt, WorkerJobState::Fetching)?.io.clear(&mut this.timers);
            let max = this.config.limits.context_bytes;
            let input_fault = |code, message: String| Verdict::failed(JobStatus::FAILED, code, message);
            match fetched {
                Fetched::Found(input) if input.len() > max => {
                    let message = alloc::format!("the input has {} bytes, and at most {max} are allowed", input.len());
                    this.settle(attempt.job, input_fault(ErrorCode::JOB_INVALID_INPUT, message));
                }
                Fetched::Found(input) => {
                    this.jobs.awaited(attempt, WorkerJobState::Fetching)?.set_input(input);
                    this.run(attempt.job);
                }
                Fetched::Missing => {
                    let message = String::from("there is no input where the context_ptr points");
                    this.settle(attempt.job, input_fault(ErrorCode::JOB_NOT_FOUND, message));
                }
                Fetched::Failed(message) => this.io_failed(attempt.job, message),
            }
            Ok(())
        })
    }

    /// Answers [`WorkerOutput::Run`] with an output, which is stored before the result is published.
    ///
    /// Errors: [`WorkerRefused::Stale`] if the handler of this attempt has ended before.
    pub fn finish(&mut self, now: Time, attempt: Attempt, output: Bytes) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            if this.stopped(attempt) {
                return Ok(());
            }
            let max = this.config.limits.result_bytes;
            let job = this.jobs.awaited(attempt, WorkerJobState::Running)?;
            if output.len() > max {
                let message = alloc::format!("the output has {} bytes, and at most {max} are allowed", output.len());
                let code = ErrorCode::JOB_RESOURCE_EXHAUSTED;
                this.settle_by_handler(attempt.job, Verdict::failed(JobStatus::FAILED, code, message));
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
                let until = this.now.plus(this.config.pause(failures));
                this.jobs.awaited(attempt, WorkerJobState::Pausing)?.retry.set(until, &mut this.timers);
                return Ok(());
            }
            let status = match failure.kind {
                FailureKind::Plain | FailureKind::Input => JobStatus::FAILED,
                FailureKind::Retryable => JobStatus::FAILED_RETRYABLE,
                FailureKind::Fatal => JobStatus::FAILED_FATAL,
            };
            let is_bare = failure.kind == FailureKind::Input && failure.code == ErrorCode::UNSPECIFIED;
            let code = if is_bare { ErrorCode::JOB_INVALID_INPUT } else { failure.code };
            this.settle_by_handler(attempt.job, Verdict::failed(status, code, failure.message));
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
                Ok(()) => {
                    let pointer = this.pointer(attempt.job);
                    let result_ptr = pointer.map_or_else(String::new, |pointer| alloc::format!("{pointer}"));
                    let verdict = Verdict::failed(JobStatus::SUCCEEDED, ErrorCode::UNSPECIFIED, "");
                    this.settle(attempt.job, Verdict { result_ptr, ..verdict });
                }
                Err(message) => this.io_failed(attempt.job, message),
            }
            Ok(())
        })
    }

    /// Notes that a handler that had to stop has ended. Returns false if it had not to.
    fn stopped(&mut self, attempt: Attempt) -> bool {
        self.jobs.awaited(attempt, WorkerJobState::Stopping).is_ok() && self.jobs.stopped(attempt.job, self.now)
    }

    /// Asks for the output of a job to be stored.
    pub(super) fn store(&mut self, key: WorkerJob) {
        let until = self.now.plus(self.config.io_timeout);
        let Some(pointer) = self.pointer(key) else { return };
        let ttl = self.config.result_ttl;
        if let Some(job) = self.jobs.get_mut(key)
            && let Some(output) = job.output().cloned()
        {
            job.io.set(until, &mut self.timers);
            let attempt = Attempt { job: key, number: job.attempts() };
            self.outbox.push(WorkerOutput::Store { attempt, pointer, output, ttl });
        }
    }

    fn pointer(&self, key: WorkerJob) -> Option<Pointer> {
        let asker = self.jobs.get(key)?.askers().first()?;
        Some(result_pointer(self.config.result_scheme, &asker.job_id))
    }
}
