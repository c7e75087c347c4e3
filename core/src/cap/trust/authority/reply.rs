//! Handles requests, and writes the replies.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;

use super::TrustAuthority;
use super::output::AuthorityEvent;
use crate::cap::signature::trust::{decode_trust, open_trust, seal_trust};
use crate::cap::trust::clock::is_near;
use crate::cap::trust::settings::{AUDIENCE, is_name};
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
use crate::cap::wire::subject::Subject;
use crate::cap::wire::trust::{
    WorkerHandshakeChallenge, WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose, WorkerHandshakeRejectionReason,
    WorkerHandshakeResult,
};
use crate::cap::wire::validate::{Acceptance, validate};
use crate::secret::Secret;
use crate::time::Time;

type Reason = WorkerHandshakeRejectionReason;

/// The longest lifetime of a challenge (spec/14).
const MAX_CHALLENGE_LIFETIME: Duration = Duration::from_mins(1);

impl TrustAuthority {
    /// Handles a request. Returns the packet to publish on its reply subject. Returns `None` if the request is not a
    /// packet of the handshake, or does not belong on the subject.
    ///
    /// The reply carries secrets, so it must not be logged or stored.
    pub fn handle_request(&mut self, now: Time, subject: &Subject, bytes: &[u8]) -> Option<Bytes> {
        self.clock.advance(now);
        let reply = self.answer(subject, bytes);
        if reply.is_none() {
            self.events.push_back(AuthorityEvent::Dropped);
        }
        reply
    }

    fn answer(&mut self, subject: &Subject, bytes: &[u8]) -> Option<Bytes> {
        let packet = decode_trust(bytes).ok()?;
        let repeated = match (subject, packet.payload.as_ref()?) {
            (Subject::TrustChallenge, Payload::WorkerHandshakeChallengeRequest(request)) => WorkerHandshakeChallenge {
                request_id: request.request_id.clone(),
                trace_id: request.trace_id.clone(),
                worker_id: request.worker_id.clone(),
                proof_key_id: request.proof_key_id.clone(),
                proof_algorithm: request.proof_algorithm,
                audience: request.audience.clone(),
                purpose: request.purpose,
                client_nonce: request.client_nonce.clone(),
                protocol_version: request.protocol_version,
                sdk_version: request.sdk_version.clone(),
                ..WorkerHandshakeChallenge::default()
            },
            (Subject::TrustAuthenticate, Payload::WorkerHandshakeAuthenticate(answer)) => answer.challenge.clone()?,
            _ => return None,
        };
        let answered = self.check(&packet, &repeated, bytes).and_then(|()| match packet.payload {
            Some(Payload::WorkerHandshakeChallengeRequest(request)) => {
                self.challenge(packet.created_at.as_ref(), &request)
            }
            Some(Payload::WorkerHandshakeAuthenticate(answer)) => self.authenticate(*answer, &packet.auth_token),
            _ => Err(Reason::INVALID_REQUEST),
        });
        answered.or_else(|reason| self.reject(repeated, reason).ok_or(reason)).ok()
    }

    /// Checks what both kinds of requests have to be: valid, meant for a scheduler, signed by the worker, and made now.
    fn check(&self, packet: &BusPacket, terms: &WorkerHandshakeChallenge, bytes: &[u8]) -> Result<(), Reason> {
        if packet.protocol_version != PROTOCOL_VERSION || terms.protocol_version != PROTOCOL_VERSION {
            return Err(Reason::UNSUPPORTED_VERSION);
        }
        let names = [&terms.request_id, &terms.trace_id, &terms.worker_id, &terms.proof_key_id, &terms.sdk_version];
        let is_valid = validate(packet, Acceptance::Since217).is_ok() && terms.audience == AUDIENCE;
        if !is_valid || !names.into_iter().all(|name| is_name(name)) {
            return Err(Reason::INVALID_REQUEST);
        }
        // Whatever is wrong with the identity of a worker gets the same answer, so that nobody learns who is enrolled.
        let record = self.workers.get(&terms.worker_id).ok_or(Reason::AUTHENTICATION_FAILED)?;
        open_trust(bytes, &record.enrollment().keys, &*self.config.verifier)
            .map_err(|_| Reason::AUTHENTICATION_FAILED)?;
        if is_near(packet.created_at.as_ref(), self.clock.wall()) { Ok(()) } else { Err(Reason::CLOCK_SKEW) }
    }

    /// Returns the packet that rejects a request. There is none for a request that cannot be repeated in a valid packet.
    fn reject(&mut self, repeated: WorkerHandshakeChallenge, reason: Reason) -> Option<Bytes> {
        let worker = self.workers.contains_key(&repeated.worker_id).then(|| repeated.worker_id.clone());
        let is_bare = repeated.challenge_id.is_empty();
        let mut challenge = WorkerHandshakeChallenge {
            protocol_version: PROTOCOL_VERSION,
            proof_algorithm: WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256,
            server_key_id: self.config.key_id.clone(),
            ..repeated
        };
        if is_bare {
            // There is no challenge, and the identity of the worker is not told.
            challenge.agent_id = String::from("-");
            challenge.tenant_id = String::from("-");
            self.complete(&mut challenge);
        }
        if challenge.purpose != WorkerHandshakePurpose::RENEW {
            challenge.purpose = WorkerHandshakePurpose::ISSUE;
        }
        let trace_id = challenge.trace_id.clone();
        let result = WorkerHandshakeResult {
            challenge: Some(challenge),
            rejection_reason: reason,
            issued_at: Some(Timestamp::from_time(self.clock.wall())),
            ..WorkerHandshakeResult::default()
        };
        let reply = self.seal(&trace_id, Secret::default(), result)?;
        self.events.push_back(AuthorityEvent::Rejected { worker, reason });
        Some(reply)
    }

    /// Fills in what a challenge has of its own: its id, the scheduler's nonce, and its times.
    pub(super) fn complete(&mut self, challenge: &mut WorkerHandshakeChallenge) {
        let lifetime = self.config.challenge_lifetime.clamp(Duration::from_millis(1), MAX_CHALLENGE_LIFETIME);
        challenge.challenge_id = alloc::format!("{:032x}", self.random.random_u128());
        challenge.server_key_id.clone_from(&self.config.key_id);
        challenge.server_nonce = [self.random.random_u128(), self.random.random_u128()].map(u128::to_be_bytes).concat();
        challenge.issued_at = Some(Timestamp::from_time(self.clock.wall()));
        challenge.expires_at = Some(Timestamp::from_time(self.clock.wall().plus(lifetime)));
    }

    pub(super) fn seal(&self, trace_id: &str, token: Secret, payload: impl Into<Payload>) -> Option<Bytes> {
        let packet = BusPacket {
            trace_id: trace_id.into(),
            sender_id: self.config.id.as_str().into(),
            created_at: Some(Timestamp::from_time(self.clock.wall())),
            protocol_version: PROTOCOL_VERSION,
            auth_token: token,
            payload: Some(payload.into()),
            ..BusPacket::default()
        };
        seal_trust(packet, self.config.map_order, &*self.config.signer).ok().map(Bytes::from)
    }
}
