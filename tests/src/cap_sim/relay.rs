//! A router without memory, as others have written them: it sends every request on, unchanged, to its topic or to a worker.

use nuncio_core::cap::{ComponentId, Payload, Subject, Topic};

use super::Sim;
use super::bus::{Flight, Who};
use crate::seeded::{Draw, note};

impl Sim {
    pub(super) fn connect_relay(&mut self) {
        self.bus.open(Who::Router);
        self.bus.subscribe(Who::Router, Subject::JobSubmit, false);
    }

    pub(super) fn deliver_to_relay(&mut self, flight: &Flight, draw: &mut Draw<'_, '_>) {
        let Some(packet) = self.opened(&flight.bytes) else { return };
        let Some(Payload::JobRequest(request)) = packet.payload else { return };
        let Ok(topic) = Topic::new(&request.topic) else { return };
        let subject = if draw.chance(10) {
            Subject::Direct(ComponentId::new("worker-0").expect("a good id"))
        } else {
            Subject::Topic(topic)
        };
        note(|| format!("  relay sends {} to {subject}", request.job_id));
        self.send(&subject, &flight.bytes, draw);
    }
}
