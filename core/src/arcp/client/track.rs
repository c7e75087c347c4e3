//! Jobs and the handles that follow them; events of jobs that are not known yet.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use slotmap::SlotMap;

use super::chunks::Stream;
use super::types::{HandleId, Outcome, RequestId};
use crate::arcp::wire::ids::MAX_ID_BYTES;
use crate::arcp::wire::job::FinalStatus;
use crate::time::Time;

/// Ids of jobs that are over for this client: their late frames are dropped without a word.
const RETIRED: usize = 1_024;

slotmap::new_key_type! {
    /// A job of the session.
    pub(super) struct JobKey;
}

/// Why there is a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Submit,
    Subscribe,
    Child,
}

/// What the application follows.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) role: Role,
    pub(super) job: Option<JobKey>,
    /// The submit or subscribe, until it is answered.
    pub(super) asked: Option<RequestId>,
    /// Its application is gone: nothing is told any more.
    pub(super) released: bool,
    /// The highest number delivered.
    pub(super) seq: u64,
    pub(super) stream: Option<Box<Stream>>,
    pub(super) cancels: Vec<Cancel>,
    /// A terminal that came before the subscription was answered.
    pub(super) parked: Option<Box<Outcome>>,
    /// How the job had ended before it was subscribed to, and when the terminal that the runtime owes is given up; on
    /// the reading clock.
    pub(super) owed: Option<(FinalStatus, Time)>,
}

/// A cancel of a track, until it is answered.
#[derive(Clone, Debug)]
pub(super) struct Cancel {
    pub(super) request: RequestId,
    pub(super) reason: Option<Box<str>>,
}

impl Track {
    pub(super) fn new(role: Role) -> Track {
        Track {
            role,
            job: None,
            asked: None,
            released: false,
            seq: 0,
            stream: None,
            cancels: Vec::new(),
            parked: None,
            owed: None,
        }
    }

    /// Whether a numbered frame is for this handle; if so, it was. Unnumbered frames always are.
    pub(super) fn takes(&mut self, seq: u64) -> bool {
        if self.parked.is_some() || (seq != 0 && seq <= self.seq) {
            return false;
        }
        self.seq = self.seq.max(seq);
        true
    }
}

/// A job and who follows it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: Arc<str>,
    pub(super) members: Vec<HandleId>,
    /// Whether it is this session's own, submitted or delegated; else it is only subscribed to.
    pub(super) own: bool,
}

/// All handles and jobs of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    pub(super) handles: SlotMap<HandleId, Track>,
    pub(super) jobs: SlotMap<JobKey, Job>,
    by_id: BTreeMap<Arc<str>, JobKey>,
    /// The job of the last frame: the next one is often its, too.
    last: Option<JobKey>,
    settling: BTreeSet<(Time, HandleId)>,
    retired: VecDeque<Arc<str>>,
    is_retired: BTreeSet<Arc<str>>,
}

impl Tracks {
    /// The job with this id.
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

    pub(super) fn id(&self, handle: HandleId) -> Option<&Arc<str>> {
        self.jobs.get(self.handles.get(handle)?.job?).map(|job| &job.id)
    }

    /// Lets a handle follow a job.
    pub(super) fn bind(&mut self, handle: HandleId, id: &str) -> JobKey {
        let key = self.by_id.get(id).copied().unwrap_or_else(|| {
            let id: Arc<str> = Arc::from(id);
            self.unretire(&id);
            let key = self.jobs.insert(Job { id: id.clone(), members: Vec::new(), own: false });
            self.by_id.insert(id, key);
            key
        });
        if let Some(track) = self.handles.get_mut(handle)
            && let Some(job) = self.jobs.get_mut(key)
        {
            track.job = Some(key);
            job.members.push(handle);
            job.own |= track.role != Role::Subscribe;
        }
        key
    }

    /// Forgets a handle, and its job with the last one.
    pub(super) fn remove(&mut self, handle: HandleId) -> Option<Track> {
        let track = self.handles.remove(handle)?;
        if let Some((_, due)) = track.owed {
            self.settling.remove(&(due, handle));
        }
        if let Some(key) = track.job
            && let Some(job) = self.jobs.get_mut(key)
        {
            job.members.retain(|member| *member != handle);
            if job.members.is_empty() {
                let id = job.id.clone();
                self.jobs.remove(key);
                self.by_id.remove(&id);
                self.retire(id);
            }
        }
        Some(track)
    }

    /// Whether another handle subscribes to the same job.
    pub(super) fn subscribed(&self, job: JobKey) -> bool {
        let mut members = self.jobs.get(job).into_iter().flat_map(|job| &job.members);
        members.any(|member| self.handles.get(*member).is_some_and(|track| track.role == Role::Subscribe))
    }

    /// The terminal of a handle is owed until `due`.
    pub(super) fn settle(&mut self, handle: HandleId, due: Time, status: FinalStatus) {
        if let Some(track) = self.handles.get_mut(handle) {
            track.owed = Some((status, due));
            self.settling.insert((due, handle));
        }
    }

    pub(super) fn settles(&self) -> Option<(Time, HandleId)> {
        self.settling.first().copied()
    }

    pub(super) fn retire(&mut self, id: Arc<str>) {
        if id.len() > MAX_ID_BYTES || !self.is_retired.insert(id.clone()) {
            return;
        }
        self.retired.push_back(id);
        if self.retired.len() > RETIRED
            && let Some(oldest) = self.retired.pop_front()
        {
            self.is_retired.remove(&oldest);
        }
    }

    pub(super) fn is_retired(&self, id: &str) -> bool {
        self.is_retired.contains(id)
    }

    fn unretire(&mut self, id: &str) {
        if self.is_retired.remove(id) {
            self.retired.retain(|retired| &**retired != id);
        }
    }

    pub(super) fn bytes_held(&self) -> usize {
        let job = size_of::<Job>() + size_of::<HandleId>() + MAX_ID_BYTES;
        let tracks = self.handles.len().saturating_mul(size_of::<Track>());
        let jobs = self.jobs.len().saturating_mul(job);
        tracks.saturating_add(jobs).saturating_add(self.retired.len().saturating_mul(MAX_ID_BYTES))
    }
}

/// Frames of jobs whose `job.accepted` has not arrived, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    frames: VecDeque<HeldFrame>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct HeldFrame {
    job: Box<str>,
    seq: u64,
    frame: Bytes,
}

impl Held {
    pub(super) fn push(&mut self, job: &str, seq: u64, frame: Bytes) {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.frames.push_back(HeldFrame { job: Box::from(job), seq, frame });
    }

    pub(super) fn holds(&self, job: &str) -> bool {
        self.frames.iter().any(|held| &*held.job == job)
    }

    /// All frames of a job, in the order they came.
    pub(super) fn take(&mut self, job: &str) -> Vec<Bytes> {
        let mut taken = Vec::new();
        if self.frames.is_empty() {
            return taken;
        }
        self.frames.retain(|held| {
            if &*held.job == job {
                self.bytes = self.bytes.saturating_sub(held.frame.len());
                taken.push(held.frame.clone());
                return false;
            }
            true
        });
        taken
    }

    /// The number of the oldest frame, which is dropped because there are too many.
    pub(super) fn overflow(&mut self, events: usize, bytes: usize) -> Option<u64> {
        if self.frames.len() <= events && self.bytes <= bytes {
            return None;
        }
        let dropped = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(dropped.frame.len());
        Some(dropped.seq)
    }

    pub(super) const fn bytes_held(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }
}
