//! Reads and seals packets, in the generic form or in the form of the production profile.

use alloc::string::String;

use bytes::Bytes;

use super::Router;
use super::config::RouterTrust;
use super::output::{RefusedByRouter, RouterEvent, RouterOutput};
use crate::cap::signature::generic::{Sealed, open, seal};
use crate::cap::signature::profile::Seal;
use crate::cap::signature::rejection::{ProfileFault, Rejection, Unsignable};
use crate::cap::wire::common::IdentityBinding;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
use crate::cap::wire::subject::Subject;
use crate::time::micros;

impl Router {
    /// Opens a packet. Returns `None` for one that has no effect: one of the router's own, which the bus returns, or one of
    /// the production profile that came before.
    pub(super) fn open(&mut self, subject: &Subject, bytes: &[u8]) -> Result<Option<BusPacket>, RefusedByRouter> {
        let own = self.config.id.as_str();
        let opened = match (&mut self.production, &self.config.trust) {
            (Some(packets), RouterTrust::Production(_, terms)) if is_about_jobs(subject) => {
                let (trust, now, wall) = (self.trust.as_ref(), self.clock.now(), self.clock.wall());
                let peer = |sender: &str| {
                    if matches!(subject, Subject::JobSubmit | Subject::JobCancel) {
                        return terms.submitters.of(sender);
                    }
                    let session = trust?.session(now, sender)?;
                    Some((session.enrollment.tenant_id.as_str(), &session.enrollment.keys))
                };
                packets.open(subject, bytes, wall, &*self.config.verifier, peer, |_| Ok(()))
            }
            _ => open(bytes, &self.config.reading, &*self.config.verifier).map(Some),
        };
        match opened {
            Ok(Some(packet)) if packet.sender_id == own => Ok(None),
            Ok(packet) => Ok(packet),
            Err(Rejection::UnknownKey(sender)) if sender == own => Ok(None),
            Err(reason @ Rejection::Profile(ProfileFault::Sender)) => {
                let sender = BusPacket::decode(bytes, &self.config.reading.limits).unwrap_or_default().sender_id;
                if sender == own { Ok(None) } else { Err(reason.into()) }
            }
            Err(reason) => Err(reason.into()),
        }
    }

    /// Returns the identity that a packet of a submitter has proven, if its form proves one.
    pub(super) fn identity<'a>(&self, packet: &'a BusPacket) -> Option<&'a IdentityBinding> {
        packet.identity.as_ref().filter(|_| self.production.is_some())
    }

    /// Seals a packet of the router's own. Returns `None` if that cannot be done, which is reported.
    pub(super) fn seal(&mut self, subject: &Subject, trace_id: &str, payload: impl Into<Payload>) -> Option<Bytes> {
        match self.sealed(subject, trace_id, payload.into()) {
            Ok(sealed) => {
                if sealed.has_prefix_pair {
                    self.outbox.warn(subject);
                }
                Some(Bytes::from(sealed.bytes))
            }
            Err(reason) => {
                self.outbox.event(RouterEvent::Unsendable { subject: subject.clone(), reason });
                None
            }
        }
    }

    /// Seals a packet of the production profile again if it has waited for the bus or the store for half of the time that it
    /// is valid.
    pub(super) fn freshen(&mut self, output: RouterOutput) -> RouterOutput {
        let RouterOutput::Publish { subject, bytes } = output else { return output };
        let Some((trace_id, payload)) = self.aged(&bytes) else { return RouterOutput::Publish { subject, bytes } };
        match self.sealed(&subject, &trace_id, payload) {
            Ok(sealed) => RouterOutput::Publish { subject, bytes: Bytes::from(sealed.bytes) },
            Err(reason) => RouterOutput::Event(RouterEvent::Unsendable { subject, reason }),
        }
    }

    /// Returns what a packet carries if it is one of the router's own in the production profile, and is that old.
    fn aged(&self, bytes: &[u8]) -> Option<(String, Payload)> {
        let lifetime = self.config.trust.production()?.terms.freshness.lifetime();
        let packet = BusPacket::decode(bytes, &self.config.reading.limits).ok()?;
        let is_own = packet.sender_id == self.config.id.as_str() && packet.signature_metadata.is_some();
        let made_at = packet.created_at.filter(|_| is_own)?.to_time()?;
        let wall = self.clock.wall();
        // If the clock was set back since, receivers would refuse the packet because it is valid for too long.
        let is_aged = made_at > wall || wall.since(made_at) >= micros(lifetime / 2);
        packet.payload.filter(|_| is_aged).map(|payload| (packet.trace_id, payload))
    }

    fn sealed(&mut self, subject: &Subject, trace_id: &str, payload: Payload) -> Result<Sealed, Unsignable> {
        let identity = match &payload {
            Payload::JobRequest(request) => request.identity.clone(),
            Payload::JobResult(result) => result.identity.clone(),
            Payload::JobProgress(progress) => progress.identity.clone(),
            Payload::JobCancel(cancel) => cancel.identity.clone(),
            Payload::Heartbeat(_)
            | Payload::Alert(_)
            | Payload::Handshake(_)
            | Payload::WorkerHandshakeChallengeRequest(_)
            | Payload::WorkerHandshakeChallenge(_)
            | Payload::WorkerHandshakeAuthenticate(_)
            | Payload::WorkerHandshakeResult(_) => None,
        };
        let packet = BusPacket {
            trace_id: trace_id.into(),
            sender_id: self.config.id.as_str().into(),
            created_at: Some(Timestamp::from_time(self.clock.wall())),
            protocol_version: PROTOCOL_VERSION,
            payload: Some(payload),
            ..BusPacket::default()
        };
        match (&self.production, &self.trust, identity) {
            (Some(packets), Some(trust), Some(identity)) => {
                let own = trust.config();
                let key = Seal { key_id: &own.key_id, signer: &*own.signer, map_order: self.config.map_order };
                packets.seal(packet, subject, identity, key, &mut self.random, self.clock.wall())
            }
            _ => seal(packet, self.config.map_order, self.config.signer.as_deref()),
        }
    }
}

/// Whether packets of a subject have the form of the production profile. Heartbeats, handshakes and alerts have the generic
/// one.
const fn is_about_jobs(subject: &Subject) -> bool {
    matches!(subject, Subject::JobSubmit | Subject::JobResult | Subject::JobProgress | Subject::JobCancel)
}
