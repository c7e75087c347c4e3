//! Ends jobs.

use bytes::Bytes;

use super::Router;
use super::answer::Verdict;
use super::output::{RouterEvent, RouterJob};
use crate::cap::wire::job::{JobCancel, JobStatus};
use crate::cap::wire::subject::Subject;

impl Router {
    /// Ends a job with a result of the router's own.
    pub(super) fn settle(&mut self, key: RouterJob, verdict: &Verdict) {
        let Some(job) = self.jobs.get(key).filter(|job| job.state().can_end(verdict.status)) else { return };
        let asker = job.asker.clone();
        let packet = self.answer(&asker, verdict).unwrap_or_default();
        self.conclude(key, verdict.status, packet);
    }

    /// The same for a job that was tried as often as it may be, or that was put aside: its request goes to the dead letters.
    pub(super) fn give_up(&mut self, key: RouterJob, verdict: &Verdict) {
        if let Some(job) = self.jobs.get(key).filter(|job| job.state().can_end(verdict.status)) {
            self.outbox.send(Subject::JobDeadLetter, job.packet().clone());
        }
        self.settle(key, verdict);
    }

    /// Ends a job with the packet of its result, which is published already.
    pub(super) fn conclude(&mut self, key: RouterJob, status: JobStatus, packet: Bytes) {
        let Some(job) = self.jobs.get(key) else { return };
        self.queue.remove(&job.head.lane(), (job.head.rank, job.order, key));
        if let Some(worker) = job.worker.clone() {
            self.workers.free(&worker, key);
            self.queue.wake_all();
        }
        if !self.jobs.end(key, status, packet, self.clock.now(), &mut self.timers) {
            return;
        }
        let followers = self.jobs.get(key).map(|job| job.followers.clone()).unwrap_or_default();
        for follower in followers {
            self.answer_again(key, &follower.job_id);
        }
        self.outbox.event(RouterEvent::Ended { job: key, status });
    }

    /// Asks the worker of a job to stop it. Every worker hears of it, and to ask again does no harm.
    pub(super) fn publish_cancel(&mut self, key: RouterJob, reason: &str) {
        let Some(job) = self.jobs.get(key) else { return };
        let cancel = JobCancel {
            job_id: job.asker.job_id.clone(),
            reason: reason.into(),
            requested_by: self.config.id.as_str().into(),
            identity: job.asker.identity.clone(),
            ..JobCancel::default()
        };
        let trace_id = job.asker.trace_id.clone();
        if let Some(bytes) = self.seal(&Subject::JobCancel, &trace_id, cancel) {
            self.outbox.send(Subject::JobCancel, bytes);
        }
    }
}
