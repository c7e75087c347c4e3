//! Validates packets of the worker trust handshake (2.17, spec/14).

use alloc::collections::BTreeSet;

use super::rule::{InvalidPacket, Problem, filled, require};
use crate::cap::wire::handshake::{ComponentRole, Handshake};
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
use crate::cap::wire::trust::{
    WorkerHandshakeAuthenticate, WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest,
    WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose, WorkerHandshakeRejectionReason, WorkerHandshakeResult,
};
use crate::time::Time;

/// The length of a nonce in bytes.
const NONCE: usize = 32;
/// The longest lifetime of a challenge in microseconds.
const CHALLENGE_LIFETIME: u64 = 60_000_000;
/// The longest token in bytes.
const MAX_TOKEN: usize = 16_384;
/// The longest key of a capability in bytes.
const MAX_CAPABILITY: usize = 64;

pub(super) fn validate(packet: &BusPacket, payload: &Payload) -> Result<(), InvalidPacket> {
    filled(&packet.trace_id, "trace_id")?;
    time(packet.created_at.as_ref(), "created_at")?;
    require(!packet.signature.is_empty(), "signature", Problem::Missing)?;
    match payload {
        Payload::WorkerHandshakeChallengeRequest(message) => request(packet, message),
        Payload::WorkerHandshakeChallenge(message) => {
            no_token(packet)?;
            challenge(packet, message)
        }
        Payload::WorkerHandshakeAuthenticate(message) => authenticate(packet, message),
        Payload::WorkerHandshakeResult(message) => result(packet, message),
        Payload::JobRequest(_)
        | Payload::JobResult(_)
        | Payload::Heartbeat(_)
        | Payload::Alert(_)
        | Payload::JobProgress(_)
        | Payload::JobCancel(_)
        | Payload::Handshake(_) => Ok(()),
    }
}

fn time(at: Option<&Timestamp>, field: &'static str) -> Result<Time, InvalidPacket> {
    at.and_then(Timestamp::to_time).ok_or(InvalidPacket { field, problem: Problem::Time })
}

/// Requires a text that is not empty and not only white space.
fn written(text: &str, field: &'static str) -> Result<(), InvalidPacket> {
    require(!text.trim().is_empty(), field, Problem::Missing)
}

fn no_token(packet: &BusPacket) -> Result<(), InvalidPacket> {
    require(packet.auth_token.expose().is_empty(), "auth_token", Problem::Unexpected)
}

fn token(packet: &BusPacket) -> Result<(), InvalidPacket> {
    let token = packet.auth_token.expose();
    require(!token.is_empty(), "auth_token", Problem::Missing)?;
    let is_token = token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    require(is_token, "auth_token", Problem::NotAllowed)
}

fn nonce(bytes: &[u8], field: &'static str) -> Result<(), InvalidPacket> {
    require(bytes.len() == NONCE, field, Problem::Length(NONCE))
}

/// Requires the algorithm, version and purpose of this protocol.
fn terms(
    algorithm: WorkerHandshakeProofAlgorithm,
    version: i32,
    purpose: WorkerHandshakePurpose,
) -> Result<(), InvalidPacket> {
    let is_p256 = algorithm == WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256;
    require(is_p256, "proof_algorithm", Problem::NotAllowed)?;
    require(version == PROTOCOL_VERSION, "protocol_version", Problem::NotAllowed)?;
    let is_purpose = [WorkerHandshakePurpose::ISSUE, WorkerHandshakePurpose::RENEW].contains(&purpose);
    require(is_purpose, "purpose", Problem::NotAllowed)
}

fn request(packet: &BusPacket, request: &WorkerHandshakeChallengeRequest) -> Result<(), InvalidPacket> {
    written(&request.request_id, "request_id")?;
    written(&request.proof_key_id, "proof_key_id")?;
    written(&request.audience, "audience")?;
    written(&request.sdk_version, "sdk_version")?;
    written(&request.trace_id, "trace_id")?;
    written(&request.worker_id, "worker_id")?;
    require(packet.trace_id == request.trace_id, "trace_id", Problem::Mismatch)?;
    require(packet.sender_id == request.worker_id, "worker_id", Problem::NotSender)?;
    terms(request.proof_algorithm, request.protocol_version, request.purpose)?;
    nonce(&request.client_nonce, "client_nonce")?;
    no_token(packet)
}

fn challenge(packet: &BusPacket, challenge: &WorkerHandshakeChallenge) -> Result<(), InvalidPacket> {
    written(&challenge.request_id, "challenge.request_id")?;
    written(&challenge.challenge_id, "challenge.challenge_id")?;
    written(&challenge.worker_id, "challenge.worker_id")?;
    written(&challenge.agent_id, "challenge.agent_id")?;
    written(&challenge.tenant_id, "challenge.tenant_id")?;
    written(&challenge.proof_key_id, "challenge.proof_key_id")?;
    written(&challenge.server_key_id, "challenge.server_key_id")?;
    written(&challenge.audience, "challenge.audience")?;
    written(&challenge.sdk_version, "challenge.sdk_version")?;
    require(packet.trace_id == challenge.trace_id, "challenge.trace_id", Problem::Mismatch)?;
    terms(challenge.proof_algorithm, challenge.protocol_version, challenge.purpose)?;
    nonce(&challenge.client_nonce, "challenge.client_nonce")?;
    nonce(&challenge.server_nonce, "challenge.server_nonce")?;
    let issued = time(challenge.issued_at.as_ref(), "challenge.issued_at")?;
    let expires = time(challenge.expires_at.as_ref(), "challenge.expires_at")?;
    let lives = expires > issued && expires.since(issued) <= CHALLENGE_LIFETIME;
    require(lives, "challenge.expires_at", Problem::Time)
}

fn authenticate(packet: &BusPacket, message: &WorkerHandshakeAuthenticate) -> Result<(), InvalidPacket> {
    let challenge = contained(message.challenge.as_ref())?;
    self::challenge(packet, challenge)?;
    require(packet.sender_id == challenge.worker_id, "challenge.worker_id", Problem::NotSender)?;
    let Some(handshake) = &message.capability_handshake else {
        return Err(InvalidPacket { field: "capability_handshake", problem: Problem::Missing });
    };
    capability(handshake, challenge)?;
    if challenge.purpose == WorkerHandshakePurpose::RENEW { token(packet) } else { no_token(packet) }
}

fn contained(challenge: Option<&WorkerHandshakeChallenge>) -> Result<&WorkerHandshakeChallenge, InvalidPacket> {
    challenge.ok_or(InvalidPacket { field: "challenge", problem: Problem::Missing })
}

/// Checks what a worker says about itself against the challenge that it answers.
fn capability(handshake: &Handshake, challenge: &WorkerHandshakeChallenge) -> Result<(), InvalidPacket> {
    let same_worker = handshake.component_id == challenge.worker_id;
    require(same_worker, "capability_handshake.component_id", Problem::Mismatch)?;
    let same_sdk = handshake.sdk_version == challenge.sdk_version;
    require(same_sdk, "capability_handshake.sdk_version", Problem::Mismatch)?;
    let is_worker = handshake.role == ComponentRole::WORKER;
    require(is_worker, "capability_handshake.role", Problem::NotAllowed)?;
    let versions = handshake.supported_versions.as_slice();
    let is_version = versions == [PROTOCOL_VERSION];
    require(is_version, "capability_handshake.supported_versions", Problem::NotAllowed)?;
    let enabled = handshake.capabilities.iter().all(|(key, enabled)| *enabled && is_capability(key));
    require(enabled, "capability_handshake.capabilities", Problem::NotAllowed)?;
    let mut topics = BTreeSet::new();
    let distinct = handshake.ready_topics.iter().all(|topic| !topic.trim().is_empty() && topics.insert(topic));
    require(distinct, "capability_handshake.ready_topics", Problem::NotAllowed)
}

/// Returns whether a key matches `[a-z][a-z0-9_.-]{0,63}`.
pub(crate) fn is_capability(key: &str) -> bool {
    let further = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
    key.len() <= MAX_CAPABILITY && key.starts_with(|first: char| first.is_ascii_lowercase()) && key.bytes().all(further)
}

fn result(packet: &BusPacket, result: &WorkerHandshakeResult) -> Result<(), InvalidPacket> {
    challenge(packet, contained(result.challenge.as_ref())?)?;
    let issued = time(result.issued_at.as_ref(), "result.issued_at")?;
    let reason = result.rejection_reason;
    if result.accepted {
        token(packet)?;
        let expires = time(result.token_expires_at.as_ref(), "result.token_expires_at")?;
        require(expires > issued, "result.token_expires_at", Problem::Time)?;
        let no_reason = reason == WorkerHandshakeRejectionReason::UNSPECIFIED;
        return require(no_reason, "result.rejection_reason", Problem::Unexpected);
    }
    no_token(packet)?;
    require(result.token_expires_at.is_none(), "result.token_expires_at", Problem::Unexpected)?;
    let is_reason = reason.0 > 0 && reason.name().is_some();
    require(is_reason, "result.rejection_reason", Problem::NotAllowed)
}
