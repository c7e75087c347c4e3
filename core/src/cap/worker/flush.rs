//! What follows every input: waiting jobs get the free slots, and a drain without jobs ends.

use super::Worker;
use super::job::Verdict;
use super::job::state::WorkerJobState;
use super::output::{Attempt, WorkerEvent, WorkerJob, WorkerOutput};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::pointer::Pointer;
use crate::time::Time;

impl Worker {
    /// Handles one input: dispatches it once, then flushes once.
    pub(super) fn input<R>(&mut self, now: Time, handle: impl FnOnce(&mut Worker) -> R) -> R {
        self.clock.advance(now);
        let result = handle(self);
        self.follow_trust();
        while let Some(job) = self.jobs.claim(self.config.limits.parallel) {
            self.start(job);
        }
        self.end_drain();
        result
    }

    /// Begins a job that has a slot.
    fn start(&mut self, key: WorkerJob) {
        let looks = self.config.check_stored;
        let Some(job) = self.jobs.get_mut(key) else { return };
        let context = job.request().map_or("", |request| &request.context_ptr);
        let has_input = !context.is_empty();
        let invalid = if has_input { Pointer::parse(context).err() } else { None };
        if let Some(error) = invalid {
            let message = alloc::format!("the context_ptr is not valid: {error}");
            // The job has a slot, and is in a state that has one when its result is decided.
            if job.load(false, false) {
                self.settle(key, Verdict::failed(JobStatus::FAILED, ErrorCode::JOB_INVALID_INPUT, message));
            }
        } else if !looks && !has_input {
            self.run(key);
        } else if job.load(looks, has_input) {
            self.load(key);
        }
    }

    /// Calls the handler of a job.
    pub(super) fn run(&mut self, key: WorkerJob) {
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(key) else { return };
        let is_first = job.state() != WorkerJobState::Pausing;
        if job.run(now) {
            let attempt = Attempt { job: key, number: job.attempts() };
            self.outbox.push(WorkerOutput::Run { attempt });
            if is_first {
                self.outbox.event(WorkerEvent::Started { job: key });
            }
        }
    }

    /// Asks for what a job still has to read.
    pub(super) fn load(&mut self, key: WorkerJob) {
        let until = self.clock.now().plus(self.config.io_timeout);
        let stored = self.pointer(key);
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.io.set(until, &mut self.timers);
        let attempt = Attempt { job: key, number: job.attempts() };
        let (looks, fetches) = job.ask();
        if let Some(pointer) = stored.filter(|_| looks) {
            self.outbox.push(WorkerOutput::Look { attempt, pointer });
        }
        let input = job.request().map(|request| Pointer::parse(&request.context_ptr));
        if let Some(Ok(pointer)) = input.filter(|_| fetches) {
            self.outbox.push(WorkerOutput::Fetch { attempt, pointer });
        }
    }
}
