//! The jobs of a worker: live jobs, and ended jobs that are remembered.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use slotmap::SlotMap;

use super::job::state::WorkerJobState;
use super::job::{Asker, Job, Verdict};
use super::output::{Attempt, WorkerJob, WorkerRefused};
use super::timers::Timers;
use crate::cap::wire::job::{JobRequest, JobStatus};
use crate::time::Time;

/// An idempotency key and its tenant.
type IdempotencyKey = (String, String);

/// All jobs, with their indices and counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    slab: SlotMap<WorkerJob, Job>,
    by_id: BTreeMap<String, WorkerJob>,
    by_key: BTreeMap<IdempotencyKey, WorkerJob>,
    /// Jobs that wait for a slot, in the order of their arrival.
    queue: VecDeque<WorkerJob>,
    /// Jobs that have a slot.
    running: usize,
    /// Ended jobs and their ends, in that order.
    ended: VecDeque<(Time, WorkerJob)>,
    /// The keys of ended jobs' indices, to remove them with the job.
    keys: BTreeMap<WorkerJob, IdempotencyKey>,
}

/// Returns the idempotency key of a request, if it has one.
fn idempotency_key(request: &JobRequest) -> Option<IdempotencyKey> {
    let meta = request.meta.as_ref().filter(|meta| !meta.idempotency_key.is_empty())?;
    let tenant = if meta.tenant_id.is_empty() { &request.tenant_id } else { &meta.tenant_id };
    Some((tenant.clone(), meta.idempotency_key.clone()))
}

impl Jobs {
    pub(super) fn get(&self, key: WorkerJob) -> Option<&Job> {
        self.slab.get(key)
    }

    pub(super) fn get_mut(&mut self, key: WorkerJob) -> Option<&mut Job> {
        self.slab.get_mut(key)
    }

    /// Returns the job that an answer is for, if it awaits one for this attempt in this state.
    pub(super) fn awaited(&mut self, attempt: Attempt, state: WorkerJobState) -> Result<&mut Job, WorkerRefused> {
        let job = self.slab.get_mut(attempt.job).ok_or(WorkerRefused::Stale)?;
        job.expects(attempt, state)?;
        Ok(job)
    }

    /// Returns the job of an id that a submitter chose.
    pub(super) fn find(&self, id: &str) -> Option<WorkerJob> {
        self.by_id.get(id).copied()
    }

    /// Returns the job with the same idempotency key as a request.
    pub(super) fn find_same(&self, request: &JobRequest) -> Option<(WorkerJob, &Job)> {
        let key = *self.by_key.get(&idempotency_key(request)?)?;
        Some((key, self.slab.get(key)?))
    }

    /// Returns whether a request asks for the same as a job, under the same idempotency key.
    pub(super) fn asks_the_same(&self, key: WorkerJob, request: &JobRequest) -> bool {
        let has_key = self.keys.get(&key) == idempotency_key(request).as_ref();
        has_key && self.get(key).is_some_and(|job| job.is_same(request))
    }

    /// Adds a job, which waits for a slot.
    pub(super) fn accept(&mut self, request: JobRequest, asker: Asker, now: Time) -> WorkerJob {
        let id = asker.job_id.clone();
        let idempotency = idempotency_key(&request);
        let key = self.slab.insert_with_key(|key| Job::new(key, request, asker, now));
        self.by_id.insert(id, key);
        if let Some(idempotency) = idempotency {
            self.by_key.insert(idempotency.clone(), key);
            self.keys.insert(key, idempotency);
        }
        self.queue.push_back(key);
        key
    }

    /// Lets a job answer a further request.
    pub(super) fn follow(&mut self, key: WorkerJob, asker: Asker) {
        if let Some(job) = self.slab.get_mut(key) {
            self.by_id.insert(asker.job_id.clone(), key);
            job.follow(asker);
        }
    }

    /// Lets a job that has no result yet answer a higher attempt of a request that it answers.
    pub(super) fn join(&mut self, key: WorkerJob, asker: Asker) {
        if let Some(job) = self.slab.get_mut(key) {
            job.join(asker);
        }
    }

    /// Takes out a job that has ended, and returns the requests that it has answered.
    pub(super) fn take_ended(&mut self, key: WorkerJob) -> Vec<Asker> {
        let is_ended = |job: &Job| job.state() == WorkerJobState::Ended;
        if !self.get(key).is_some_and(is_ended) {
            return Vec::new();
        }
        self.ended.retain(|(_, ended)| *ended != key);
        self.remove(key)
    }

    /// Removes a job and its indices.
    fn remove(&mut self, key: WorkerJob) -> Vec<Asker> {
        let askers = self.slab.remove(key).map(Job::into_askers).unwrap_or_default();
        for asker in &askers {
            self.by_id.remove(&asker.job_id);
        }
        if let Some(idempotency) = self.keys.remove(&key) {
            self.by_key.remove(&idempotency);
        }
        askers
    }

    /// Returns whom to tell of each job that has no result yet and has said nothing since this was asked last, with the
    /// percentage that it has said last and where it stands.
    pub(super) fn take_silent(&mut self) -> Vec<(Asker, i32, JobStatus)> {
        let live = self.slab.values_mut().filter(|job| job.verdict().is_none());
        let silent = live.filter_map(|job| job.take_silence().map(|percent| (&*job, percent)));
        let signs = silent.flat_map(|(job, percent)| {
            let is_queued = job.state() == WorkerJobState::Queued;
            let status = if is_queued { JobStatus::DISPATCHED } else { JobStatus::RUNNING };
            job.askers().iter().map(move |asker| (asker.clone(), percent, status))
        });
        signs.collect()
    }

    /// Returns the number of jobs that wait for a slot.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of jobs that have a slot.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Returns whether no job is left to run.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.queue.is_empty()
    }

    /// Takes a slot for the job that has waited the longest.
    pub(super) fn claim(&mut self, slots: usize) -> Option<WorkerJob> {
        if self.running >= slots {
            return None;
        }
        let key = self.queue.pop_front()?;
        self.running += 1;
        Some(key)
    }

    /// Decides the result of a job; see [`Job::decide`]. Frees its slot unless its handler still runs.
    pub(super) fn decide(
        &mut self,
        key: WorkerJob,
        verdict: Verdict,
        now: Time,
        by_handler: bool,
        timers: &mut Timers,
    ) -> bool {
        let Some(job) = self.slab.get_mut(key) else { return false };
        let before = job.state();
        if !job.decide(verdict, now, by_handler) {
            return false;
        }
        job.retire(timers);
        if job.state() == WorkerJobState::Ended {
            self.leave(key, before, now);
        }
        true
    }

    /// Notes that a handler that had to stop has ended.
    pub(super) fn stopped(&mut self, key: WorkerJob, now: Time) -> bool {
        let stopped = self.slab.get_mut(key).is_some_and(Job::stopped);
        if stopped {
            self.leave(key, WorkerJobState::Stopping, now);
        }
        stopped
    }

    fn leave(&mut self, key: WorkerJob, before: WorkerJobState, now: Time) {
        if before.has_slot() {
            self.running = self.running.saturating_sub(1);
        } else {
            self.queue.retain(|queued| *queued != key);
        }
        if let Some(job) = self.slab.get_mut(key) {
            job.ended(now);
        }
        self.ended.push_back((now, key));
    }

    /// Returns the bytes of all jobs.
    pub(super) fn bytes(&self) -> usize {
        self.slab.values().map(Job::bytes).sum()
    }

    /// Forgets the ended jobs that ended before some time, and those that are too many.
    pub(super) fn forget(&mut self, before: Option<Time>, retained: usize) {
        while let Some((at, key)) = self.ended.front().copied() {
            if before.is_none_or(|before| at > before) && self.ended.len() <= retained {
                return;
            }
            self.ended.pop_front();
            self.remove(key);
        }
    }
}
