//! The outputs of a router in one order: those that wait for the store, and those that wait for the bus.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use super::output::{Delivery, RouterEvent, RouterOutput};
use super::record::RouterRecord;
use crate::cap::wire::subject::Subject;

/// The outputs that were not polled yet, the numbers of the records, and whether the bus is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    stores: VecDeque<(u64, RouterRecord)>,
    /// Outputs of the present input.
    fresh: Vec<RouterOutput>,
    /// Outputs, each with the number of the record that must be durable before the output is emitted. The numbers
    /// ascend.
    waiting: VecDeque<(u64, RouterOutput)>,
    /// The number of the last record.
    stored: u64,
    /// The number of the last record that is durable.
    durable: u64,
    is_connected: bool,
    /// Packets that were made while the bus was away, a few for each job that the router has; and acknowledgements that
    /// come after them, because the effects of a message must be sent first.
    unsent: Vec<RouterOutput>,
    /// The subjects for which a prefix pair was reported.
    warned: BTreeSet<Subject>,
}

impl Outbox {
    /// Continues the numbers of the records.
    pub(super) fn resume(&mut self, last: u64) {
        (self.stored, self.durable) = (last, last);
    }

    /// Records come out at once, everything else once the records before it are durable.
    pub(super) fn poll(&mut self) -> Option<RouterOutput> {
        if let Some((number, record)) = self.stores.pop_front() {
            return Some(RouterOutput::Store { number, record });
        }
        self.waiting.front().filter(|(after, _)| *after <= self.durable)?;
        self.waiting.pop_front().map(|(_, output)| output)
    }

    /// Notes that the records up to a number are durable.
    pub(super) fn durable(&mut self, upto: u64) {
        self.durable = self.durable.max(upto.min(self.stored));
    }

    /// Returns the number of outputs that wait for the store.
    pub(super) fn unstored(&self) -> usize {
        if self.durable == self.stored { 0 } else { self.waiting.len() }
    }

    pub(super) fn store(&mut self, record: RouterRecord) {
        self.stored = self.stored.saturating_add(1);
        self.stores.push_back((self.stored, record));
    }

    /// Ends an input: its outputs wait for the records that were made so far.
    pub(super) fn commit(&mut self) {
        let stored = self.stored;
        self.waiting.extend(self.fresh.drain(..).map(|output| (stored, output)));
    }

    pub(super) fn subscribe(&mut self, subject: Subject) {
        self.fresh.push(RouterOutput::Subscribe { subject });
    }

    pub(super) fn event(&mut self, event: RouterEvent) {
        self.fresh.push(RouterOutput::Event(event));
    }

    pub(super) fn acknowledge(&mut self, delivery: Delivery) {
        self.fresh.push(RouterOutput::Acknowledge { delivery });
    }

    /// Answers a request, if the bus is there. Its sender asks again otherwise.
    pub(super) fn reply(&mut self, to: &str, bytes: Bytes) {
        if self.is_connected {
            self.fresh.push(RouterOutput::Reply { to: to.into(), bytes });
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Notes that the bus is there. Returns false if it was there before.
    pub(super) fn connect(&mut self) -> bool {
        !core::mem::replace(&mut self.is_connected, true)
    }

    /// Publishes what was made while the bus was away.
    pub(super) fn publish_unsent(&mut self) {
        self.fresh.append(&mut self.unsent);
    }

    /// Notes that the bus is away. What was to be published or acknowledged and was not polled yet waits, except for alerts.
    pub(super) fn disconnect(&mut self) {
        self.is_connected = false;
        for (after, output) in core::mem::take(&mut self.waiting) {
            match output {
                RouterOutput::Publish { subject, bytes } => self.send(subject, bytes),
                RouterOutput::Subscribe { .. } | RouterOutput::Reply { .. } => {}
                RouterOutput::Acknowledge { .. } => self.unsent.push(output),
                RouterOutput::Store { .. } | RouterOutput::Event(_) => {
                    self.waiting.push_back((after, output));
                }
            }
        }
    }

    /// Publishes a packet as it is.
    pub(super) fn send(&mut self, subject: Subject, bytes: Bytes) {
        if self.is_connected {
            self.fresh.push(RouterOutput::Publish { subject, bytes });
        } else if subject != Subject::Alert {
            self.unsent.push(RouterOutput::Publish { subject, bytes });
        }
    }

    /// Drops the packets for a subject that were not polled yet.
    pub(super) fn withdraw(&mut self, subject: &Subject) {
        let stays =
            |output: &RouterOutput| !matches!(output, RouterOutput::Publish { subject: to, .. } if to == subject);
        self.fresh.retain(stays);
        self.unsent.retain(stays);
        self.waiting.retain(|(_, output)| stays(output));
    }

    /// Reports that receivers disagree about the signature of a packet, once for each subject.
    pub(super) fn warn(&mut self, subject: &Subject) {
        if self.warned.insert(subject.clone()) {
            self.event(RouterEvent::PrefixPair { subject: subject.clone() });
        }
    }

    /// Returns the bytes of the packets and records that were not polled yet.
    pub(super) fn bytes(&self) -> usize {
        let output = |output: &RouterOutput| {
            let packet = match output {
                RouterOutput::Publish { bytes, .. } | RouterOutput::Reply { bytes, .. } => bytes.len(),
                RouterOutput::Subscribe { .. }
                | RouterOutput::Store { .. }
                | RouterOutput::Acknowledge { .. }
                | RouterOutput::Event(_) => 0,
            };
            size_of::<RouterOutput>() + packet
        };
        let waiting: usize = self.waiting.iter().map(|(_, waiting)| output(waiting)).sum();
        let unsent: usize = self.unsent.iter().map(output).sum();
        let stores: usize =
            self.stores.iter().map(|(_, record)| size_of::<RouterRecord>() + record.0.packet.len()).sum();
        waiting + unsent + stores
    }
}
