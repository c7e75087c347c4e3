//! The live workers, with their topics and their load.

mod worker;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use slotmap::SlotMap;

pub(super) use self::worker::Worker;
use super::keys::WorkerKey;
use super::output::{RouterJob, RouterTimer};
use super::timers::{Deadline, Owner, Timers};
use crate::cap::wire::heartbeat::Heartbeat;
use crate::cap::wire::subject::{ComponentId, Topic};
use crate::time::Time;

/// Where a job of a topic can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// To this worker.
    Worker(ComponentId),
    /// All workers of the topic are full.
    Full,
    /// No worker is known to serve the topic.
    None,
}

/// The workers by key and by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers {
    slab: SlotMap<WorkerKey, Worker>,
    by_id: BTreeMap<ComponentId, WorkerKey>,
}

impl Workers {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Iterates in the order of the ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.by_id.values().filter_map(|key| self.slab.get(*key))
    }

    pub(super) fn get(&self, id: &ComponentId) -> Option<&Worker> {
        self.slab.get(*self.by_id.get(id)?)
    }

    pub(super) fn key(&self, id: &ComponentId) -> Option<WorkerKey> {
        self.by_id.get(id).copied()
    }

    fn get_mut(&mut self, id: &ComponentId) -> Option<&mut Worker> {
        self.slab.get_mut(*self.by_id.get(id)?)
    }

    /// Notes a sign of life of a worker, which is lost when nothing more is heard until a time. Returns true if it was not
    /// known.
    pub(super) fn hear(&mut self, id: &ComponentId, until: Time, timers: &mut Timers) -> bool {
        let is_new = !self.by_id.contains_key(id);
        if is_new {
            let key = self.slab.insert_with_key(|key| Worker::new(id.clone(), Deadline::new(Owner::Worker(key))));
            self.by_id.insert(id.clone(), key);
        }
        if let Some(worker) = self.get_mut(id) {
            worker.silence.set(until, RouterTimer::Heartbeat, timers);
        }
        is_new
    }

    /// Gives all workers until a time, because their heartbeats could not be heard.
    pub(super) fn spare(&mut self, until: Time, timers: &mut Timers) {
        for worker in self.slab.values_mut() {
            worker.silence.set(until, RouterTimer::Heartbeat, timers);
        }
    }

    /// Awaits no heartbeats, because the bus is away.
    pub(super) fn pardon(&mut self, timers: &mut Timers) {
        for worker in self.slab.values_mut() {
            worker.silence.clear(timers);
        }
    }

    /// Takes in the load that a heartbeat reports.
    pub(super) fn load(&mut self, id: &ComponentId, heartbeat: &Heartbeat) {
        if let Some(worker) = self.get_mut(id) {
            worker.load(heartbeat);
        }
    }

    /// Takes in the topics of a handshake.
    pub(super) fn serve(&mut self, id: &ComponentId, topics: BTreeSet<Topic>, speaks: bool) {
        if let Some(worker) = self.get_mut(id) {
            (worker.topics, worker.speaks) = (Some(topics), speaks);
        }
    }

    /// Notes whether a worker gives signs of its jobs.
    pub(super) fn sign(&mut self, id: &ComponentId, signs: bool) {
        if let Some(worker) = self.get_mut(id) {
            worker.signs = signs;
        }
    }

    /// Returns whether a worker gives signs of its jobs.
    pub(super) fn gives_signs(&self, id: &ComponentId) -> bool {
        self.get(id).is_some_and(|worker| worker.signs)
    }

    /// Returns whether a worker is there that serves a topic, or whose topics are not known.
    pub(super) fn may_serve(&self, topic: &Topic) -> bool {
        self.slab.values().any(|worker| worker.may_serve(topic))
    }

    /// Returns whether there are workers that may have taken a job of a topic, and all of them give signs of their jobs.
    pub(super) fn all_give_signs(&self, topic: &Topic) -> bool {
        let mut takers = self.slab.values().filter(|worker| worker.may_serve(topic)).peekable();
        takers.peek().is_some() && takers.all(|worker| worker.signs)
    }

    /// Forgets a worker that is lost, and returns its id and its jobs.
    pub(super) fn lose(&mut self, key: WorkerKey, timers: &mut Timers) -> Option<(ComponentId, Vec<RouterJob>)> {
        let mut worker = self.slab.remove(key)?;
        worker.silence.clear(timers);
        self.by_id.remove(&worker.id);
        Some((worker.id, worker.jobs.into_iter().collect()))
    }

    /// Notes that a worker has a job.
    pub(super) fn assign(&mut self, id: &ComponentId, job: RouterJob) {
        if let Some(worker) = self.get_mut(id) {
            worker.jobs.insert(job);
        }
    }

    /// Notes that a worker no longer has a job. Its slot is free before its next heartbeat says so.
    pub(super) fn free(&mut self, id: &ComponentId, job: RouterJob) {
        if let Some(worker) = self.get_mut(id)
            && worker.jobs.remove(&job)
        {
            worker.reported = worker.reported.saturating_sub(1);
        }
    }

    /// Returns whether a worker is there whose handshake was missed, so that it may serve any topic.
    pub(super) fn has_unknown(&self) -> bool {
        self.slab.values().any(|worker| worker.topics.is_none())
    }

    /// Chooses the worker with the least load that serves a topic (spec/05). One that the job was sent to before is chosen
    /// only if there is no other.
    pub(super) fn choose(&self, topic: &Topic, tried: &[ComponentId], admits: impl Fn(&Worker) -> bool) -> Choice {
        let serving = || self.iter().filter(|worker| worker.serves(topic) && admits(worker));
        let least = serving()
            .filter(|worker| !worker.is_full())
            .min_by(|a, b| tried.contains(&a.id).cmp(&tried.contains(&b.id)).then_with(|| a.compare_load(b)));
        match least {
            Some(worker) => Choice::Worker(worker.id.clone()),
            None if serving().next().is_some() => Choice::Full,
            None => Choice::None,
        }
    }

    /// Returns the bytes of all workers.
    pub(super) fn bytes(&self) -> usize {
        self.slab.values().map(Worker::bytes).sum()
    }
}
