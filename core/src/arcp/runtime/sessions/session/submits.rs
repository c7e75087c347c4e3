//! The submits of a session, by the ids that its client gave them (§5).

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use crate::arcp::runtime::host::JobKey;
use crate::arcp::wire::ids::JobUlid;

/// The last submits, so that a repetition is answered with the same job.
#[derive(Clone, Debug, Default)]
pub(super) struct Submits {
    by_id: BTreeMap<Arc<str>, (JobKey, JobUlid)>,
    /// The ids in the order of their submits.
    order: VecDeque<Arc<str>>,
    /// Bytes of the ids.
    bytes: usize,
}

impl Submits {
    /// Remembers a submit, unless its id is known. Forgets the oldest beyond `max`.
    pub(super) fn remember(&mut self, id: &str, job: JobKey, ulid: JobUlid, max: usize) {
        let Entry::Vacant(place) = self.by_id.entry(id.into()) else { return };
        self.bytes += id.len();
        self.order.push_back(Arc::clone(place.key()));
        place.insert((job, ulid));
        if self.order.len() > max
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= oldest.len();
            self.by_id.remove(&oldest);
        }
    }

    /// Returns the job of a submit.
    pub(super) fn job(&self, id: &str) -> Option<JobKey> {
        self.by_id.get(id).map(|(job, _)| *job)
    }

    /// Forgets the submits of a job.
    pub(super) fn forget(&mut self, job: JobUlid) {
        self.by_id.retain(|_, (_, ulid)| *ulid != job);
        let by_id = &self.by_id;
        self.order.retain(|id| by_id.contains_key(id));
        self.bytes = self.order.iter().map(|id| id.len()).sum();
    }

    /// Returns an estimate of the memory held, in bytes.
    pub(super) fn bytes_held(&self) -> usize {
        self.bytes + self.order.len() * 96
    }
}
