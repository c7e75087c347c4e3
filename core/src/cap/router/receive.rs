//! Handles packets that arrive.

use super::Router;
use super::output::{Delivery, RefusedByRouter, RouterEvent};
use crate::cap::wire::packet::Payload;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Router {
    /// Handles a packet that was received on a subject. If the packet is a message of a durable stream, the message is
    /// acknowledged once its effects are stored, or at once if there is nothing to store. A refused packet is
    /// acknowledged too, because it would be refused again.
    ///
    /// While [`Router::reading`] is false the packet is dropped and not acknowledged.
    pub fn handle_packet(&mut self, now: Time, subject: &Subject, bytes: &[u8], delivery: Option<Delivery>) {
        self.input(now, |this| {
            if !this.reading() {
                return;
            }
            if let Err(reason) = this.receive(subject, bytes) {
                this.alert(subject, bytes, &reason);
                this.outbox.event(RouterEvent::Refused { subject: subject.clone(), reason });
            }
            if let Some(delivery) = delivery {
                this.outbox.acknowledge(delivery);
            }
        });
    }

    /// Returns whether packets are read: the bus is connected, and fewer outputs wait for the store than the limit
    /// allows.
    pub fn reading(&self) -> bool {
        self.outbox.is_connected() && self.outbox.unstored() < self.config.limits.unstored
    }

    fn receive(&mut self, subject: &Subject, bytes: &[u8]) -> Result<(), RefusedByRouter> {
        let Some(packet) = self.open(subject, bytes)? else { return Ok(()) };
        let identity = self.identity(&packet).cloned();
        let (sender, trace_id, token) = (packet.sender_id, packet.trace_id, packet.auth_token);
        match (subject, packet.payload) {
            (Subject::JobSubmit, Some(Payload::JobRequest(request))) => {
                self.on_submit(&request, identity.as_ref(), &trace_id, &sender, bytes)
            }
            (Subject::JobResult, Some(Payload::JobResult(result))) => self.on_result(&result, &sender, &token, bytes),
            (Subject::JobProgress, Some(Payload::JobProgress(progress))) => {
                self.on_progress(&progress, &sender, &token, bytes)
            }
            (Subject::JobCancel, Some(Payload::JobCancel(cancel))) => {
                self.on_cancel(*cancel, identity.as_ref(), &sender)
            }
            (Subject::Heartbeat, Some(Payload::Heartbeat(heartbeat))) => self.on_heartbeat(&heartbeat, &sender, &token),
            (Subject::Handshake, Some(Payload::Handshake(handshake))) => self.on_handshake(&handshake, &sender, &token),
            (_, payload) => Err(RefusedByRouter::Misplaced(payload.map_or("packet", |payload| payload.name()))),
        }
    }
}
