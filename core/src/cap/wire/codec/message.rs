//! The trait of messages, and the macro that declares a message.

use super::error::DecodeError;
use super::field::Field;
use super::limits::DecodeLimits;
use super::read::{Allowance, Reader, Record, Value};
use super::write::{MapOrder, Writer};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A message, whose fields are written in the order of their numbers.
pub(crate) trait Message: Default {
    /// Writes all fields that do not have their default.
    fn write_fields(&self, out: &mut Writer);

    /// Takes a record into the message, as protobuf merges messages: the last scalar wins, messages are merged,
    /// lists grow.
    fn merge_record(&mut self, record: &Record<'_>, allowance: &mut Allowance) -> Result<(), DecodeError>;
}

impl<M: Message> Message for Box<M> {
    fn write_fields(&self, out: &mut Writer) {
        M::write_fields(self, out);
    }

    fn merge_record(&mut self, record: &Record<'_>, allowance: &mut Allowance) -> Result<(), DecodeError> {
        M::merge_record(self, record, allowance)
    }
}

/// Takes all records of some bytes into a message.
pub(crate) fn merge(message: &mut impl Message, bytes: &[u8], allowance: &mut Allowance) -> Result<(), DecodeError> {
    allowance.nest(|allowance| {
        let mut reader = Reader::new(bytes);
        while let Some(record) = reader.record(allowance)? {
            message.merge_record(&record, allowance)?;
        }
        Ok(())
    })
}

/// Decodes a message.
pub(crate) fn decode<M: Message>(bytes: &[u8], limits: &DecodeLimits) -> Result<M, DecodeError> {
    let mut message = M::default();
    merge(&mut message, bytes, &mut Allowance::begin(bytes, limits)?)?;
    Ok(message)
}

/// Encodes a message.
pub(crate) fn encode(message: &impl Message, order: MapOrder) -> Vec<u8> {
    let mut out = Writer::new(order);
    message.write_fields(&mut out);
    out.finish()
}

/// Encodes a message. Also returns whether a map has a key that another key of it begins with.
pub(crate) fn encode_noting(message: &impl Message, order: MapOrder) -> (Vec<u8>, bool) {
    let mut out = Writer::new(order);
    message.write_fields(&mut out);
    let has_prefix_pair = out.has_prefix_pair();
    (out.finish(), has_prefix_pair)
}

/// A message within a message. It is written whenever it is present, even if it is empty.
impl<M: Message> Field for Option<M> {
    fn write(&self, number: u32, out: &mut Writer) {
        if let Some(message) = self {
            out.nested(number, |out| message.write_fields(out));
        }
    }

    fn merge(&mut self, value: &Value<'_>, _: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        let Value::Bytes(bytes) = *value else { return Ok(false) };
        merge(self.get_or_insert_default(), bytes, allowance)?;
        Ok(true)
    }
}

/// A list of messages.
impl<M: Message> Field for Vec<M> {
    fn write(&self, number: u32, out: &mut Writer) {
        for message in self {
            out.nested(number, |out| message.write_fields(out));
        }
    }

    fn merge(&mut self, value: &Value<'_>, _: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        let Value::Bytes(bytes) = *value else { return Ok(false) };
        allowance.count()?;
        let mut message = M::default();
        merge(&mut message, bytes, allowance)?;
        self.push(message);
        Ok(true)
    }
}

/// Returns whether field numbers ascend, which the declaration of a message is checked for when it is compiled.
pub(crate) const fn ascend(mut numbers: &[u32]) -> bool {
    while let [first, rest @ ..] = numbers {
        if let [second, ..] = rest
            && *first >= *second
        {
            return false;
        }
        numbers = rest;
    }
    true
}

/// Declares messages: structs with a public field for each field of the protocol, in the order of their numbers.
macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$field_doc:meta])* $field:ident: $type:ty = $number:literal, )* }
    )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
            /// The fields that this version does not know.
            pub unknown_fields: crate::cap::wire::codec::unknown::UnknownFields,
        }

        const _: () = assert!(crate::cap::wire::codec::message::ascend(&[$($number),*]));

        impl crate::cap::wire::codec::message::Message for $name {
            fn write_fields(&self, out: &mut crate::cap::wire::codec::write::Writer) {
                $( crate::cap::wire::codec::field::Field::write(&self.$field, $number, out); )*
                self.unknown_fields.write(out);
            }

            fn merge_record(
                &mut self,
                record: &crate::cap::wire::codec::read::Record<'_>,
                allowance: &mut crate::cap::wire::codec::read::Allowance,
            ) -> Result<(), crate::cap::wire::codec::error::DecodeError> {
                let is_known = match record.number {
                    $( $number => crate::cap::wire::codec::field::Field::merge(
                        &mut self.$field, &record.value, stringify!($field), allowance,
                    )?, )*
                    _ => false,
                };
                if is_known { Ok(()) } else { self.unknown_fields.keep(record, allowance) }
            }
        }

        impl $name {
            /// Encodes the message: fields in the order of their numbers, defaults left out.
            pub fn encode(&self, order: crate::cap::wire::codec::write::MapOrder) -> alloc::vec::Vec<u8> {
                crate::cap::wire::codec::message::encode(self, order)
            }

            /// Decodes a message, which is total on any bytes.
            pub fn decode(
                bytes: &[u8],
                limits: &crate::cap::wire::codec::limits::DecodeLimits,
            ) -> Result<$name, crate::cap::wire::codec::error::DecodeError> {
                crate::cap::wire::codec::message::decode(bytes, limits)
            }
        }
    )+

        /// The declarations: names of messages, and names, types and numbers of their fields.
        #[cfg(test)]
        pub(crate) const MESSAGES: &[crate::cap::wire::codec::message::Declared] =
            &[$( (stringify!($name), &[$( (stringify!($field), stringify!($type), $number) ),*]) ),+];
    };
}

/// A message's name, and names, types and numbers of its fields.
#[cfg(test)]
pub(crate) type Declared = (&'static str, &'static [(&'static str, &'static str, u32)]);

pub(crate) use messages;
