//! Seals and publishes packets.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;

use super::Client;
use super::output::{ClientEvent, ClientJob, ClientOutput};
use crate::cap::signature::generic::{Sealed, seal};
use crate::cap::signature::profile::Seal;
use crate::cap::signature::rejection::Unsignable;
use crate::cap::wire::job::JobCancel;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
use crate::cap::wire::subject::Subject;

impl Client {
    /// Seals a packet of this client.
    pub(super) fn sealed(
        &mut self,
        subject: &Subject,
        trace_id: &str,
        payload: impl Into<Payload>,
    ) -> Result<Sealed, Unsignable> {
        let packet = BusPacket {
            trace_id: String::from(trace_id),
            sender_id: self.config.id.as_str().into(),
            created_at: Some(Timestamp::from_time(self.clock.wall())),
            protocol_version: PROTOCOL_VERSION,
            payload: Some(payload.into()),
            ..BusPacket::default()
        };
        let (map_order, signer) = (self.config.map_order, self.config.signer.as_deref());
        let (Some(packets), Some(production)) = (&self.production, &self.config.production) else {
            return seal(packet, map_order, signer);
        };
        let signer = signer.ok_or(Unsignable::Signer)?;
        let key = Seal { key_id: &production.key_id, signer, map_order };
        packets.seal(packet, subject, production.identity.clone(), key, &mut self.random, self.clock.wall())
    }

    /// Publishes the request of a job, if the bus is there, and sends it again if nothing is heard.
    pub(super) fn publish_request(&mut self, job: ClientJob, sealed: Sealed) {
        if !self.is_connected {
            return;
        }
        if sealed.has_prefix_pair {
            self.outputs.push_back(ClientOutput::Event(ClientEvent::PrefixPair { job }));
        }
        self.outputs.push_back(ClientOutput::Publish { subject: Subject::JobSubmit, bytes: Bytes::from(sealed.bytes) });
        self.jobs.requested(job);
        self.await_sign(job);
    }

    /// Sends the request of a job again if nothing is heard of it: soon after the first request on a new connection, because
    /// the router may be back later than the client, and otherwise after the usual time.
    fn await_sign(&mut self, job: ClientJob) {
        let longest = self.config.resubmit_after;
        let pause = self.jobs.pause(job, self.config.reconnected_after, longest).map(|pause| {
            let spread = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            pause / 2 + Duration::from_micros(self.random.below(spread.max(1)))
        });
        let at = self.clock.now().plus(pause.unwrap_or(longest));
        self.jobs.resubmit_at(job, at, self.config.resubmissions);
    }

    /// Publishes the cancellation of a job that has to stop, if the bus is there, and again until the job has a result: it may
    /// be lost on the bus, or with a router that has not stored it. A signer that fails now is asked again next time.
    pub(super) fn publish_cancel(&mut self, job: ClientJob) {
        let (Some((request, trace_id)), Some(reason)) = (self.jobs.request(job), self.jobs.cancelled(job)) else {
            return;
        };
        let cancel = JobCancel {
            job_id: request.job_id.clone(),
            reason: String::from(reason),
            requested_by: self.config.id.as_str().into(),
            ..JobCancel::default()
        };
        let trace_id = String::from(trace_id);
        if !self.is_connected {
            return;
        }
        if let Ok(sealed) = self.sealed(&Subject::JobCancel, &trace_id, cancel) {
            let bytes = Bytes::from(sealed.bytes);
            self.outputs.push_back(ClientOutput::Publish { subject: Subject::JobCancel, bytes });
        }
        self.jobs.cancel_again(job, self.clock.now(), self.config.cancel_after, self.config.resubmit_after);
    }

    /// Publishes the request of a job again. A signer that fails now is asked again next time.
    pub(super) fn publish_again(&mut self, job: ClientJob) {
        let Some((request, trace_id)) = self.jobs.request(job) else { return };
        let (request, trace_id) = (request.clone(), String::from(trace_id));
        match self.sealed(&Subject::JobSubmit, &trace_id, request) {
            Ok(sealed) => self.publish_request(job, sealed),
            Err(_) => self.await_sign(job),
        }
        self.publish_cancel(job);
    }
}
