//! The envelope of every message on the bus.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::alert::SystemAlert;
use super::codec::error::DecodeError;
use super::codec::field::Field;
use super::codec::limits::DecodeLimits;
use super::codec::message::{self, Message, merge};
use super::codec::read::{Allowance, Record, Value};
use super::codec::unknown::UnknownFields;
use super::codec::write::{MapOrder, Writer};
use super::common::{IdentityBinding, SignatureMetadata};
use super::handshake::Handshake;
use super::heartbeat::Heartbeat;
use super::job::{JobCancel, JobProgress, JobRequest, JobResult};
use super::known::Timestamp;
use super::trust::{
    WorkerHandshakeAuthenticate, WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest, WorkerHandshakeResult,
};
use crate::secret::Secret;

/// The only protocol version.
pub const PROTOCOL_VERSION: i32 = 1;

/// The number of the signature in a packet.
pub(crate) const SIGNATURE: u32 = 14;
/// The number of the session token in a packet.
const AUTH_TOKEN: u32 = 18;

/// The envelope of every message on the bus.
///
/// ```
/// use nuncio_core::cap::{BusPacket, DecodeLimits, JobRequest, MapOrder, Payload};
///
/// let request = JobRequest { job_id: "job-1".into(), topic: "job.echo".into(), ..JobRequest::default() };
/// let packet = BusPacket { trace_id: "trace-1".into(), payload: Some(request.into()), ..BusPacket::default() };
/// let bytes = packet.encode(MapOrder::Lexicographic);
/// assert_eq!(BusPacket::decode(&bytes, &DecodeLimits::default()), Ok(packet));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BusPacket {
    /// The trace, which all jobs of a tree share.
    pub trace_id: String,
    /// The sender, whose key the packet is signed with.
    pub sender_id: String,
    /// When the packet was made.
    pub created_at: Option<Timestamp>,
    /// The protocol version, [`PROTOCOL_VERSION`].
    pub protocol_version: i32,
    /// How the packet is signed (2.17, production profile).
    pub signature_metadata: Option<SignatureMetadata>,
    /// Who the packet speaks for (2.17).
    pub identity: Option<IdentityBinding>,
    /// What the packet carries.
    pub payload: Option<Payload>,
    /// The signature: an ECDSA signature in ASN.1 DER.
    pub signature: Vec<u8>,
    /// The token of the sender's session (2.17).
    pub auth_token: Secret,
    /// The fields that this version does not know.
    pub unknown_fields: UnknownFields,
}

/// Declares the payloads with their numbers, in one place.
macro_rules! payloads {
    ($( $(#[$doc:meta])* $name:ident($type:ident) = $number:literal; )+) => {
        /// What a packet carries.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Payload {
            $( $(#[$doc])* $name(Box<$type>), )+
        }

        /// Whether a field number is the one of a payload.
        pub(crate) const fn is_payload(number: u32) -> bool {
            matches!(number, $($number)|+)
        }

        impl Payload {
            fn number(&self) -> u32 {
                match self { $( Payload::$name(_) => $number, )+ }
            }

            fn write(&self, out: &mut Writer) {
                match self { $( Payload::$name(message) => out.nested($number, |out| message.write_fields(out)), )+ }
            }

            /// Returns the name of the payload in the protocol files.
            pub const fn name(&self) -> &'static str {
                match self { $( Payload::$name(_) => stringify!($name), )+ }
            }

            /// Decodes a payload. The one that was read before is merged if it has the same number, else replaced.
            fn read(
                number: u32,
                before: Option<Payload>,
                bytes: &[u8],
                allowance: &mut Allowance,
            ) -> Result<Option<Payload>, DecodeError> {
                match number {
                    $( $number => {
                        let mut message = match before {
                            Some(Payload::$name(message)) => message,
                            _ => Box::default(),
                        };
                        merge(&mut message, bytes, allowance)?;
                        Ok(Some(Payload::$name(message)))
                    } )+
                    _ => Ok(before),
                }
            }
        }

        $( impl From<$type> for Payload {
            fn from(message: $type) -> Payload {
                Payload::$name(Box::new(message))
            }
        } )+
    };
}

payloads! {
    /// A job to run.
    JobRequest(JobRequest) = 10;
    /// How a job has ended.
    JobResult(JobResult) = 11;
    /// A worker is alive.
    Heartbeat(Heartbeat) = 12;
    /// Something is wrong.
    Alert(SystemAlert) = 13;
    /// How far a job is.
    JobProgress(JobProgress) = 15;
    /// A job has to stop.
    JobCancel(JobCancel) = 16;
    /// What a component is.
    Handshake(Handshake) = 17;
    /// A worker asks for a challenge (2.17).
    WorkerHandshakeChallengeRequest(WorkerHandshakeChallengeRequest) = 19;
    /// The challenge (2.17).
    WorkerHandshakeChallenge(WorkerHandshakeChallenge) = 20;
    /// The answer to the challenge (2.17).
    WorkerHandshakeAuthenticate(WorkerHandshakeAuthenticate) = 21;
    /// The outcome (2.17).
    WorkerHandshakeResult(WorkerHandshakeResult) = 22;
}

impl Message for BusPacket {
    // The payload stands among the other fields by its number, which no stock encoder of Rust does.
    fn write_fields(&self, out: &mut Writer) {
        self.trace_id.write(1, out);
        self.sender_id.write(2, out);
        self.created_at.write(3, out);
        self.protocol_version.write(4, out);
        self.signature_metadata.write(5, out);
        self.identity.write(6, out);
        let number = self.payload.as_ref().map_or(0, Payload::number);
        let write_payload = |out: &mut Writer| self.payload.iter().for_each(|payload| payload.write(out));
        if number < SIGNATURE {
            write_payload(out);
        }
        self.signature.write(SIGNATURE, out);
        if (SIGNATURE..AUTH_TOKEN).contains(&number) {
            write_payload(out);
        }
        self.auth_token.write(AUTH_TOKEN, out);
        if number > AUTH_TOKEN {
            write_payload(out);
        }
        self.unknown_fields.write(out);
    }

    fn merge_record(&mut self, record: &Record<'_>, allowance: &mut Allowance) -> Result<(), DecodeError> {
        let value = &record.value;
        let is_known = match record.number {
            1 => self.trace_id.merge(value, "trace_id", allowance)?,
            2 => self.sender_id.merge(value, "sender_id", allowance)?,
            3 => self.created_at.merge(value, "created_at", allowance)?,
            4 => self.protocol_version.merge(value, "protocol_version", allowance)?,
            5 => self.signature_metadata.merge(value, "signature_metadata", allowance)?,
            6 => self.identity.merge(value, "identity", allowance)?,
            SIGNATURE => self.signature.merge(value, "signature", allowance)?,
            AUTH_TOKEN => self.auth_token.merge(value, "auth_token", allowance)?,
            number if is_payload(number) => match *value {
                Value::Bytes(bytes) => {
                    self.payload = Payload::read(number, self.payload.take(), bytes, allowance)?;
                    true
                }
                Value::Varint(_) | Value::Fixed64(_) | Value::Group | Value::Fixed32(_) => false,
            },
            _ => false,
        };
        if is_known { Ok(()) } else { self.unknown_fields.keep(record, allowance) }
    }
}

impl BusPacket {
    /// Encodes the packet: fields in the order of their numbers, defaults left out, unknown fields last.
    pub fn encode(&self, order: MapOrder) -> Vec<u8> {
        message::encode(self, order)
    }

    /// Decodes a packet, which is total on any bytes. The signature is not verified.
    pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<BusPacket, DecodeError> {
        message::decode(bytes, limits)
    }
}
