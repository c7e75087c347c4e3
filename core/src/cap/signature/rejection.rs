//! The reasons why a packet is refused.

use alloc::string::String;

use crate::cap::wire::codec::error::DecodeError;
use crate::cap::wire::job::ErrorCode;
use crate::cap::wire::raw::MalformedPacket;
use crate::cap::wire::validate::rule::InvalidPacket;

/// Why a packet that was received is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The bytes are not a packet.
    #[error("the packet is malformed: {0}")]
    Malformed(#[from] MalformedPacket),
    /// The packet breaks a rule of the protocol.
    #[error("the packet is not valid: {0}")]
    Invalid(#[from] InvalidPacket),
    /// The packet has no signature.
    #[error("the packet has no signature")]
    Unsigned,
    /// There is no key of this name.
    #[error("there is no key of {0:?}")]
    UnknownKey(String),
    /// The signature is not one in DER.
    #[error("the signature is not in DER")]
    Der,
    /// The signature is not that of a known key over this packet.
    #[error("the signature is not that of a known key over this packet")]
    Signature,
    /// The packet is one of the production profile where such packets are not accepted: its signature is not that of a known
    /// key in the generic form.
    #[error("the packet has the form of the production profile, which is not accepted here")]
    Sealed,
    /// The packet is not of the kind that is expected here.
    #[error("the packet is not of the kind that is expected here")]
    Kind,
    /// A packet of the production profile breaks a rule of that profile.
    #[error("the packet breaks a rule of the production profile: {0}")]
    Profile(#[from] ProfileFault),
    /// A packet of the production profile is not admitted, although its signature verifies.
    #[error("the packet is not admitted: {0}")]
    NotAdmitted(#[from] NotAdmitted),
}

/// Why a packet is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// Another packet had the same message id.
    #[error("another packet of this sender had the same message id")]
    Conflict,
    /// The window is full.
    #[error("{0} packets are remembered, and none of them has expired")]
    Full(usize),
    /// The packet has expired since it was verified.
    #[error("the packet has expired")]
    Expired,
}

/// Which rule of the production profile a packet breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileFault {
    /// A field is unknown, or has another wire type than its own.
    #[error("the field {0} is unknown or has a wrong wire type")]
    Field(u32),
    /// A number is written with more bytes than it needs.
    #[error("a number of the field {0} is not in its shortest form")]
    NotMinimal(u32),
    /// The protocol version is missing or not written as the byte 1.
    #[error("the protocol version is missing, or not 1")]
    Version,
    /// The metadata of the signature is missing, or names another profile or algorithm.
    #[error("the metadata of the signature is missing, or of another profile or algorithm")]
    Metadata,
    /// The message id does not have 16 bytes, or there is no audience or key id.
    #[error("the message id, audience or key id of the signature is missing or malformed")]
    Incomplete,
    /// The packet is meant for another audience.
    #[error("the packet is meant for another audience")]
    Audience,
    /// The packet has expired.
    #[error("the packet has expired")]
    Expired,
    /// The packet is valid for longer than is allowed.
    #[error("the packet is valid for too long")]
    Lifetime,
    /// The packet is of another tenant.
    #[error("the packet is of another tenant")]
    Tenant,
    /// The packet is of another sender.
    #[error("the packet is of another sender")]
    Sender,
    /// The job request names another identity than the packet.
    #[error("{0} of the job request differs from the identity of the packet")]
    Identity(&'static str),
}

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Rejection {
        Rejection::Malformed(error.into())
    }
}

impl Rejection {
    /// Returns the error code of the protocol, for an alert.
    pub fn code(&self) -> ErrorCode {
        match self {
            Rejection::Malformed(_) | Rejection::Kind => ErrorCode::PROTOCOL_MALFORMED_PACKET,
            Rejection::Invalid(invalid) => match invalid.field {
                "protocol_version" => ErrorCode::PROTOCOL_VERSION_MISMATCH,
                "payload" => ErrorCode::PROTOCOL_UNKNOWN_PAYLOAD,
                _ => ErrorCode::PROTOCOL_MALFORMED_PACKET,
            },
            Rejection::Unsigned => ErrorCode::PROTOCOL_SIGNATURE_MISSING,
            Rejection::NotAdmitted(NotAdmitted::Full(_)) => ErrorCode::JOB_RESOURCE_EXHAUSTED,
            Rejection::NotAdmitted(_)
            | Rejection::UnknownKey(_)
            | Rejection::Der
            | Rejection::Signature
            | Rejection::Sealed
            | Rejection::Profile(_) => ErrorCode::PROTOCOL_SIGNATURE_INVALID,
        }
    }
}

/// Why a packet was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsignable {
    /// The packet breaks a rule of the protocol (2.17).
    #[error("the packet is not valid: {0}")]
    Invalid(#[from] InvalidPacket),
    /// The packet is not of the kind that is signed in this way.
    #[error("the packet is not of the kind that is signed in this way")]
    Kind,
    /// The packet breaks a rule of the production profile.
    #[error("the packet breaks a rule of the production profile: {0}")]
    Profile(#[from] ProfileFault),
    /// The packet is larger than its receivers accept.
    #[error("the signed packet has {bytes} bytes, and at most {max} are allowed")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The packet has fields that this version does not know, which are not allowed in this kind of packet, or which stand in
    /// the place of other fields.
    #[error("the packet has unknown fields")]
    UnknownFields,
    /// The signer has failed.
    #[error("the signer has failed")]
    Signer,
}
