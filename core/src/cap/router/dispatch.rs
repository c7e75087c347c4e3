//! Sends jobs to workers.

use bytes::Bytes;

use super::Router;
use super::answer::Verdict;
use super::config::Dispatch;
use super::job::Job;
use super::job::state::RouterJobState;
use super::output::{RouterEvent, RouterJob, RouterTimer};
use super::workers::Choice;
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::{ComponentId, Subject, Topic};

impl Router {
    /// Lets a job wait to be sent.
    pub(super) fn enqueue(&mut self, key: RouterJob) {
        let until = self.clock.now().plus(self.config.worker_wait);
        if let Some(job) = self.jobs.change(key) {
            job.step.set(until, RouterTimer::Worker, &mut self.timers);
            self.queue.add(&job.head.lane(), (job.head.rank, job.order, key));
        }
    }

    /// Sends the jobs that can be sent now.
    pub(super) fn dispatch_waiting(&mut self) {
        if !self.outbox.is_connected() {
            return;
        }
        while let Some(lane) = self.queue.take_woken() {
            while let Some(place @ (_, _, key)) = self.queue.first(&lane) {
                let Some(worker) = self.target(key, &lane.0) else { break };
                self.queue.remove(&lane, place);
                self.dispatch(key, worker);
            }
        }
    }

    /// Returns whom a job is sent to, `Some(None)` for its topic, or `None` if it has to wait.
    ///
    /// A router that was started later than the workers has missed their handshakes. While there is such a worker, a job
    /// whose topic no known worker serves is sent to its topic; that is ours.
    #[expect(clippy::option_option, reason = "a place is either there or not, and is either a worker's or the topic's")]
    fn target(&self, key: RouterJob, topic: &Topic) -> Option<Option<ComponentId>> {
        if self.config.dispatches() == Dispatch::Queue {
            return Some(None);
        }
        let job = self.jobs.get(key)?;
        match self.workers.choose(topic, &job.tried, |worker| self.admits(worker, job)) {
            Choice::Worker(worker) => Some(Some(worker)),
            Choice::None if self.workers.has_unknown() && !self.config.trust.is_required() => Some(None),
            Choice::Full | Choice::None => None,
        }
    }

    /// Sends a job.
    fn dispatch(&mut self, key: RouterJob, worker: Option<ComponentId>) {
        let now = self.clock.now();
        let dispatch_id = self.config.resigns().then(|| alloc::format!("{:032x}", self.random.random_u128()));
        let Some(job) = self.jobs.change(key) else { return };
        if !job.pass(RouterJobState::dispatch, &mut self.timers) {
            return;
        }
        let is_first = job.dispatched_at.is_none();
        job.sent(worker.clone(), now);
        job.heard_at = now;
        job.dispatch_id = dispatch_id.unwrap_or_default();
        if is_first {
            // The worker ends a job at its deadline itself, counted from when it got the job; the router waits longer.
            let own = [job.head.deadline, self.config.max_runtime, job.constraints.max_runtime];
            if let Some(runtime) = own.into_iter().flatten().min() {
                let until = now.plus(runtime).plus(self.config.deadline_grace);
                job.runtime.set(until, RouterTimer::Runtime, &mut self.timers);
            }
        }
        let attempt = job.attempts;
        let Some(bytes) = self.request(key) else {
            let message = "the router could not sign the request";
            return self.give_up(key, &Verdict::new(JobStatus::FAILED, ErrorCode::TRANSPORT_PUBLISH_FAILED, message));
        };
        if let Some(worker) = &worker {
            self.workers.assign(worker, key);
        }
        self.await_report(key);
        self.publish_request(key, worker.clone(), bytes);
        self.outbox.event(RouterEvent::Dispatched { job: key, worker, attempt });
    }

    /// Awaits the first report of a job that was sent. If each worker that may have it gives signs of its jobs, silence is
    /// noticed as soon as that of a worker: the request is lost.
    pub(super) fn await_report(&mut self, key: RouterJob) {
        let Some(job) = self.jobs.touch(key).filter(|job| job.state() == RouterJobState::Dispatched) else { return };
        let has_signs = match &job.worker {
            Some(worker) => self.workers.gives_signs(worker),
            None => self.workers.all_give_signs(&job.head.topic),
        };
        let wait = self.config.dispatch_timeout;
        let wait = if has_signs { wait.min(self.config.worker_timeout()) } else { wait };
        job.step.set(self.clock.now().plus(wait), RouterTimer::Dispatch, &mut self.timers);
    }

    /// Sends the request of a job to its worker again, because its result may have been missed. A worker that has the job
    /// goes on, and one that has ended it publishes its result again. Workers that would run it twice are not asked, nor are
    /// those whose session is over, if workers need one: they are heard again once they have another, or are lost.
    pub(super) fn resend(&mut self, key: RouterJob) {
        let Some(job) = self.jobs.get(key) else { return };
        let is_there = matches!(job.state(), RouterJobState::Dispatched | RouterJobState::Running);
        let Some(worker) = job.worker.clone().filter(|_| is_there && self.config.workers_deduplicate) else { return };
        if self.config.trust.is_required() && !self.has_session(worker.as_str()) {
            return;
        }
        if let Some(bytes) = self.request(key) {
            self.publish_request(key, Some(worker), bytes);
        }
    }

    fn publish_request(&mut self, key: RouterJob, worker: Option<ComponentId>, bytes: Bytes) {
        let Some(job) = self.jobs.get(key) else { return };
        let subject = subject(job, worker);
        self.outbox.send(subject, bytes);
    }

    /// Returns the packet that a worker gets: the one of the submitter, or one of the router's own.
    fn request(&mut self, key: RouterJob) -> Option<Bytes> {
        let job = self.jobs.get(key)?;
        if !self.config.resigns() {
            return Some(job.packet().clone());
        }
        let packet = BusPacket::decode(job.packet(), &self.config.reading.limits).ok()?;
        let Some(Payload::JobRequest(mut request)) = packet.payload else { return None };
        if let Some(pointer) = &job.constraints.redacted_context_ptr {
            request.context_ptr.clone_from(pointer);
        }
        request.dispatch = Some(job.dispatch());
        if self.production.is_some() {
            request.identity.clone_from(&job.asker.identity);
        }
        let (subject, trace_id) = (subject(job, job.worker.clone()), job.asker.trace_id.clone());
        self.seal(&subject, &trace_id, *request)
    }
}

/// Returns the subject of a request: that of the worker, or the topic.
fn subject(job: &Job, worker: Option<ComponentId>) -> Subject {
    worker.map_or_else(|| Subject::Topic(job.head.topic.clone()), Subject::Direct)
}
