//! Handles deadlines that have passed.

use alloc::string::String;

use super::Router;
use super::answer::Verdict;
use super::config::{Dispatch, LostWorker};
use super::job::state::RouterJobState;
use super::keys::WorkerKey;
use super::output::{RouterEvent, RouterJob, RouterTimer};
use super::timers::Owner;
use super::workers::Choice;
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::time::Time;

impl Router {
    /// Does what is due. Called early or for nothing, it changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.input(now, |this| {
            while let Some((timer, owner)) = this.timers.expired(this.clock.now()) {
                match owner {
                    Owner::Job(job) => this.expire(timer, job),
                    Owner::Worker(worker) => this.lose_worker(worker),
                }
            }
        });
    }

    fn expire(&mut self, timer: RouterTimer, key: RouterJob) {
        match timer {
            RouterTimer::Check => self.deny(key, "the policy has not answered in time"),
            RouterTimer::Approval => self.deny(key, "no person has approved the job in time"),
            RouterTimer::Throttle => self.ask(key),
            RouterTimer::Worker => self.wait_for_worker(key),
            RouterTimer::Dispatch if !self.outbox.is_connected() => self.heard(key),
            RouterTimer::Dispatch => {
                let message = self.unheard(key);
                self.lose(key, false, &Verdict::new(JobStatus::TIMEOUT, ErrorCode::JOB_TIMEOUT, message));
            }
            RouterTimer::Retry => self.enqueue(key),
            RouterTimer::Cancel => {
                let reason = self.jobs.get(key).map(|job| job.reason.clone()).unwrap_or_default();
                self.settle(key, &Verdict::new(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, reason));
            }
            RouterTimer::Runtime => self.end_runtime(key),
            RouterTimer::Heartbeat => {}
        }
    }

    /// Says that nothing was heard of a job. A worker need not announce itself to get the jobs of its topic, so that one which
    /// is not known is no error by itself.
    fn unheard(&self, key: RouterJob) -> String {
        let message = "nothing was heard of the job from any worker";
        match self.jobs.get(key).filter(|job| job.worker.is_none()).map(|job| &job.head.topic) {
            Some(topic) if !self.may_be_served(topic) => {
                alloc::format!("{message}; no worker that has announced itself serves the topic {topic:?}")
            }
            Some(_) | None => message.into(),
        }
    }

    /// No worker took a job in time. It goes on waiting if one is there that is full, or the bus is away.
    fn wait_for_worker(&mut self, key: RouterJob) {
        let Some(job) = self.jobs.get(key) else { return };
        let topic = &job.head.topic;
        let is_served = self.config.dispatches() == Dispatch::Queue
            || self.workers.choose(topic, &[], |worker| self.admits(worker, job)) != Choice::None;
        let Some(job) = self.jobs.touch(key) else { return };
        if is_served || !self.outbox.is_connected() {
            job.step.set(self.clock.now().plus(self.config.worker_wait), RouterTimer::Worker, &mut self.timers);
            return;
        }
        let message = alloc::format!("no worker serves the topic {:?}", job.head.topic);
        self.give_up(key, &Verdict::new(JobStatus::FAILED, ErrorCode::JOB_WORKER_UNAVAILABLE, message));
    }

    /// The time of a job is over. Its worker is told to stop after the result is published, so that the result that it makes
    /// then comes second.
    fn end_runtime(&mut self, key: RouterJob) {
        let Some(job) = self.jobs.get(key) else { return };
        let (was_cancelled, reason) = (job.state() == RouterJobState::Cancelling, job.reason.clone());
        let message = "the job took longer than its deadline allows";
        let verdict = if was_cancelled {
            Verdict::new(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, reason)
        } else {
            Verdict::new(JobStatus::TIMEOUT, ErrorCode::JOB_TIMEOUT, message)
        };
        self.settle(key, &verdict);
        self.publish_cancel(key, message);
    }

    /// Nothing was heard of a worker for too long (spec/05). Its jobs are sent again, or fail.
    pub(super) fn lose_worker(&mut self, key: WorkerKey) {
        let Some((worker, jobs)) = self.workers.lose(key, &mut self.timers) else { return };
        let message = alloc::format!("the worker {worker:?} is lost");
        let verdict = Verdict::new(JobStatus::FAILED, ErrorCode::JOB_WORKER_UNAVAILABLE, message);
        self.outbox.event(RouterEvent::WorkerLost { worker: worker.clone() });
        for job in jobs {
            let is_there = self.jobs.get(job).is_some_and(|job| job.worker.as_ref() == Some(&worker));
            if is_there {
                let is_last = self.config.lost_worker == LostWorker::Fail;
                self.lose(job, is_last, &verdict);
            }
        }
    }
}
