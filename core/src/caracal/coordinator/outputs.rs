//! The outputs of a coordinator: one ordered queue, in which stores are numbered.

use alloc::collections::VecDeque;

use super::event::{CoordinatorEvent, CoordinatorOutput, IncomingId};
use super::record::CoordinatorRecord;
use crate::caracal::wire::answer::write::Reply;

/// The outputs that were not polled yet, and the number of the last store.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<CoordinatorOutput>,
    stored: u64,
}

impl Outputs {
    pub(super) fn poll(&mut self) -> Option<CoordinatorOutput> {
        self.queue.pop_front()
    }

    /// Queues a record under the next number.
    pub(super) fn store(&mut self, record: CoordinatorRecord) {
        self.stored = self.stored.saturating_add(1);
        self.queue.push_back(CoordinatorOutput::Store { seq: self.stored, record });
    }

    /// Queues an event, which depends on every store before it.
    pub(super) fn event(&mut self, event: CoordinatorEvent) {
        self.queue.push_back(CoordinatorOutput::Event { event, after: self.stored });
    }

    /// Queues an answer, which depends on every store before it.
    pub(super) fn respond(&mut self, id: IncomingId, reply: Reply) {
        self.queue.push_back(CoordinatorOutput::Respond { id, reply, after: self.stored });
    }

    /// Continues the numbers of stores after `stored`.
    pub(super) fn continue_after(&mut self, stored: u64) {
        self.stored = stored;
    }
}
