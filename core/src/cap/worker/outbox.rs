//! What a worker has for its host, in one order, and the results that wait for the bus.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;

use bytes::Bytes;

use super::config::WorkerConfig;
use super::output::{WorkerEvent, WorkerOutput};
use crate::cap::signature::generic::seal;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
use crate::cap::wire::subject::Subject;
use crate::time::Time;

/// The outputs that were not polled yet, and whether the bus is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<WorkerOutput>,
    is_connected: bool,
    /// Results that were made while the bus was away. No job is accepted then, so there are at most as many as there were
    /// live jobs with their followers.
    unsent: VecDeque<(Subject, Bytes)>,
    /// The subjects for which a prefix pair was reported.
    warned: BTreeSet<Subject>,
}

impl Outbox {
    pub(super) fn poll(&mut self) -> Option<WorkerOutput> {
        self.outputs.pop_front()
    }

    /// Returns the bytes of what was not polled yet, and of what waits for the bus.
    pub(super) fn bytes(&self) -> usize {
        let output = |output: &WorkerOutput| match output {
            WorkerOutput::Publish { bytes, .. } | WorkerOutput::Store { output: bytes, .. } => bytes.len(),
            WorkerOutput::Subscribe { .. }
            | WorkerOutput::Unsubscribe { .. }
            | WorkerOutput::Fetch { .. }
            | WorkerOutput::Look { .. }
            | WorkerOutput::Run { .. }
            | WorkerOutput::Stop { .. }
            | WorkerOutput::Event(_) => 0,
        };
        let outputs: usize = self.outputs.iter().map(|waiting| size_of::<WorkerOutput>() + output(waiting)).sum();
        outputs + self.unsent.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }

    pub(super) fn push(&mut self, output: WorkerOutput) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: WorkerEvent) {
        self.outputs.push_back(WorkerOutput::Event(event));
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Notes that the bus is there. Returns false if it was there before.
    pub(super) fn connect(&mut self) -> bool {
        !core::mem::replace(&mut self.is_connected, true)
    }

    /// Publishes the results that were made while the bus was away.
    pub(super) fn publish_unsent(&mut self) {
        for (subject, bytes) in core::mem::take(&mut self.unsent) {
            self.outputs.push_back(WorkerOutput::Publish { subject, bytes });
        }
    }

    /// Notes that the bus is away. What was to be published and was not polled yet waits, if it is a result.
    pub(super) fn disconnect(&mut self) {
        self.is_connected = false;
        for output in core::mem::take(&mut self.outputs) {
            match output {
                WorkerOutput::Publish { subject: Subject::JobResult, bytes } => {
                    self.unsent.push_back((Subject::JobResult, bytes));
                }
                WorkerOutput::Publish { .. }
                | WorkerOutput::Subscribe { .. }
                | WorkerOutput::Unsubscribe { .. }
                | WorkerOutput::Event(WorkerEvent::HeartbeatSent) => {}
                kept @ (WorkerOutput::Look { .. }
                | WorkerOutput::Fetch { .. }
                | WorkerOutput::Run { .. }
                | WorkerOutput::Stop { .. }
                | WorkerOutput::Store { .. }
                | WorkerOutput::Event(_)) => self.outputs.push_back(kept),
            }
        }
    }

    /// Seals a packet and publishes it. While the bus is away a result waits, and everything else is dropped.
    pub(super) fn publish(
        &mut self,
        config: &WorkerConfig,
        now: Time,
        subject: Subject,
        trace_id: impl Into<String>,
        payload: impl Into<Payload>,
    ) {
        if !self.is_connected && subject != Subject::JobResult {
            return;
        }
        let packet = BusPacket {
            trace_id: trace_id.into(),
            sender_id: config.id.as_str().into(),
            created_at: Some(Timestamp::from_time(now)),
            protocol_version: PROTOCOL_VERSION,
            payload: Some(payload.into()),
            ..BusPacket::default()
        };
        let sealed = match seal(packet, config.map_order, config.signer.as_deref()) {
            Ok(sealed) => sealed,
            Err(reason) => return self.event(WorkerEvent::Unsendable { subject, reason }),
        };
        if sealed.has_prefix_pair && self.warned.insert(subject.clone()) {
            self.event(WorkerEvent::PrefixPair { subject: subject.clone() });
        }
        let bytes = Bytes::from(sealed.bytes);
        if self.is_connected {
            self.outputs.push_back(WorkerOutput::Publish { subject, bytes });
        } else {
            self.unsent.push_back((subject, bytes));
        }
    }
}
