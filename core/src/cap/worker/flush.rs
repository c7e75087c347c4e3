//! The end of every input: jobs that wait get the slots that are free, and a drain ends.

use super::Worker;
use super::job::Verdict;
use super::output::{Attempt, WorkerJob, WorkerOutput};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::pointer::Pointer;
use crate::time::Time;

impl Worker {
    /// Handles one input: dispatches it once, then flushes once.
    pub(super) fn input<R>(&mut self, now: Time, handle: impl FnOnce(&mut Worker) -> R) -> R {
        self.now = self.now.max(now);
        let result = handle(self);
        while let Some(job) = self.jobs.claim(self.config.limits.parallel) {
            self.start(job);
        }
        self.end_drain();
        result
    }

    /// Begins a job that has a slot.
    fn start(&mut self, key: WorkerJob) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let pointer = match job.request().map_or("", |request| &request.context_ptr) {
            "" => None,
            text => Some(Pointer::parse(text)),
        };
        match pointer {
            None => self.run(key),
            Some(Ok(pointer)) => {
                if job.fetch() {
                    self.fetch(key, pointer);
                }
            }
            Some(Err(error)) => {
                let message = alloc::format!("the context_ptr is not valid: {error}");
                // The job has a slot, and is in a state that has one when its result is decided.
                if job.fetch() {
                    self.settle(key, Verdict::failed(JobStatus::FAILED, ErrorCode::JOB_INVALID_INPUT, message));
                }
            }
        }
    }

    /// Calls the handler of a job.
    pub(super) fn run(&mut self, key: WorkerJob) {
        let now = self.now;
        if let Some(job) = self.jobs.get_mut(key)
            && job.run(now)
        {
            let attempt = Attempt { job: key, number: job.attempts() };
            self.outbox.push(WorkerOutput::Run { attempt });
        }
    }

    /// Asks for the input of a job.
    pub(super) fn fetch(&mut self, key: WorkerJob, pointer: Pointer) {
        let until = self.now.plus(self.config.io_timeout);
        if let Some(job) = self.jobs.get_mut(key) {
            job.io.set(until, &mut self.timers);
            let attempt = Attempt { job: key, number: job.attempts() };
            self.outbox.push(WorkerOutput::Fetch { attempt, pointer });
        }
    }
}
