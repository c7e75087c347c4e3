//! Verifies the answers of a scheduler.

use super::output::TrustFailure;
use crate::cap::signature::host::Verifier;
use crate::cap::signature::rejection::Rejection;
use crate::cap::signature::trust::open_trust;
use crate::cap::trust::clock::{is_future, is_near};
use crate::cap::trust::settings::TrustSettings;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::trust::{
    WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest, WorkerHandshakePurpose, WorkerHandshakeResult,
};
use crate::clock::{Clock, Expiry};
use crate::secret::Secret;
use crate::time::Time;

/// A token, and when it expires.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) token: Secret,
    pub(super) expiry: Expiry,
}

/// Opens a packet of the scheduler.
fn opened(
    bytes: &[u8],
    settings: &TrustSettings,
    verifier: &dyn Verifier,
    wall: Time,
) -> Result<BusPacket, TrustFailure> {
    let packet = open_trust(bytes, settings.scheduler_keys(), verifier)?;
    holds(packet.sender_id == settings.names().scheduler_id, "sender_id")?;
    holds(is_near(packet.created_at.as_ref(), wall), "created_at")?;
    Ok(packet)
}

fn holds(holds: bool, field: &'static str) -> Result<(), TrustFailure> {
    if holds { Ok(()) } else { Err(TrustFailure::Mismatch(field)) }
}

/// Returns the challenge of an answer to a request.
pub(super) fn check_challenge(
    bytes: &[u8],
    request: &WorkerHandshakeChallengeRequest,
    settings: &TrustSettings,
    verifier: &dyn Verifier,
    wall: Time,
) -> Result<WorkerHandshakeChallenge, TrustFailure> {
    match opened(bytes, settings, verifier, wall)?.payload {
        Some(Payload::WorkerHandshakeChallenge(challenge)) => {
            repeats(&challenge, request)?;
            holds(challenge.agent_id == settings.names().agent_id, "agent_id")?;
            holds(challenge.tenant_id == settings.names().tenant_id, "tenant_id")?;
            is_fresh(&challenge, wall)?;
            Ok(*challenge)
        }
        // A scheduler of ours also says so why there is no challenge.
        Some(Payload::WorkerHandshakeResult(result)) if !result.accepted => {
            repeats(&result.challenge.unwrap_or_default(), request)?;
            Err(TrustFailure::Rejected(result.rejection_reason))
        }
        _ => Err(Rejection::Kind.into()),
    }
}

/// Checks that a challenge repeats the request that it answers.
fn repeats(
    challenge: &WorkerHandshakeChallenge,
    request: &WorkerHandshakeChallengeRequest,
) -> Result<(), TrustFailure> {
    holds(challenge.request_id == request.request_id, "request_id")?;
    holds(challenge.trace_id == request.trace_id, "trace_id")?;
    holds(challenge.worker_id == request.worker_id, "worker_id")?;
    holds(challenge.proof_key_id == request.proof_key_id, "proof_key_id")?;
    holds(challenge.proof_algorithm == request.proof_algorithm, "proof_algorithm")?;
    holds(challenge.audience == request.audience, "audience")?;
    holds(challenge.purpose == request.purpose, "purpose")?;
    holds(challenge.client_nonce == request.client_nonce, "client_nonce")?;
    holds(challenge.protocol_version == request.protocol_version, "protocol_version")?;
    holds(challenge.sdk_version == request.sdk_version, "sdk_version")
}

fn is_fresh(challenge: &WorkerHandshakeChallenge, wall: Time) -> Result<(), TrustFailure> {
    holds(is_near(challenge.issued_at.as_ref(), wall), "challenge.issued_at")?;
    holds(is_future(challenge.expires_at.as_ref(), wall), "challenge.expires_at")
}

/// Returns the session of an answer to an answered challenge. A session that is renewed has another token than before.
pub(super) fn check_session(
    bytes: &[u8],
    challenge: &WorkerHandshakeChallenge,
    before: Option<&Secret>,
    settings: &TrustSettings,
    verifier: &dyn Verifier,
    clock: &Clock,
) -> Result<Session, TrustFailure> {
    let wall = clock.wall();
    let packet = opened(bytes, settings, verifier, wall)?;
    let Some(Payload::WorkerHandshakeResult(result)) = packet.payload else { return Err(Rejection::Kind.into()) };
    let WorkerHandshakeResult { challenge: repeated, accepted, rejection_reason, token_expires_at, issued_at, .. } =
        *result;
    // Packets of the handshake have no unknown fields, so equal messages have equal bytes.
    holds(repeated.as_ref() == Some(challenge), "challenge")?;
    is_fresh(challenge, wall)?;
    holds(is_near(issued_at.as_ref(), wall), "issued_at")?;
    if !accepted {
        return Err(TrustFailure::Rejected(rejection_reason));
    }
    let expires_at = token_expires_at.as_ref().and_then(Timestamp::to_time).filter(|at| *at > wall);
    let expires_at = expires_at.ok_or(TrustFailure::Mismatch("token_expires_at"))?;
    let is_renewal = challenge.purpose == WorkerHandshakePurpose::RENEW;
    holds(!is_renewal || before != Some(&packet.auth_token), "auth_token")?;
    Ok(Session { token: packet.auth_token, expiry: Expiry::new(expires_at, clock) })
}
