//! Handles packets that arrive.

use super::Worker;
use super::job::Origin;
use super::output::{RefusedPacket, WorkerEvent};
use crate::cap::wire::packet::Payload;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Worker {
    /// Takes in a packet that was received on a subject. A packet that is refused has no effect but an
    /// event and, if it is an error, an alert (spec/16).
    pub fn handle_packet(&mut self, now: Time, subject: &Subject, bytes: &[u8]) {
        self.input(now, |this| {
            if let Err(reason) = this.receive(subject, bytes) {
                this.alert(subject, bytes, &reason);
                this.outbox.event(WorkerEvent::Refused { subject: subject.clone(), reason });
            }
        });
    }

    fn receive(&mut self, subject: &Subject, bytes: &[u8]) -> Result<(), RefusedPacket> {
        if !matches!(subject, Subject::JobCancel) && !self.admits() {
            return Err(RefusedPacket::NotTrusted);
        }
        let Some(packet) = self.profile.open(subject, bytes, &self.config, self.clock.wall())? else { return Ok(()) };
        let identity = self.profile.identity(&packet);
        let origin = Origin { trace_id: packet.trace_id, sender_id: packet.sender_id, identity };
        match (subject, packet.payload) {
            (Subject::Topic(topic), Some(Payload::JobRequest(request))) => {
                if request.topic != topic.as_str() {
                    return Err(RefusedPacket::Topic(request.topic));
                }
                self.on_request(*request, origin)
            }
            (Subject::Direct(worker), Some(Payload::JobRequest(request))) if *worker == self.config.id => {
                self.on_request(*request, origin)
            }
            (Subject::JobCancel, Some(Payload::JobCancel(cancel))) => {
                self.on_cancel(*cancel);
                Ok(())
            }
            (_, payload) => Err(RefusedPacket::Misplaced(payload.map_or("packet", |payload| payload.name()))),
        }
    }
}
