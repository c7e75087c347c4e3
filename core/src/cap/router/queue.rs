//! The jobs that may be sent: a queue for each lane, in the order in which they are sent.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use super::output::RouterJob;
use crate::cap::wire::subject::Topic;

/// Jobs that have the same chances: their topic and, in the production profile, their tenant.
pub(super) type Lane = (Topic, String);

/// The place of a job: its rank, its order among all jobs, and its key.
type Place = (u8, u64, RouterJob);

/// The jobs that wait to be sent, and the lanes whose jobs may have a chance now.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Lane, BTreeSet<Place>>,
    woken: BTreeSet<Lane>,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a job.
    pub(super) fn add(&mut self, lane: &Lane, place: Place) {
        if self.waiting.entry(lane.clone()).or_default().insert(place) {
            self.len += 1;
        }
        self.woken.insert(lane.clone());
    }

    /// Removes a job, if it waits.
    pub(super) fn remove(&mut self, lane: &Lane, place: Place) {
        let Some(places) = self.waiting.get_mut(lane) else { return };
        if places.remove(&place) {
            self.len -= 1;
        }
        if places.is_empty() {
            self.waiting.remove(lane);
        }
    }

    /// Returns the job of a lane that is sent next.
    pub(super) fn first(&self, lane: &Lane) -> Option<Place> {
        self.waiting.get(lane)?.first().copied()
    }

    /// Notes that jobs of every lane may have a chance.
    pub(super) fn wake_all(&mut self) {
        self.woken.extend(self.waiting.keys().cloned());
    }

    /// Takes out a lane whose jobs may have a chance.
    pub(super) fn take_woken(&mut self) -> Option<Lane> {
        self.woken.pop_first()
    }
}
