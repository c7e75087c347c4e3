//! The jobs that may be sent, by topic, in the order in which they are sent.

use alloc::collections::{BTreeMap, BTreeSet};

use super::output::RouterJob;
use crate::cap::wire::subject::Topic;

/// The place of a job: its rank, its order among all jobs, and its key.
type Place = (u8, u64, RouterJob);

/// The jobs that wait to be sent, and the topics whose jobs may have a chance now.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Topic, BTreeSet<Place>>,
    woken: BTreeSet<Topic>,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a job.
    pub(super) fn add(&mut self, topic: &Topic, place: Place) {
        if self.waiting.entry(topic.clone()).or_default().insert(place) {
            self.len += 1;
        }
        self.woken.insert(topic.clone());
    }

    /// Removes a job, if it waits.
    pub(super) fn remove(&mut self, topic: &Topic, place: Place) {
        let Some(places) = self.waiting.get_mut(topic) else { return };
        if places.remove(&place) {
            self.len -= 1;
        }
        if places.is_empty() {
            self.waiting.remove(topic);
        }
    }

    /// Returns the job of a topic that is sent next.
    pub(super) fn first(&self, topic: &Topic) -> Option<Place> {
        self.waiting.get(topic)?.first().copied()
    }

    /// Notes that jobs of every topic may have a chance.
    pub(super) fn wake_all(&mut self) {
        self.woken.extend(self.waiting.keys().cloned());
    }

    /// Takes out a topic whose jobs may have a chance.
    pub(super) fn take_woken(&mut self) -> Option<Topic> {
        self.woken.pop_first()
    }
}
