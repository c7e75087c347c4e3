//! Submits of the durable stream: which of them the router has to keep.

use nuncio_core::cap::{BusPacket, DecodeLimits, Delivery, Payload, Subject};

use super::Sim;
use super::bus::Who;
use super::params::Trust;

impl Sim {
    /// Notes whether a submit of the stream is valid when the router receives it, which is when the router decides. Its
    /// acknowledgement may wait for the store until the wall clock shows another time.
    pub(super) fn note_valid(&mut self, subject: &Subject, bytes: &[u8], delivery: Option<Delivery>) {
        let Some(Delivery(number)) = delivery.filter(|_| *subject == Subject::JobSubmit) else { return };
        let is_production = self.trust() == Trust::Production;
        let packet = if is_production { self.sealed(Who::Router, subject, bytes) } else { self.opened(bytes) };
        if packet.is_some() {
            self.host().valid.insert(number);
        }
    }

    /// A valid submit that was acknowledged was refused with a result, or its job outlives the router.
    pub(super) fn acknowledged(&mut self, bytes: &[u8]) {
        let packet = BusPacket::decode(bytes, &DecodeLimits::default()).ok();
        if let Some(Payload::JobRequest(request)) = packet.and_then(|packet| packet.payload) {
            self.model.job(&request.job_id).is_acknowledged = true;
        }
    }
}
