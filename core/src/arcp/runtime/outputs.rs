//! The outputs of a runtime: one ordered queue, in which stores are numbered.

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::arcp::runtime::event::{Event, Output, SendOrder};
use crate::arcp::runtime::host::ConnId;
use crate::arcp::runtime::record::Record;

/// The outputs that were not polled yet, and the number of the last store.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<Output>,
    stored: u64,
}

impl Outputs {
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// The number of the last store.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Queues a record under the next number.
    pub(super) fn store(&mut self, record: Record) {
        self.stored += 1;
        self.queue.push_back(Output::Store { seq: self.stored, record });
    }

    /// Queues an event, which depends on every store before it.
    pub(super) fn event(&mut self, event: Event) {
        self.queue.push_back(Output::Event { event, after: self.stored });
    }

    /// Queues a frame that depends on the stores up to `after`.
    pub(super) fn send(&mut self, conn: ConnId, frame: Bytes, after: u64, order: SendOrder) {
        self.queue.push_back(Output::Send { conn, frame, after, order });
    }

    pub(super) fn close(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        self.queue.push_back(Output::Close { conn, code, reason });
    }

    /// Reports that the host may read from a connection again.
    pub(super) fn reading(&mut self, conn: ConnId) {
        self.queue.push_back(Output::Reading { conn });
    }

    /// Removes a `Reading` that was not polled yet and is no longer true.
    pub(super) fn not_reading(&mut self, conn: ConnId) {
        self.queue.retain(|output| !matches!(output, Output::Reading { conn: other } if *other == conn));
    }

    /// Empties the queue while records are restored, because their outputs were already made by the former runtime.
    /// Returns the records among them.
    pub(super) fn discard(&mut self) -> impl Iterator<Item = Record> + use<> {
        core::mem::take(&mut self.queue)
            .into_iter()
            .filter_map(|output| if let Output::Store { record, .. } = output { Some(record) } else { None })
    }

    /// Continues the numbers of stores after `stored`.
    pub(super) fn continue_after(&mut self, stored: u64) {
        self.stored = stored;
    }
}
