//! The signature of every packet of 2.10, and of most packets of 2.17.

use alloc::vec::Vec;

use super::der;
use super::host::{Signer, Verifier};
use super::key::{Keyring, PublicKey};
use super::rejection::{Rejection, Unsignable};
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::codec::message;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::packet::BusPacket;
use crate::cap::wire::raw::RawPacket;
use crate::cap::wire::validate::{Acceptance, validate};

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes to publish.
    pub bytes: Vec<u8>,
    /// Whether a map of the packet has a key that another key begins with, such as `job.echo` and `job.echo.fail`. Then
    /// receivers disagree about the signature: either those in Python reject the packet, or those in Go; see
    /// [`MapOrder`].
    pub has_prefix_pair: bool,
}

/// Encodes a packet, and signs it if there is a signer. A signature that it has is replaced.
///
/// Errors: the packet breaks a rule of version 2.17, has a field twice because it keeps one that could not be read as its
/// own, or the signer has failed.
pub fn seal(mut packet: BusPacket, order: MapOrder, signer: Option<&dyn Signer>) -> Result<Sealed, Unsignable> {
    packet.signature.clear();
    validate(&packet, Acceptance::Since217)?;
    let (mut bytes, has_prefix_pair) = message::encode_noting(&packet, order);
    if !packet.unknown_fields.is_empty() {
        let limits = DecodeLimits::default().with(|limits| limits.bytes = usize::MAX);
        RawPacket::split(&bytes, &limits).map_err(|_| Unsignable::UnknownFields)?;
    }
    if let Some(signer) = signer {
        packet.signature = signer.sign(&bytes).map_err(|_| Unsignable::Signer)?;
        bytes = packet.encode(order);
    }
    Ok(Sealed { bytes, has_prefix_pair })
}

/// Whose packets are accepted.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Packets that a key of their sender has signed.
    Signed(Keyring),
    /// All packets, signed or not. Whoever reaches the bus can then submit and cancel jobs.
    Unsigned,
}

/// How packets are read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// Whose packets are accepted.
    pub authentication: Authentication,
    /// The versions whose packets are accepted. Default: 2.10 and later.
    pub acceptance: Acceptance,
    /// Whether a signature that does not verify over the received bytes is tried over the two canonical encodings of the
    /// packet, as other verifiers do. Default: true.
    pub reencode: bool,
    /// The limits of decoding.
    pub limits: DecodeLimits,
}

impl Reading {
    /// Returns the default settings for packets of some senders.
    pub fn new(authentication: Authentication) -> Reading {
        Reading { authentication, acceptance: Acceptance::default(), reencode: true, limits: DecodeLimits::default() }
    }

    /// Returns these settings with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Reading)) -> Reading {
        change(&mut self);
        self
    }
}

/// Decodes a packet, checks it against the rules of the protocol, and verifies its signature.
pub fn open(bytes: &[u8], reading: &Reading, verifier: &dyn Verifier) -> Result<BusPacket, Rejection> {
    let raw = RawPacket::split(bytes, &reading.limits)?;
    let packet = BusPacket::decode(bytes, &reading.limits)?;
    validate(&packet, reading.acceptance)?;
    let Authentication::Signed(keys) = &reading.authentication else { return Ok(packet) };
    let signature = raw.signature();
    if signature.is_empty() {
        return Err(Rejection::Unsigned);
    }
    let keys = keys.of(&packet.sender_id);
    if keys.is_empty() {
        return Err(Rejection::UnknownKey(packet.sender_id));
    }
    if !der::is_strict(signature) {
        return Err(Rejection::Der);
    }
    let has_signed = |message: &[u8]| is_signed(keys, message, signature, verifier);
    let mut received = Vec::with_capacity(bytes.len());
    raw.push_unsigned_sorted(&mut received);
    if has_signed(&received) {
        return Ok(packet);
    }
    if reading.reencode {
        let mut unsigned = packet.clone();
        unsigned.signature.clear();
        let lexicographic = unsigned.encode(MapOrder::Lexicographic);
        let upb = unsigned.encode(MapOrder::Upb);
        // A verification is expensive, so bytes that were tried are not tried again.
        if lexicographic != received && has_signed(&lexicographic)
            || upb != received && upb != lexicographic && has_signed(&upb)
        {
            return Ok(packet);
        }
    }
    let is_sealed = packet.signature_metadata.is_some();
    Err(if is_sealed { Rejection::Sealed } else { Rejection::Signature })
}

/// Returns whether one of some keys has signed a message.
pub(super) fn is_signed(keys: &[PublicKey], message: &[u8], signature: &[u8], verifier: &dyn Verifier) -> bool {
    keys.iter().any(|key| verifier.verify(key, message, signature))
}
