//! The outputs of a worker in one order, and the results that wait until they can be sent.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;

use super::output::{WorkerEvent, WorkerOutput};
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::Subject;

/// A packet that is sealed when it is polled, with the token that is valid then.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) subject: Subject,
    pub(super) trace_id: String,
    pub(super) payload: Payload,
}

impl Draft {
    /// Returns the bytes of the packet without its signature.
    fn bytes(&self) -> usize {
        let payload = Some(self.payload.clone());
        let packet = BusPacket { trace_id: self.trace_id.clone(), payload, ..BusPacket::default() };
        packet.encode(MapOrder::Lexicographic).len()
    }
}

/// Something that was not polled yet.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Output(WorkerOutput),
    Draft(Draft),
}

/// What was not polled yet, and whether the bus is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    is_connected: bool,
    /// Results that were made while they could not be sent. No job is accepted then, so there are at most as many as there
    /// were live jobs with their followers.
    unsent: VecDeque<Draft>,
    /// The subjects for which a prefix pair was reported.
    warned: BTreeSet<Subject>,
}

impl Outbox {
    pub(super) fn take(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Returns the bytes of what was not polled yet, and of what waits for the bus.
    pub(super) fn bytes(&self) -> usize {
        let output = |output: &WorkerOutput| match output {
            WorkerOutput::Publish { bytes, .. }
            | WorkerOutput::Request { bytes, .. }
            | WorkerOutput::Store { output: bytes, .. } => bytes.len(),
            WorkerOutput::Subscribe { .. }
            | WorkerOutput::Unsubscribe { .. }
            | WorkerOutput::Fetch { .. }
            | WorkerOutput::Look { .. }
            | WorkerOutput::Run { .. }
            | WorkerOutput::Stop { .. }
            | WorkerOutput::Event(_) => 0,
        };
        let item = |item: &Item| match item {
            Item::Output(waiting) => output(waiting),
            Item::Draft(draft) => draft.bytes(),
        };
        let items: usize = self.items.iter().map(|waiting| size_of::<Item>() + item(waiting)).sum();
        items + self.unsent.iter().map(|draft| size_of::<Draft>() + draft.bytes()).sum::<usize>()
    }

    pub(super) fn push(&mut self, output: WorkerOutput) {
        self.items.push_back(Item::Output(output));
    }

    pub(super) fn event(&mut self, event: WorkerEvent) {
        self.push(WorkerOutput::Event(event));
    }

    /// Puts an event before everything else.
    pub(super) fn event_now(&mut self, event: WorkerEvent) {
        self.items.push_front(Item::Output(WorkerOutput::Event(event)));
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Returns the number of results that wait until they can be sent.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Notes that the bus is there. Returns false if it was there before.
    pub(super) fn connect(&mut self) -> bool {
        !core::mem::replace(&mut self.is_connected, true)
    }

    /// Publishes the results that could not be sent before.
    pub(super) fn publish_unsent(&mut self) {
        self.items.extend(self.unsent.drain(..).map(Item::Draft));
    }

    /// Notes that the bus is away. What was to be published and was not polled yet waits, if it is a result.
    pub(super) fn disconnect(&mut self) {
        self.is_connected = false;
        for item in core::mem::take(&mut self.items) {
            match item {
                Item::Draft(draft) => self.keep(draft),
                Item::Output(
                    WorkerOutput::Publish { .. }
                    | WorkerOutput::Request { .. }
                    | WorkerOutput::Subscribe { .. }
                    | WorkerOutput::Unsubscribe { .. },
                ) => {}
                Item::Output(
                    kept @ (WorkerOutput::Look { .. }
                    | WorkerOutput::Fetch { .. }
                    | WorkerOutput::Run { .. }
                    | WorkerOutput::Stop { .. }
                    | WorkerOutput::Store { .. }
                    | WorkerOutput::Event(_)),
                ) => self.push(kept),
            }
        }
    }

    /// Keeps a packet that cannot be sent now, if it is a result, and drops it otherwise.
    pub(super) fn keep(&mut self, draft: Draft) {
        if draft.subject == Subject::JobResult {
            self.unsent.push_back(draft);
        }
    }

    /// Publishes a packet. While the bus is away a result waits, and everything else is dropped.
    pub(super) fn publish(&mut self, subject: Subject, trace_id: impl Into<String>, payload: impl Into<Payload>) {
        let draft = Draft { subject, trace_id: trace_id.into(), payload: payload.into() };
        if self.is_connected {
            self.items.push_back(Item::Draft(draft));
        } else {
            self.keep(draft);
        }
    }

    /// Reports a prefix pair before the packet that has it, once for each subject. Returns the packet if that was done.
    pub(super) fn warn(&mut self, draft: Draft) -> Option<Draft> {
        if !self.warned.insert(draft.subject.clone()) {
            return Some(draft);
        }
        let event = WorkerEvent::PrefixPair { subject: draft.subject.clone() };
        self.items.push_front(Item::Draft(draft));
        self.event_now(event);
        None
    }
}
