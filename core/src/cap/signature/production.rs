//! The signature of the production profile (2.17, spec/19): over the exact bytes, for one audience, until it expires.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::der;
use super::generic::is_signed;
use super::host::{Signer, Verifier};
use super::key::Keyring;
use super::rejection::{ProfileFault, Rejection, Unsignable};
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::codec::read::{Record, Value};
use crate::cap::wire::codec::write::{MapOrder, Writer};
use crate::cap::wire::common::{IdentityBinding, SignatureMetadata};
use crate::cap::wire::job::JobRequest;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, Payload, SIGNATURE};
use crate::cap::wire::raw::RawPacket;
use crate::cap::wire::validate::{Acceptance, validate};
use crate::digest::{Digest, sha256};
use crate::time::Time;

/// The value of `profile_version`.
pub const PROFILE_VERSION: &str = "cap-production-v1";
/// The value of `algorithm`.
pub const PROFILE_ALGORITHM: &str = "ECDSA-P256-SHA256";

const DOMAIN: &[u8] = b"CAP-PRODUCTION-SIGNATURE-V1\0";
/// The largest packet in bytes.
const MAX_BYTES: usize = 1 << 20;
/// The length of a message id in bytes.
const MESSAGE_ID: usize = 16;
/// The number of the protocol version in a packet.
const VERSION: u32 = 4;

/// By how much less than the longest time a packet is valid that is sealed here: receivers whose clocks are behind by this or
/// less take it.
const MARGIN: Duration = Duration::from_secs(1);

/// For how long packets of the production profile may be valid, and how far clocks may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    lifetime: Duration,
    skew: Duration,
}

/// Why a [`Freshness`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lifetime is more than 0 and at most 5 min; a skew is at most 1 min, and not more than the lifetime")]
pub struct InvalidFreshness;

impl Freshness {
    /// Allows packets that expire within `lifetime`, by clocks that differ by at most `skew`.
    ///
    /// Errors: the lifetime is 0 or more than 5 min; the skew is more than 1 min or than the lifetime.
    pub fn new(lifetime: Duration, skew: Duration) -> Result<Freshness, InvalidFreshness> {
        let holds = lifetime > Duration::ZERO
            && lifetime <= Duration::from_mins(5)
            && skew <= Duration::from_mins(1)
            && skew <= lifetime;
        if holds { Ok(Freshness { lifetime, skew }) } else { Err(InvalidFreshness) }
    }

    /// Returns the longest time for which a packet may be valid.
    ///
    /// A packet that is sealed here is valid for a second less, or for nine tenths of the time if that is longer. So a receiver
    /// with the same terms takes it even if its clock is a little behind: two clocks never agree exactly.
    pub const fn lifetime(self) -> Duration {
        self.lifetime
    }

    /// Returns for how long a packet is valid that is sealed now.
    pub(super) fn sealed(self) -> Duration {
        self.lifetime.saturating_sub(MARGIN.min(self.lifetime / 10))
    }

    /// Returns the largest difference of two clocks.
    pub const fn skew(self) -> Duration {
        self.skew
    }

    fn check(self, expires_at: Time, wall: Time) -> Result<(), ProfileFault> {
        if expires_at.plus(self.skew) <= wall {
            return Err(ProfileFault::Expired);
        }
        if expires_at > wall.plus(self.lifetime).plus(self.skew) { Err(ProfileFault::Lifetime) } else { Ok(()) }
    }

    /// What the wall clock shows when a packet is refused as expired, so that it has to be remembered until then.
    pub(super) fn forgotten_at(self, expires_at: Time) -> Time {
        expires_at.plus(self.skew)
    }
}

/// Packets may be valid for 5 min, and clocks are taken to agree within a second.
impl Default for Freshness {
    fn default() -> Freshness {
        Freshness { lifetime: Duration::from_mins(5), skew: Duration::ZERO }
    }
}

/// What is required of a packet of the production profile.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The audience: the subject that the packet was received on.
    pub audience: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// The sender.
    pub sender: &'a str,
    /// The keys of the sender, by key id.
    pub keys: &'a Keyring,
    /// For how long it may be valid.
    pub freshness: Freshness,
}

/// A packet of the production profile whose signature verifies. It may have been seen before: see
/// [`ReplayWindow`](super::replay::ReplayWindow).
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The packet.
    pub packet: BusPacket,
    /// The SHA-256 digest of the packet without its signature.
    pub(super) digest: Digest,
    /// What the wall clock shows when the packet has expired.
    pub(super) forgotten_at: Time,
}

/// Returns the metadata of a packet of the production profile.
pub(crate) fn production_metadata(
    message_id: u128,
    audience: String,
    key_id: &str,
    expires_at: Time,
) -> SignatureMetadata {
    SignatureMetadata {
        profile_version: PROFILE_VERSION.into(),
        algorithm: PROFILE_ALGORITHM.into(),
        message_id: message_id.to_be_bytes().to_vec(),
        audience,
        expires_at: Some(Timestamp::from_time(expires_at)),
        key_id: key_id.into(),
        ..SignatureMetadata::default()
    }
}

/// Encodes a packet with its metadata, and signs it for the production profile. The signature comes last.
///
/// Errors: the packet breaks a rule of version 2.17 or of the profile, has unknown fields or more than 1 MiB, or the signer
/// has failed.
pub fn seal_production(mut packet: BusPacket, order: MapOrder, signer: &dyn Signer) -> Result<Vec<u8>, Unsignable> {
    packet.signature.clear();
    validate(&packet, Acceptance::Since217)?;
    metadata(&packet)?;
    if let Some(identity) = &packet.identity {
        mirrors(packet.payload.as_ref(), identity)?;
    }
    let mut bytes = packet.encode(order);
    BusPacket::decode(&bytes, &limits(usize::MAX)).map_err(|_| Unsignable::UnknownFields)?;
    let signature = signer.sign(&[DOMAIN, &bytes].concat()).map_err(|_| Unsignable::Signer)?;
    let mut record = Writer::new(order);
    record.bytes(SIGNATURE, &signature);
    bytes.extend_from_slice(&record.finish());
    if bytes.len() > MAX_BYTES {
        return Err(Unsignable::TooLarge { bytes: bytes.len(), max: MAX_BYTES });
    }
    Ok(bytes)
}

fn limits(bytes: usize) -> DecodeLimits {
    DecodeLimits::default().with(|limits| {
        limits.bytes = bytes;
        limits.refuse_unknown = true;
    })
}

/// Decodes a packet of the production profile, verifies its signature, and checks that it is the expected one and still
/// valid. `wall` is what the wall clock shows now.
pub fn open_production(
    bytes: &[u8],
    expected: &Expected<'_>,
    wall: Time,
    verifier: &dyn Verifier,
) -> Result<Opened, Rejection> {
    let peer = |sender: &str| (sender == expected.sender).then_some((expected.tenant, expected.keys));
    open_known(bytes, expected.audience, expected.freshness, wall, verifier, peer)
}

/// The same for a packet of one of several senders; `peer` returns the tenant and the keys of a sender that is known.
pub(super) fn open_known<'a>(
    bytes: &[u8],
    audience: &str,
    freshness: Freshness,
    wall: Time,
    verifier: &dyn Verifier,
    peer: impl FnOnce(&str) -> Option<(&'a str, &'a Keyring)>,
) -> Result<Opened, Rejection> {
    let raw = RawPacket::split(bytes, &limits(MAX_BYTES))?;
    exact(&raw)?;
    let packet = BusPacket::decode(bytes, &limits(MAX_BYTES))?;
    validate(&packet, Acceptance::Since217)?;
    let (terms, expires_at) = metadata(&packet)?;
    if terms.audience != audience {
        return Err(ProfileFault::Audience.into());
    }
    freshness.check(expires_at, wall)?;
    let (tenant, keys) = peer(&packet.sender_id).ok_or(ProfileFault::Sender)?;
    let identity = packet.identity.clone().unwrap_or_default();
    if identity.tenant_id != tenant || identity.tenant_id.is_empty() {
        return Err(ProfileFault::Tenant.into());
    }
    let keys = keys.of(&terms.key_id);
    if keys.is_empty() {
        return Err(Rejection::UnknownKey(terms.key_id.clone()));
    }
    if !der::is_strict(raw.signature()) {
        return Err(Rejection::Der);
    }
    let mut message = DOMAIN.to_vec();
    raw.push_unsigned(&mut message);
    if !is_signed(keys, &message, raw.signature(), verifier) {
        return Err(Rejection::Signature);
    }
    mirrors(packet.payload.as_ref(), &identity)?;
    let digest = sha256(message.get(DOMAIN.len()..).unwrap_or_default());
    Ok(Opened { digest, forgotten_at: freshness.forgotten_at(expires_at), packet })
}

/// Checks that a payload names no other identity than its packet.
fn mirrors(payload: Option<&Payload>, identity: &IdentityBinding) -> Result<(), ProfileFault> {
    let named = match payload {
        Some(Payload::JobRequest(request)) => return same_identity(request, identity),
        Some(Payload::JobResult(result)) => result.identity.as_ref(),
        Some(Payload::JobProgress(progress)) => progress.identity.as_ref(),
        Some(Payload::JobCancel(cancel)) => cancel.identity.as_ref(),
        _ => None,
    };
    if named.is_none_or(|named| named == identity) { Ok(()) } else { Err(ProfileFault::Identity("identity")) }
}

/// Checks that there is only one way to read the packet.
fn exact(raw: &RawPacket<'_>) -> Result<(), Rejection> {
    let mut has_version = false;
    for record in raw.records() {
        let Record { number, value, bytes, is_minimal } = *record;
        let is_known = match value {
            Value::Varint(_) => number == VERSION,
            Value::Bytes(_) => matches!(number, 1..=3 | 5 | 6 | 10..=22),
            Value::Fixed64(_) | Value::Group | Value::Fixed32(_) => false,
        };
        if !is_known {
            return Err(ProfileFault::Field(number).into());
        }
        if !is_minimal {
            return Err(ProfileFault::NotMinimal(number).into());
        }
        if number == VERSION {
            has_version = bytes == [0x20, 1];
        }
    }
    if !has_version {
        return Err(ProfileFault::Version.into());
    }
    if raw.signature().is_empty() { Err(Rejection::Unsigned) } else { Ok(()) }
}

/// Checks the metadata of the signature. Returns it with its expiry.
fn metadata(packet: &BusPacket) -> Result<(&SignatureMetadata, Time), ProfileFault> {
    let metadata = packet.signature_metadata.as_ref().ok_or(ProfileFault::Metadata)?;
    if metadata.profile_version != PROFILE_VERSION || metadata.algorithm != PROFILE_ALGORITHM {
        return Err(ProfileFault::Metadata);
    }
    if metadata.message_id.len() != MESSAGE_ID || metadata.audience.is_empty() || metadata.key_id.is_empty() {
        return Err(ProfileFault::Incomplete);
    }
    let expires_at = metadata.expires_at.as_ref().and_then(Timestamp::to_time).ok_or(ProfileFault::Expired)?;
    Ok((metadata, expires_at))
}

/// Checks that a job request names no other identity than its packet, wherever it names one.
fn same_identity(request: &JobRequest, identity: &IdentityBinding) -> Result<(), ProfileFault> {
    let meta = request.meta.as_ref();
    let mirrors = [
        ("tenant_id", request.tenant_id.as_str(), &identity.tenant_id),
        ("principal_id", &request.principal_id, &identity.principal_id),
        ("meta.tenant_id", meta.map_or("", |meta| &meta.tenant_id), &identity.tenant_id),
        ("meta.actor_id", meta.map_or("", |meta| &meta.actor_id), &identity.actor_id),
    ];
    let in_env = [
        ("tenant_id", "env.tenant_id", &identity.tenant_id),
        ("principal_id", "env.principal_id", &identity.principal_id),
        ("actor_id", "env.actor_id", &identity.actor_id),
        ("delegation_id", "env.delegation_id", &identity.delegation_id),
    ];
    // Labels are free text: the Python SDK accepts a label `tenant_id` with another value (ours).
    let in_env = in_env.into_iter().filter_map(|(key, name, own)| Some((name, request.env.0.get(key)?.as_str(), own)));
    let mirrors = mirrors.into_iter().chain(in_env);
    for (name, named, own) in mirrors {
        if !named.is_empty() && named != own {
            return Err(ProfileFault::Identity(name));
        }
    }
    match &request.identity {
        Some(named) if named != identity => Err(ProfileFault::Identity("identity")),
        _ => Ok(()),
    }
}
