//! The signature of the worker trust handshake (2.17, spec/14).

use alloc::string::String;
use alloc::vec::Vec;

use super::der;
use super::generic::is_signed;
use super::host::{Signer, Verifier};
use super::key::Keyring;
use super::rejection::{Rejection, Unsignable};
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::raw::RawPacket;
use crate::cap::wire::trust::WorkerHandshakeChallenge;
use crate::cap::wire::validate::{Acceptance, validate};

/// The largest packet of the handshake in bytes.
const MAX_BYTES: usize = 65_536;

/// The domain of a payload, and the id of the key that signs it: the worker's for a request and an answer, the scheduler's
/// for a challenge and a result. Returns `None` for any other payload.
fn domain(packet: &BusPacket) -> Option<(&'static [u8], &str)> {
    fn proof_key(challenge: &WorkerHandshakeChallenge) -> &str {
        &challenge.proof_key_id
    }
    fn server_key(challenge: &WorkerHandshakeChallenge) -> &str {
        &challenge.server_key_id
    }
    let (domain, key): (&'static [u8], &str) = match packet.payload.as_ref()? {
        Payload::WorkerHandshakeChallengeRequest(request) => {
            (b"CAP-WORKER-HANDSHAKE-CHALLENGE-REQUEST-V1\0", &request.proof_key_id)
        }
        Payload::WorkerHandshakeChallenge(challenge) => (b"CAP-WORKER-HANDSHAKE-CHALLENGE-V1\0", server_key(challenge)),
        Payload::WorkerHandshakeAuthenticate(message) => {
            (b"CAP-WORKER-HANDSHAKE-AUTHENTICATE-V1\0", message.challenge.as_ref().map_or("", proof_key))
        }
        Payload::WorkerHandshakeResult(message) => {
            (b"CAP-WORKER-HANDSHAKE-RESULT-V1\0", message.challenge.as_ref().map_or("", server_key))
        }
        Payload::JobRequest(_)
        | Payload::JobResult(_)
        | Payload::Heartbeat(_)
        | Payload::Alert(_)
        | Payload::JobProgress(_)
        | Payload::JobCancel(_)
        | Payload::Handshake(_) => return None,
    };
    Some((domain, key))
}

fn limits() -> DecodeLimits {
    DecodeLimits::default().with(|limits| {
        limits.bytes = MAX_BYTES;
        limits.refuse_unknown = true;
    })
}

/// Encodes and signs a packet of the worker trust handshake.
///
/// Errors: the packet is of another kind, breaks a rule of the handshake, has unknown fields or more than 65 536 bytes, or
/// the signer has failed.
pub fn seal_trust(mut packet: BusPacket, order: MapOrder, signer: &dyn Signer) -> Result<Vec<u8>, Unsignable> {
    let (domain, _) = domain(&packet).ok_or(Unsignable::Kind)?;
    packet.signature.clear();
    let unsigned = packet.encode(order);
    BusPacket::decode(&unsigned, &limits().with(|limits| limits.bytes = usize::MAX))
        .map_err(|_| Unsignable::UnknownFields)?;
    packet.signature = signer.sign(&[domain, &unsigned].concat()).map_err(|_| Unsignable::Signer)?;
    validate(&packet, Acceptance::Since217)?;
    let bytes = packet.encode(order);
    if bytes.len() > MAX_BYTES {
        return Err(Unsignable::TooLarge { bytes: bytes.len(), max: MAX_BYTES });
    }
    Ok(bytes)
}

/// Decodes a packet of the worker trust handshake without checking it.
pub(crate) fn decode_trust(bytes: &[u8]) -> Result<BusPacket, Rejection> {
    RawPacket::split(bytes, &limits())?;
    Ok(BusPacket::decode(bytes, &limits())?)
}

/// Decodes a packet of the worker trust handshake, checks it, and verifies its signature with the key that it names among
/// keys by key id.
pub fn open_trust(bytes: &[u8], keys: &Keyring, verifier: &dyn Verifier) -> Result<BusPacket, Rejection> {
    let raw = RawPacket::split(bytes, &limits())?;
    let packet = BusPacket::decode(bytes, &limits())?;
    let (domain, key) = domain(&packet).ok_or(Rejection::Kind)?;
    if raw.signature().is_empty() {
        return Err(Rejection::Unsigned);
    }
    validate(&packet, Acceptance::Since217)?;
    let known = keys.of(key);
    if known.is_empty() {
        return Err(Rejection::UnknownKey(String::from(key)));
    }
    if !der::is_strict(raw.signature()) {
        return Err(Rejection::Der);
    }
    let mut message = domain.to_vec();
    raw.push_unsigned_sorted(&mut message);
    if is_signed(known, &message, raw.signature(), verifier) { Ok(packet) } else { Err(Rejection::Signature) }
}
