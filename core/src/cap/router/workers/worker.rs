//! One worker.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::cmp::Ordering;

use crate::cap::router::output::RouterJob;
use crate::cap::router::timers::Deadline;
use crate::cap::wire::heartbeat::Heartbeat;
use crate::cap::wire::sign::SIGNS;
use crate::cap::wire::subject::{ComponentId, Topic};

/// The longest pool that is noted; a longer one is no topic.
const MAX_POOL: usize = 256;

/// One worker that is alive.
#[derive(Clone, Debug)]
pub(in crate::cap::router) struct Worker {
    pub(in crate::cap::router) id: ComponentId,
    /// The topics of its handshake; absent if that was missed.
    pub(in crate::cap::router) topics: Option<BTreeSet<Topic>>,
    /// Whether it speaks the version of the protocol; so does one whose handshake was missed.
    pub(in crate::cap::router) speaks: bool,
    /// Whether it gives a sign of each of its jobs with every heartbeat.
    pub(in crate::cap::router) signs: bool,
    pub(in crate::cap::router) pool: String,
    /// The active jobs of its latest heartbeat, less those that have ended since.
    pub(in crate::cap::router) reported: usize,
    /// The most jobs that it runs at the same time; 0 if it has not said.
    pub(in crate::cap::router) max_parallel: usize,
    /// The highest of its loads, in percent.
    pub(in crate::cap::router) highest_load: f32,
    /// The jobs that it was given and that have not ended.
    pub(in crate::cap::router) jobs: BTreeSet<RouterJob>,
    /// Passes when nothing was heard of it for too long.
    pub(in crate::cap::router) silence: Deadline,
}

impl Worker {
    pub(super) fn new(id: ComponentId, silence: Deadline) -> Worker {
        Worker {
            id,
            topics: None,
            speaks: true,
            signs: false,
            pool: String::new(),
            reported: 0,
            max_parallel: 0,
            highest_load: 0.0,
            jobs: BTreeSet::new(),
            silence,
        }
    }

    pub(super) fn load(&mut self, heartbeat: &Heartbeat) {
        self.reported = usize::try_from(heartbeat.active_jobs).unwrap_or(0);
        self.max_parallel = usize::try_from(heartbeat.max_parallel_jobs).unwrap_or(0);
        // A worker whose handshake was missed says it here.
        self.signs |= heartbeat.capabilities.iter().any(|capability| capability == SIGNS);
        let loads = [heartbeat.cpu_load, heartbeat.gpu_utilization, heartbeat.memory_load];
        // A load that is not a number says nothing.
        self.highest_load = loads.into_iter().filter(|load| load.is_finite()).fold(0.0, f32::max);
        if heartbeat.pool.len() <= MAX_POOL && heartbeat.pool != self.pool {
            self.pool.clone_from(&heartbeat.pool);
        }
    }

    /// Returns the number of jobs that it has, whoever gave them.
    pub(in crate::cap::router) fn active(&self) -> usize {
        self.reported.max(self.jobs.len())
    }

    /// Whether it may have taken a job of a topic: it serves the topic, or its topics are not known.
    pub(super) fn may_serve(&self, topic: &Topic) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(topic))
    }

    /// Whether it serves a topic: by its handshake, or by the pool of its heartbeats if that was missed.
    pub(super) fn serves(&self, topic: &Topic) -> bool {
        match &self.topics {
            Some(topics) => topics.contains(topic),
            None => self.pool == topic.as_str(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.max_parallel > 0 && self.active() >= self.max_parallel
    }

    /// Compares how busy two workers are: by the part of their slots that is used, then by the load of their machines, then
    /// by their names.
    pub(super) fn compare_load(&self, other: &Worker) -> Ordering {
        // A worker that has not said how many jobs it runs counts as one that runs one at a time.
        let (own, others) = (self.max_parallel.max(1), other.max_parallel.max(1));
        let used = self.active().saturating_mul(others).cmp(&other.active().saturating_mul(own));
        let load = || self.highest_load.total_cmp(&other.highest_load);
        used.then_with(load).then_with(|| self.id.cmp(&other.id))
    }

    /// Returns the bytes that the worker holds.
    pub(super) fn bytes(&self) -> usize {
        let topics: usize = self.topics.iter().flatten().map(|topic| topic.as_str().len()).sum();
        size_of::<Worker>()
            + self.id.as_str().len()
            + topics
            + self.pool.len()
            + size_of::<RouterJob>() * self.jobs.len()
    }
}
