//! The view of a router that its host has.

use bytes::Bytes;

use super::Router;
use super::job::state::RouterJobState;
use super::output::RouterJob;
use crate::cap::signature::profile::ProductionPackets;
use crate::cap::trust::authority::TrustAuthority;
use crate::cap::wire::subject::{ComponentId, Topic};

/// A job, as the host sees it.
#[derive(Clone, Copy, Debug)]
pub struct RouterJobView<'a> {
    /// The id that its submitter chose.
    pub job_id: &'a str,
    /// The trace.
    pub trace_id: &'a str,
    /// The sender of its request.
    pub submitter: &'a str,
    /// The topic.
    pub topic: &'a Topic,
    /// Where the job stands.
    pub state: RouterJobState,
    /// The worker that has it, if it is known.
    pub worker: Option<&'a ComponentId>,
    /// How often it was sent.
    pub attempts: u32,
    /// Why it waits for a person or has to stop; empty otherwise.
    pub reason: &'a str,
    /// The packet of its request, or of its result once it has ended.
    pub packet: &'a Bytes,
}

/// A worker, as the host sees it.
#[derive(Clone, Copy, Debug)]
pub struct RouterWorkerView<'a> {
    /// The worker.
    pub id: &'a ComponentId,
    /// The number of jobs that it runs: by its heartbeats, or by what it was given if that is more.
    pub active: usize,
    /// The most jobs that it runs at the same time; 0 if it has not said.
    pub max_parallel: usize,
    /// The highest load of its machine, in percent.
    pub load: f32,
    /// The pool of its heartbeats.
    pub pool: &'a str,
    /// Whether its handshake was heard, so that its topics are known.
    pub is_known: bool,
}

impl Router {
    /// Returns a job that has not ended, or that is remembered.
    pub fn job(&self, job: RouterJob) -> Option<RouterJobView<'_>> {
        let job = self.jobs.get(job)?;
        Some(RouterJobView {
            job_id: &job.asker.job_id,
            trace_id: &job.asker.trace_id,
            submitter: &job.asker.submitter,
            topic: &job.head.topic,
            state: job.state(),
            worker: job.worker.as_ref(),
            attempts: job.attempts,
            reason: &job.reason,
            packet: job.outcome().map_or(job.packet(), |outcome| &outcome.packet),
        })
    }

    /// Returns the job of an id that a submitter chose. A request with the idempotency key of another job has that job.
    pub fn find_job(&self, job_id: &str) -> Option<RouterJob> {
        self.jobs.find(job_id)
    }

    /// Iterates over the jobs that have not ended, and those that are remembered, in no particular order.
    pub fn jobs(&self) -> impl Iterator<Item = RouterJob> {
        self.jobs.keys()
    }

    /// Iterates over the workers that are alive, in the order of their ids.
    pub fn workers(&self) -> impl Iterator<Item = RouterWorkerView<'_>> {
        self.workers.iter().map(|worker| RouterWorkerView {
            id: &worker.id,
            active: worker.active(),
            max_parallel: worker.max_parallel,
            load: worker.highest_load,
            pool: &worker.pool,
            is_known: worker.topics.is_some(),
        })
    }

    /// Returns the topics of a worker's handshake.
    pub fn topics(&self, worker: &ComponentId) -> impl Iterator<Item = &Topic> {
        self.workers.get(worker).and_then(|worker| worker.topics.as_ref()).into_iter().flatten()
    }

    /// Returns whether a worker is alive that serves a topic, or whose topics are not known. Until a heartbeat of each worker
    /// could come since the bus was connected, there may be one that is not known yet.
    pub fn may_be_served(&self, topic: &Topic) -> bool {
        self.workers.may_serve(topic) || self.clock.now() < self.acquainted
    }

    /// Returns the number of jobs that have not ended.
    pub fn live(&self) -> usize {
        self.jobs.live()
    }

    /// Returns the number of jobs that wait to be sent.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of ended jobs that are remembered.
    pub fn retained(&self) -> usize {
        self.jobs.retained()
    }

    /// Returns the approximate number of bytes that the router holds. It walks over all jobs.
    pub fn bytes_held(&self) -> usize {
        let trust = self.trust.as_ref().map_or(0, TrustAuthority::bytes_held);
        let held = self.jobs.bytes() + self.workers.bytes() + self.cancelled.bytes() + self.outbox.bytes();
        size_of::<Router>() + held + trust + self.production.as_ref().map_or(0, ProductionPackets::bytes)
    }
}
