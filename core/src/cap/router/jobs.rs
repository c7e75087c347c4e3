//! The jobs of a router: live jobs, and ended jobs that are remembered.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use slotmap::SlotMap;

use super::config::RouterLimits;
use super::job::{Asker, Head, IdempotencyKey, Job, OnRecord};
use super::output::RouterJob;
use super::timers::Timers;
use crate::cap::wire::job::JobStatus;
use crate::cap::wire::subject::Topic;
use crate::time::Time;

/// All jobs, with their indices, counts and sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    slab: SlotMap<RouterJob, Job>,
    /// Also by the ids of the requests that follow them.
    by_id: BTreeMap<String, RouterJob>,
    by_key: BTreeMap<IdempotencyKey, RouterJob>,
    /// Live jobs by their tenant and the id of the job that has asked for them.
    children: BTreeMap<(String, String), BTreeSet<RouterJob>>,
    /// The number of live jobs of each topic.
    by_topic: BTreeMap<Topic, usize>,
    live: usize,
    /// The bytes of the packets of live jobs.
    live_bytes: usize,
    /// Ended jobs and their ends, in that order.
    ended: VecDeque<(Time, RouterJob)>,
    /// The bytes of the results of ended jobs.
    retained_bytes: usize,
    /// The order of the next job.
    next: u64,
    /// Jobs that have changed since they were recorded.
    changed: BTreeSet<RouterJob>,
    /// The ids of jobs that were forgotten and whose records are still there.
    forgotten: Vec<String>,
}

impl Jobs {
    pub(super) fn get(&self, key: RouterJob) -> Option<&Job> {
        self.slab.get(key)
    }

    /// Returns a job to change it, which will be recorded.
    pub(super) fn change(&mut self, key: RouterJob) -> Option<&mut Job> {
        let job = self.slab.get_mut(key)?;
        self.changed.insert(key);
        Some(job)
    }

    /// Returns a job to change what is not recorded.
    pub(super) fn touch(&mut self, key: RouterJob) -> Option<&mut Job> {
        self.slab.get_mut(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = RouterJob> {
        self.slab.keys()
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn retained(&self) -> usize {
        self.ended.len()
    }

    /// Returns the job of an id that a submitter chose.
    pub(super) fn find(&self, id: &str) -> Option<RouterJob> {
        self.by_id.get(id).copied()
    }

    /// Returns the job with an idempotency key.
    pub(super) fn find_same(&self, head: &Head) -> Option<RouterJob> {
        self.by_key.get(head.idempotency.as_ref()?).copied()
    }

    /// Returns the live jobs that a job has asked for, which are of its tenant.
    pub(super) fn children(&self, job: &Job) -> impl Iterator<Item = RouterJob> {
        let family = (job.head.owner.clone(), job.asker.job_id.clone());
        self.children.get(&family).into_iter().flatten().copied()
    }

    /// Returns the limit that does not allow a further job of a topic, if there is one.
    pub(super) fn limit(&self, topic: &Topic, bytes: usize, limits: &RouterLimits) -> Option<&'static str> {
        if self.live >= limits.jobs {
            return Some("jobs");
        }
        if self.by_topic.get(topic).is_some_and(|count| *count >= limits.topic_jobs) {
            return Some("topic_jobs");
        }
        (self.live_bytes.saturating_add(bytes) > limits.live_bytes).then_some("live_bytes")
    }

    /// Adds a job.
    pub(super) fn accept(&mut self, asker: Asker, head: Head, packet: Bytes, now: Time) -> RouterJob {
        let order = self.next;
        self.next += 1;
        let key = self.slab.insert_with_key(|key| Job::new(key, asker, head, packet, order, now));
        self.index(key);
        self.changed.insert(key);
        key
    }

    /// Adds a job that was recorded; `make` gets its key and its order.
    pub(super) fn restore<E>(&mut self, make: impl FnOnce(RouterJob, u64) -> Result<Job, E>) -> Result<RouterJob, E> {
        let order = self.next;
        let key = self.slab.try_insert_with_key(|key| make(key, order))?;
        self.next += 1;
        self.index(key);
        if let Some(outcome) = self.slab.get(key).and_then(Job::outcome) {
            self.retained_bytes += outcome.packet.len();
            self.ended.push_back((outcome.at, key));
        }
        Ok(key)
    }

    /// Enters a job into the indices and sums.
    fn index(&mut self, key: RouterJob) {
        let Some(job) = self.slab.get(key) else { return };
        let ids = core::iter::once(&job.asker).chain(&job.followers).map(|asker| asker.job_id.clone());
        self.by_id.extend(ids.map(|id| (id, key)));
        if let Some(idempotency) = &job.head.idempotency {
            self.by_key.insert(idempotency.clone(), key);
        }
        if job.state().is_terminal() {
            return;
        }
        if !job.head.parent.is_empty() {
            self.children.entry(family(job)).or_default().insert(key);
        }
        *self.by_topic.entry(job.head.topic.clone()).or_default() += 1;
        self.live += 1;
        self.live_bytes += job.packet().len();
    }

    /// Takes a live job out of the indices and sums of live jobs.
    fn retire(&mut self, key: RouterJob) {
        let Some(job) = self.slab.get(key) else { return };
        let family = family(job);
        if let Some(children) = self.children.get_mut(&family) {
            children.remove(&key);
            if children.is_empty() {
                self.children.remove(&family);
            }
        }
        if let Some(count) = self.by_topic.get_mut(&job.head.topic) {
            *count -= 1;
            if *count == 0 {
                self.by_topic.remove(&job.head.topic);
            }
        }
        self.live -= 1;
        self.live_bytes -= job.packet().len();
    }

    /// Lets a job answer a further request.
    pub(super) fn follow(&mut self, key: RouterJob, asker: Asker) {
        self.by_id.insert(asker.job_id.clone(), key);
        if let Some(job) = self.change(key) {
            job.followers.push(asker);
        }
    }

    /// Lets a job no longer answer a request.
    pub(super) fn unfollow(&mut self, key: RouterJob, job_id: &str) {
        self.by_id.remove(job_id);
        if let Some(job) = self.change(key) {
            job.followers.retain(|follower| follower.job_id != job_id);
        }
    }

    /// Ends a job with the packet of its result. Returns false if it has ended before, or the status is not a last one.
    pub(super) fn end(
        &mut self,
        key: RouterJob,
        status: JobStatus,
        packet: Bytes,
        now: Time,
        timers: &mut Timers,
    ) -> bool {
        let may_end = self.slab.get(key).is_some_and(|job| job.state().can_end(status));
        if !may_end {
            return false;
        }
        self.retire(key);
        let bytes = packet.len();
        let ended = self.change(key).is_some_and(|job| job.end(status, packet, now, timers));
        self.retained_bytes += bytes;
        self.ended.push_back((now, key));
        ended
    }

    /// Forgets the ended jobs that ended before some time, and the oldest of those that are too many or too large.
    pub(super) fn forget(&mut self, before: Option<Time>, limits: &RouterLimits) {
        while let Some((at, key)) = self.ended.front().copied() {
            let is_old = before.is_some_and(|before| at <= before);
            let are_many = self.ended.len() > limits.retained || self.retained_bytes > limits.retained_bytes;
            if !is_old && !are_many {
                return;
            }
            self.ended.pop_front();
            self.changed.remove(&key);
            let Some(job) = self.slab.remove(key) else { continue };
            self.retained_bytes -= job.outcome().map_or(0, |outcome| outcome.packet.len());
            for asker in core::iter::once(&job.asker).chain(&job.followers) {
                self.by_id.remove(&asker.job_id);
            }
            if let Some(idempotency) = &job.head.idempotency {
                self.by_key.remove(idempotency);
            }
            if job.on_record != OnRecord::Nothing {
                self.forgotten.push(job.asker.job_id);
            }
        }
    }

    /// Takes out the jobs that have changed since they were recorded, in the order of their acceptance.
    pub(super) fn take_changed(&mut self) -> Vec<RouterJob> {
        let mut changed: Vec<RouterJob> = core::mem::take(&mut self.changed).into_iter().collect();
        changed.sort_by_key(|key| self.slab.get(*key).map(|job| job.order));
        changed
    }

    /// Takes out the ids of recorded jobs that were forgotten.
    pub(super) fn take_forgotten(&mut self) -> Vec<String> {
        core::mem::take(&mut self.forgotten)
    }

    /// Returns the bytes of all jobs.
    pub(super) fn bytes(&self) -> usize {
        self.slab.values().map(Job::bytes).sum()
    }
}

/// Returns the tenant of a job and the id of the job that has asked for it.
fn family(job: &Job) -> (String, String) {
    (job.head.owner.clone(), job.head.parent.clone())
}

/// Whether a request asks for the same as the job that has its idempotency key.
pub(super) fn asks_the_same(job: &Job, head: &Head) -> bool {
    job.head.asks == head.asks
}
