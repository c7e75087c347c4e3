//! The records of a packet, without decoding them. Signatures are verified over these bytes.

use alloc::vec::Vec;

use super::codec::error::DecodeError;
use super::codec::limits::DecodeLimits;
use super::codec::read::{Allowance, Reader, Record, Value};
use super::packet::{SIGNATURE, is_payload};

/// The most fields of a packet. Version 2.17.0 has 20, and each may be unknown to this version.
const MAX_FIELDS: usize = 64;

/// Why bytes are not a packet whose signature could be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedPacket {
    /// The bytes are not a message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A field of the packet occurs twice, so that two readers may take the packet for different ones.
    #[error("the packet has its field {0} twice")]
    Duplicate(u32),
    /// The packet has more fields than any version of the protocol.
    #[error("the packet has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// The packet has two payloads.
    #[error("the packet has two payloads, {0} and {1}")]
    TwoPayloads(u32, u32),
}

/// The records of a packet, each field at most once, and at most one payload.
#[derive(Clone, Debug)]
pub(crate) struct RawPacket<'a> {
    /// In the order of the wire.
    records: Vec<Record<'a>>,
    /// The value of the signature's record.
    signature: &'a [u8],
}

impl<'a> RawPacket<'a> {
    /// Splits a packet.
    pub(crate) fn split(bytes: &'a [u8], limits: &DecodeLimits) -> Result<RawPacket<'a>, MalformedPacket> {
        let mut allowance = Allowance::begin(bytes, limits)?;
        let mut reader = Reader::new(bytes);
        let mut records: Vec<Record<'a>> = Vec::new();
        let (mut payload, mut signature) = (None, <&[u8]>::default());
        while let Some(record) = reader.record(&mut allowance)? {
            let number = record.number;
            if records.len() >= MAX_FIELDS {
                return Err(MalformedPacket::TooManyFields);
            }
            if records.iter().any(|other| other.number == number) {
                return Err(MalformedPacket::Duplicate(number));
            }
            if is_payload(number)
                && let Some(other) = payload.replace(number)
            {
                return Err(MalformedPacket::TwoPayloads(other, number));
            }
            if number == SIGNATURE
                && let Value::Bytes(value) = record.value
            {
                signature = value;
            }
            records.push(record);
        }
        Ok(RawPacket { records, signature })
    }

    /// The signature; empty if there is none.
    pub(crate) fn signature(&self) -> &'a [u8] {
        self.signature
    }

    /// The records in the order of the wire.
    pub(crate) fn records(&self) -> &[Record<'a>] {
        &self.records
    }

    /// Appends the packet without its signature, as it was received.
    pub(crate) fn push_unsigned(&self, out: &mut Vec<u8>) {
        for record in self.records.iter().filter(|record| record.number != SIGNATURE) {
            out.extend_from_slice(record.bytes);
        }
    }

    /// Appends the packet without its signature, with its fields in the order of their numbers. Go writes the payload
    /// last and signs it in the order of the numbers.
    pub(crate) fn push_unsigned_sorted(&self, out: &mut Vec<u8>) {
        let mut records: Vec<&Record<'a>> = self.records.iter().filter(|record| record.number != SIGNATURE).collect();
        records.sort_by_key(|record| record.number);
        for record in records {
            out.extend_from_slice(record.bytes);
        }
    }
}
