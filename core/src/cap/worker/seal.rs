//! Seals packets when they are polled.

use bytes::Bytes;

use super::Worker;
use super::outbox::{Draft, Item};
use super::output::{WorkerEvent, WorkerOutput};
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};

impl Worker {
    /// Returns the next output, if there is one. Outputs are acted on in this order.
    pub fn poll_output(&mut self) -> Option<WorkerOutput> {
        loop {
            match self.outbox.take()? {
                Item::Output(output) => return Some(output),
                Item::Draft(draft) if self.may_send() => {
                    if let Some(output) = self.seal(draft) {
                        return Some(output);
                    }
                }
                Item::Draft(draft) => self.outbox.keep(draft),
            }
        }
    }

    /// Seals a packet. Returns `None` if something else has to be said first.
    fn seal(&mut self, draft: Draft) -> Option<WorkerOutput> {
        let packet = BusPacket {
            trace_id: draft.trace_id.clone(),
            sender_id: self.config.id.as_str().into(),
            created_at: Some(Timestamp::from_time(self.clock.wall())),
            protocol_version: PROTOCOL_VERSION,
            auth_token: self.token(),
            payload: Some(draft.payload.clone()),
            ..BusPacket::default()
        };
        let sealed = self.profile.seal(packet, &draft.subject, &self.config, &mut self.random, self.clock.wall());
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(reason) => {
                return Some(WorkerOutput::Event(WorkerEvent::Unsendable { subject: draft.subject, reason }));
            }
        };
        let draft = if sealed.has_prefix_pair { self.outbox.warn(draft)? } else { draft };
        if matches!(draft.payload, Payload::Heartbeat(_)) {
            self.outbox.event_now(WorkerEvent::HeartbeatSent);
        }
        Some(WorkerOutput::Publish { subject: draft.subject, bytes: Bytes::from(sealed.bytes) })
    }
}
