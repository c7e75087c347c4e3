//! The jobs for whose results a client waits, with their deadlines.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use slotmap::SlotMap;

use super::output::{ClientJob, ClientTimer};
use super::state::SubmitState;
use crate::cap::wire::job::JobRequest;
use crate::time::Time;

/// One job.
#[derive(Clone, Debug)]
struct Job {
    state: SubmitState,
    request: JobRequest,
    trace_id: String,
    /// Why it has to stop.
    reason: String,
    /// The size of its encoded request.
    bytes: usize,
    /// How often its request was sent, and how often of that because nothing was heard.
    requests: u32,
    resubmissions: u32,
    resubmit_at: Option<Time>,
    /// How often its request was sent on a new connection, if nothing was heard since and it is sent again soon.
    reconnected: Option<u32>,
    /// How often its cancellation was sent.
    cancellations: u32,
    cancel_at: Option<Time>,
    /// Whether anything was heard of it.
    is_heard: bool,
    wait_until: Option<Time>,
}

/// The jobs by key and by id, and their deadlines in one ordered set.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    slab: SlotMap<ClientJob, Job>,
    by_id: BTreeMap<String, ClientJob>,
    timers: BTreeSet<(Time, ClientTimer, ClientJob)>,
    bytes: usize,
}

impl Jobs {
    /// Adds a job, until `wait_until` if it is not awaited for ever.
    pub(super) fn add(
        &mut self,
        request: JobRequest,
        trace_id: String,
        bytes: usize,
        wait_until: Option<Time>,
    ) -> ClientJob {
        // A deadline at the end of time never passes.
        let wait_until = wait_until.filter(|at| *at < Time::MAX);
        let id = request.job_id.clone();
        let state = SubmitState::Submitted;
        let job = Job {
            state,
            request,
            trace_id,
            reason: String::new(),
            bytes,
            requests: 0,
            resubmissions: 0,
            resubmit_at: None,
            reconnected: None,
            cancellations: 0,
            cancel_at: None,
            is_heard: false,
            wait_until,
        };
        let key = self.slab.insert(job);
        self.by_id.insert(id, key);
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(at) = wait_until {
            self.timers.insert((at, ClientTimer::Wait, key));
        }
        key
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Returns the bytes of all requests.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the bytes of all jobs.
    pub(super) fn held(&self) -> usize {
        let texts: usize = self.slab.values().map(|job| job.trace_id.len() + job.reason.len()).sum();
        self.bytes + texts + self.slab.len() * size_of::<Job>()
    }

    pub(super) fn find(&self, id: &str) -> Option<ClientJob> {
        self.by_id.get(id).copied()
    }

    /// Returns the request of a job and its trace.
    pub(super) fn request(&self, key: ClientJob) -> Option<(&JobRequest, &str)> {
        self.slab.get(key).map(|job| (&job.request, job.trace_id.as_str()))
    }

    pub(super) fn keys(&self) -> Vec<ClientJob> {
        self.slab.keys().collect()
    }

    /// Notes that a job has to stop. Returns false if that is not the first time.
    pub(super) fn cancel(&mut self, key: ClientJob, reason: &str) -> bool {
        let Some(job) = self.slab.get_mut(key) else { return false };
        let cancels = job.state.cancel();
        if cancels {
            job.reason = reason.into();
        }
        cancels
    }

    /// Returns why a job has to stop, if it has to.
    pub(super) fn cancelled(&self, key: ClientJob) -> Option<&str> {
        let job = self.slab.get(key).filter(|job| job.state == SubmitState::Cancelling)?;
        Some(&job.reason)
    }

    /// Forgets a job. Returns false if it was forgotten before.
    pub(super) fn end(&mut self, key: ClientJob) -> bool {
        self.rest(key);
        let Some(mut job) = self.slab.remove(key) else { return false };
        self.by_id.remove(&job.request.job_id);
        self.bytes = self.bytes.saturating_sub(job.bytes);
        if let Some(at) = job.wait_until {
            self.timers.remove(&(at, ClientTimer::Wait, key));
        }
        job.state.end()
    }

    /// Sends the request of a job again at some time, unless it was sent again often enough.
    pub(super) fn resubmit_at(&mut self, key: ClientJob, at: Time, resubmissions: u32) {
        let Some(job) = self.slab.get_mut(key) else { return };
        let may_send = job.reconnected.is_some() || job.resubmissions < resubmissions;
        let next = Some(at).filter(|at| may_send && *at < Time::MAX);
        move_timer(&mut self.timers, &mut job.resubmit_at, next, ClientTimer::Resubmit, key);
    }

    /// Sends the cancellation of a job again after a pause, which doubles each time up to the longest.
    pub(super) fn cancel_again(&mut self, key: ClientJob, now: Time, first: Duration, longest: Duration) {
        let Some(job) = self.slab.get_mut(key) else { return };
        let factor = 1_u32.checked_shl(job.cancellations).unwrap_or(u32::MAX);
        job.cancellations = job.cancellations.saturating_add(1);
        let at = now.plus(first.saturating_mul(factor).min(longest.max(first)));
        let next = Some(at).filter(|at| *at < Time::MAX);
        move_timer(&mut self.timers, &mut job.cancel_at, next, ClientTimer::Cancel, key);
    }

    /// Sends neither the request of a job nor its cancellation again.
    pub(super) fn rest(&mut self, key: ClientJob) {
        let Some(job) = self.slab.get_mut(key) else { return };
        move_timer(&mut self.timers, &mut job.resubmit_at, None, ClientTimer::Resubmit, key);
        move_timer(&mut self.timers, &mut job.cancel_at, None, ClientTimer::Cancel, key);
    }

    /// Counts that the request of a job was sent.
    pub(super) fn requested(&mut self, key: ClientJob) {
        if let Some(job) = self.slab.get_mut(key) {
            job.requests = job.requests.saturating_add(1);
        }
    }

    /// Notes that something was heard of a job.
    pub(super) fn heard(&mut self, key: ClientJob) {
        if let Some(job) = self.slab.get_mut(key) {
            (job.is_heard, job.reconnected) = (true, None);
        }
    }

    /// Notes that there is a new connection, on which the request of a job is sent again.
    pub(super) fn reconnect(&mut self, key: ClientJob) {
        if let Some(job) = self.slab.get_mut(key) {
            job.reconnected = Some(0).filter(|_| job.requests > 0);
        }
    }

    /// Returns the pause until the request of a job that is sent on a new connection is sent again, if that is shorter than
    /// the longest.
    pub(super) fn pause(&mut self, key: ClientJob, first: Duration, longest: Duration) -> Option<Duration> {
        let job = self.slab.get_mut(key)?;
        let factor = 1_u32.checked_shl(job.reconnected?).unwrap_or(u32::MAX);
        let pause = Some(first.saturating_mul(factor)).filter(|pause| *pause < longest);
        job.reconnected = job.reconnected.filter(|_| pause.is_some());
        pause
    }

    /// Returns how often the request of a job was sent, if nothing was heard of the job.
    pub(super) fn unheard(&self, key: ClientJob) -> Option<u32> {
        self.slab.get(key).filter(|job| !job.is_heard).map(|job| job.requests)
    }

    /// Counts that the request of a job is sent again.
    pub(super) fn resubmitted(&mut self, key: ClientJob) {
        let Some(job) = self.slab.get_mut(key) else { return };
        match &mut job.reconnected {
            Some(times) => *times = times.saturating_add(1),
            None => job.resubmissions = job.resubmissions.saturating_add(1),
        }
    }

    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<(Time, ClientTimer)> {
        self.timers.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Takes out the earliest deadline that has passed.
    pub(super) fn expired(&mut self, now: Time) -> Option<(ClientTimer, ClientJob)> {
        self.timers.first().filter(|(at, _, _)| *at <= now)?;
        self.timers.pop_first().map(|(_, timer, job)| (timer, job))
    }
}

/// Moves a deadline of a job to another time, or takes it back.
fn move_timer(
    timers: &mut BTreeSet<(Time, ClientTimer, ClientJob)>,
    armed: &mut Option<Time>,
    next: Option<Time>,
    timer: ClientTimer,
    key: ClientJob,
) {
    if let Some(at) = core::mem::replace(armed, next) {
        timers.remove(&(at, timer, key));
    }
    if let Some(at) = next {
        timers.insert((at, timer, key));
    }
}
