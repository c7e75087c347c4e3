//! The jobs of a client, and the handles through which its application follows them.
//!
//! ```text
//!   HandleId --> Handle --+
//!   HandleId --> Handle --+--> Job "job_1"
//!   HandleId --> Handle -----> Job "job_2"
//!
//!   a submit        open --> asked --------------> answered, bind --> … --> close
//!   a subscription  open --> bind, asked --------> answered --------> … --> close
//!   a child         open --> bind ----------------------------------> … --> close
//! ```
//!
//! A job is kept as long as a handle follows it. Afterwards its id is retired, so that late frames of it are dropped.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use slotmap::SlotMap;

use super::begin::Begin;
use super::chunks::Stream;
use super::retired::Retired;
use super::types::{HandleId, Outcome, RequestId};
use crate::arcp::wire::ids::MAX_ID_BYTES;
use crate::arcp::wire::job::FinalStatus;
use crate::time::Time;

slotmap::new_key_type! {
    /// A job of the session.
    pub(super) struct JobKey;
}

/// Where a handle comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Submit,
    Subscription,
    Child,
}

/// One way in which the application follows a job.
#[derive(Clone, Debug)]
struct Handle {
    role: Role,
    job: Option<JobKey>,
    /// The submit or subscribe, until it is answered.
    asked: Option<RequestId>,
    /// Whether the application has released the handle and receives no more events of it.
    released: bool,
    begin: Begin,
    /// The highest number that was delivered.
    seq: u64,
    /// The streamed result, once its first chunk was received.
    stream: Option<Box<Stream>>,
    cancels: Vec<Cancel>,
    /// Whether the application has cancelled the job with this handle, and was not refused.
    cancelled: bool,
    /// The outcome of a job that ended before its subscription was answered.
    parked: Option<Box<Outcome>>,
    /// The status of a job that had ended before it was subscribed to, and until when its terminal is awaited (reading clock).
    owed: Option<(FinalStatus, Time)>,
}

/// A cancel that was not answered yet.
#[derive(Clone, Debug)]
struct Cancel {
    request: RequestId,
    /// The reason, if the cancel waits for its job to be accepted.
    reason: Option<Box<str>>,
}

/// A job, and the handles that follow it.
#[derive(Clone, Debug)]
struct Job {
    id: Arc<str>,
    members: Vec<HandleId>,
    /// Whether the job was submitted or delegated in this session, and not only subscribed to.
    own: bool,
}

/// What a closed handle leaves behind.
#[derive(Clone, Debug)]
pub(super) struct ClosedHandle {
    /// Whether the application had released it.
    pub(super) released: bool,
    /// The cancels that were not answered yet.
    pub(super) cancels: Vec<RequestId>,
    /// The job, if no other handle follows it.
    pub(super) job: Option<JobKey>,
}

/// All jobs and handles of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    handles: SlotMap<HandleId, Handle>,
    jobs: SlotMap<JobKey, Job>,
    by_id: BTreeMap<Arc<str>, JobKey>,
    /// The job that was looked up last. Often the next frame belongs to it, too.
    last: Option<JobKey>,
    /// The handles that wait for a terminal message, by their deadline.
    owed: BTreeSet<(Time, HandleId)>,
    retired: Retired,
}

impl Jobs {
    // Handles.

    /// Returns the number of handles.
    pub(super) fn len(&self) -> usize {
        self.handles.len()
    }

    /// Opens a handle that follows no job yet.
    pub(super) fn open(&mut self, role: Role) -> HandleId {
        self.handles.insert(Handle {
            role,
            job: None,
            asked: None,
            released: false,
            begin: Begin::default(),
            seq: 0,
            stream: None,
            cancels: Vec::new(),
            cancelled: false,
            parked: None,
            owed: None,
        })
    }

    /// Records the submit or subscribe that a handle waits for.
    pub(super) fn asked(&mut self, handle: HandleId, request: RequestId) {
        if let Some(handle) = self.handles.get_mut(handle) {
            handle.asked = Some(request);
        }
    }

    /// Records that the submit or subscribe of a handle was answered. Returns the outcome of the job if it has ended in
    /// the meantime.
    pub(super) fn answered(&mut self, handle: HandleId) -> Option<Box<Outcome>> {
        let handle = self.handles.get_mut(handle)?;
        handle.asked = None;
        handle.parked.take()
    }

    /// Lets a handle follow a job.
    pub(super) fn bind(&mut self, handle: HandleId, id: &str) {
        let key = self.by_id.get(id).copied().unwrap_or_else(|| {
            let id: Arc<str> = Arc::from(id);
            self.retired.remove(&id);
            let key = self.jobs.insert(Job { id: id.clone(), members: Vec::new(), own: false });
            self.by_id.insert(id, key);
            key
        });
        if let Some(member) = self.handles.get_mut(handle)
            && let Some(job) = self.jobs.get_mut(key)
        {
            member.job = Some(key);
            job.members.push(handle);
            job.own |= member.role != Role::Subscription;
        }
    }

    /// Releases a handle: the application receives no more events of it. Returns where the handle comes from and its
    /// unanswered submit or subscribe, or `None` for a dead handle.
    pub(super) fn release(&mut self, handle: HandleId) -> Option<(Role, Option<RequestId>)> {
        let handle = self.handles.get_mut(handle)?;
        handle.released = true;
        handle.stream = None;
        Some((handle.role, handle.asked))
    }

    /// Closes a handle, and forgets its job if no other handle follows it.
    pub(super) fn close(&mut self, handle: HandleId) -> Option<ClosedHandle> {
        let Handle { job, released, cancels, owed, .. } = self.handles.remove(handle)?;
        if let Some((_, due)) = owed {
            self.owed.remove(&(due, handle));
        }
        let mut last = None;
        if let Some(key) = job
            && let Some(job) = self.jobs.get_mut(key)
        {
            job.members.retain(|member| *member != handle);
            if job.members.is_empty()
                && let Some(job) = self.jobs.remove(key)
            {
                last = Some(key);
                self.by_id.remove(&job.id);
                self.retired.add(job.id);
            }
        }
        let cancels = cancels.into_iter().map(|cancel| cancel.request).collect();
        Some(ClosedHandle { released, cancels, job: last })
    }

    /// Returns where a handle comes from, or `None` for a dead handle.
    pub(super) fn role(&self, handle: HandleId) -> Option<Role> {
        self.handles.get(handle).map(|handle| handle.role)
    }

    /// Returns the submit or subscribe of a handle that was not answered yet.
    pub(super) fn unanswered(&self, handle: HandleId) -> Option<RequestId> {
        self.handles.get(handle)?.asked
    }

    /// Returns whether the application receives no more events of a handle.
    pub(super) fn is_released(&self, handle: HandleId) -> bool {
        self.handles.get(handle).is_none_or(|handle| handle.released)
    }

    /// Returns the id of the job that a handle follows.
    pub(super) fn id(&self, handle: HandleId) -> Option<&Arc<str>> {
        self.jobs.get(self.handles.get(handle)?.job?).map(|job| &job.id)
    }

    // Cancels.

    /// Adds a cancel of the handle's job. One that waits for the job to be accepted keeps its reason here.
    pub(super) fn add_cancel(&mut self, handle: HandleId, request: RequestId, reason: Option<Box<str>>) {
        if let Some(handle) = self.handles.get_mut(handle) {
            handle.cancels.push(Cancel { request, reason });
            handle.cancelled = true;
        }
    }

    /// Records that the runtime has refused a cancel of the handle's job.
    pub(super) fn cancel_refused(&mut self, handle: HandleId) {
        if let Some(handle) = self.handles.get_mut(handle) {
            handle.cancelled = false;
        }
    }

    /// Returns whether the application has cancelled a job, and was not refused.
    pub(super) fn is_cancelled(&self, job: JobKey) -> bool {
        let mut members = self.jobs.get(job).into_iter().flat_map(|job| &job.members);
        members.any(|member| self.handles.get(*member).is_some_and(|handle| handle.cancelled))
    }

    /// Returns the cancels of a handle, and takes their reasons.
    pub(super) fn take_cancels(&mut self, handle: HandleId) -> Vec<(RequestId, Option<Box<str>>)> {
        let cancels = self.handles.get_mut(handle).map(|handle| handle.cancels.iter_mut());
        cancels.into_iter().flatten().map(|cancel| (cancel.request, cancel.reason.take())).collect()
    }

    /// Removes a cancel that was answered or has failed.
    pub(super) fn remove_cancel(&mut self, handle: HandleId, request: RequestId) {
        if let Some(handle) = self.handles.get_mut(handle) {
            handle.cancels.retain(|cancel| cancel.request != request);
        }
    }

    // Jobs.

    /// Returns the job with this id, if a handle follows it.
    pub(super) fn find(&mut self, id: &str) -> Option<JobKey> {
        if let Some(last) = self.last
            && self.jobs.get(last).is_some_and(|job| &*job.id == id)
        {
            return Some(last);
        }
        let found = self.by_id.get(id).copied();
        self.last = found.or(self.last);
        found
    }

    /// Returns whether the job is the session's own, and not only subscribed to.
    pub(super) fn is_own(&self, job: JobKey) -> bool {
        self.jobs.get(job).is_some_and(|job| job.own)
    }

    /// Returns whether a subscription follows the job with this id.
    pub(super) fn is_subscribed(&self, id: &str) -> bool {
        let job = self.by_id.get(id).and_then(|key| self.jobs.get(*key));
        let mut members = job.into_iter().flat_map(|job| &job.members);
        members.any(|member| self.role(*member) == Some(Role::Subscription))
    }

    /// Returns the handles of a job that the application has not released.
    pub(super) fn followers(&self, job: JobKey) -> impl Iterator<Item = HandleId> {
        let members = self.jobs.get(job).into_iter().flat_map(|job| &job.members);
        members.copied().filter(|handle| !self.is_released(*handle))
    }

    /// Begins an unanswered subscription, if it has received events. Returns its job if the application is to be told.
    pub(super) fn begin(&mut self, handle: HandleId) -> Option<&Arc<str>> {
        let handle = self.handles.get_mut(handle).filter(|handle| !handle.released)?;
        let job = self.jobs.get(handle.job?)?;
        handle.begin.tell().then_some(&job.id)
    }

    /// Returns whether the application was told that a subscription has begun before it was answered.
    pub(super) fn has_begun(&self, handle: HandleId) -> bool {
        self.handles.get(handle).is_some_and(|handle| handle.begin.is_told())
    }

    /// Returns the subscriptions to a job that have begun.
    pub(super) fn begun_subscriptions(&self, job: JobKey) -> Vec<HandleId> {
        let has_begun = |handle: &HandleId| {
            let handle = self.handles.get(*handle);
            handle.is_some_and(|handle| {
                handle.role == Role::Subscription && (handle.asked.is_none() || handle.begin.is_told())
            })
        };
        self.members(job).into_iter().filter(has_begun).collect()
    }

    /// Returns whether late frames of the job with this id are to be dropped.
    pub(super) fn is_retired(&self, id: &str) -> bool {
        self.retired.contains(id)
    }

    /// Retires the id of a job that no handle follows.
    pub(super) fn retire(&mut self, id: &str) {
        self.retired.add(Arc::from(id));
    }

    /// Returns all jobs.
    pub(super) fn keys(&self) -> impl Iterator<Item = JobKey> {
        self.jobs.keys()
    }

    /// Returns the id of a job, or `None` if no handle follows it any more.
    pub(super) fn id_of(&self, job: JobKey) -> Option<&Arc<str>> {
        self.jobs.get(job).map(|job| &job.id)
    }

    /// Returns the handles of a job, released or not.
    pub(super) fn members(&self, job: JobKey) -> Vec<HandleId> {
        self.jobs.get(job).map_or_else(Vec::new, |job| job.members.clone())
    }

    /// Returns the number up to which all handles of a job have received its events.
    pub(super) fn received(&self, job: JobKey) -> Option<u64> {
        self.jobs.get(job)?.members.iter().filter_map(|member| self.handles.get(*member)).map(|handle| handle.seq).min()
    }

    // Delivery.

    /// Delivers an event to the handles of a job that have not received it: calls `deliver` with each of them that was
    /// not released, and with the stream of its result. Returns whether there was any such handle, released or not.
    pub(super) fn deliver(
        &mut self,
        job: JobKey,
        seq: u64,
        mut deliver: impl FnMut(HandleId, &mut Option<Box<Stream>>),
    ) -> bool {
        let mut delivered = false;
        for member in self.jobs.get(job).into_iter().flat_map(|job| &job.members) {
            let Some(handle) = self.handles.get_mut(*member) else { continue };
            if handle.receive(seq) {
                delivered = true;
                handle.begin.hear();
                if !handle.released {
                    deliver(*member, &mut handle.stream);
                }
            }
        }
        delivered
    }

    /// Returns the handles of a job that have not received its terminal message, each with the stream of its result and
    /// the number of the message, and records that they have.
    ///
    /// Some runtimes number what they send again from 1. A handle that waits for the message of a job that is known to
    /// have ended takes it under an old number as well, as a message without a number.
    pub(super) fn end(&mut self, job: JobKey, seq: u64) -> Vec<(HandleId, Option<Box<Stream>>, u64)> {
        let members = self.jobs.get(job).into_iter().flat_map(|job| &job.members);
        members
            .filter_map(|member| {
                let handle = self.handles.get_mut(*member)?;
                let is_owed = handle.owed.is_some() && handle.parked.is_none();
                let seq = if handle.receive(seq) { Some(seq) } else { is_owed.then_some(0) };
                seq.map(|seq| (*member, handle.stream.take(), seq))
            })
            .collect()
    }

    /// Keeps the outcome of a job until its subscription is answered. Returns the outcome if the handle does not wait
    /// for that.
    pub(super) fn park(&mut self, handle: HandleId, outcome: Box<Outcome>) -> Option<Box<Outcome>> {
        match self.handles.get_mut(handle) {
            Some(handle) if handle.role == Role::Subscription && handle.asked.is_some() => {
                handle.parked = Some(outcome);
                None
            }
            _ => Some(outcome),
        }
    }

    // Terminal messages that the runtime owes.

    /// Records that the job of a handle had ended before it was subscribed to, and that its terminal message is waited
    /// for until `due`.
    pub(super) fn owe(&mut self, handle: HandleId, status: FinalStatus, due: Time) {
        if let Some(owing) = self.handles.get_mut(handle) {
            if let Some((_, former)) = owing.owed.replace((status, due)) {
                self.owed.remove(&(former, handle));
            }
            self.owed.insert((due, handle));
        }
    }

    /// Returns whether the terminal message of a handle's job is waited for, because the job is known to have ended.
    pub(super) fn is_owed(&self, handle: HandleId) -> bool {
        self.handles.get(handle).is_some_and(|handle| handle.owed.is_some())
    }

    /// Returns the job that a handle follows.
    pub(super) fn followed_by(&self, handle: HandleId) -> Option<JobKey> {
        self.handles.get(handle)?.job
    }

    /// Returns the handle whose terminal message is given up first, with the status of its job and the deadline.
    pub(super) fn first_owed(&self) -> Option<(Time, HandleId, FinalStatus)> {
        let (due, handle) = self.owed.first().copied()?;
        let (status, _) = self.handles.get(handle)?.owed?;
        Some((due, handle, status))
    }

    /// Returns an upper estimate of the memory held, in bytes.
    pub(super) fn bytes_held(&self) -> usize {
        let job = size_of::<Job>() + size_of::<HandleId>() + MAX_ID_BYTES;
        let handles = self.handles.len().saturating_mul(size_of::<Handle>());
        let jobs = self.jobs.len().saturating_mul(job);
        handles.saturating_add(jobs).saturating_add(self.retired.bytes_held())
    }
}

impl Handle {
    /// Records the number of a frame, and returns whether the frame is new to this handle. An unnumbered frame always
    /// is.
    fn receive(&mut self, seq: u64) -> bool {
        if self.parked.is_some() || (seq != 0 && seq <= self.seq) {
            return false;
        }
        self.seq = self.seq.max(seq);
        true
    }
}
