//! The messages of `google.protobuf` that CAP uses: points in time and JSON-like values.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::codec::error::DecodeError;
use super::codec::field::string;
use super::codec::message::{Message, merge, messages};
use super::codec::open_enum::open_enums;
use super::codec::read::{Allowance, Record, Value as RecordValue};
use super::codec::unknown::UnknownFields;
use super::codec::write::Writer;
use crate::time::Time;

messages! {
    /// A point in time, `google.protobuf.Timestamp`.
    Timestamp {
        /// Seconds since the Unix epoch; negative before it.
        seconds: i64 = 1,
        /// Nanoseconds of the second, 0 to 999 999 999.
        nanos: i32 = 2,
    }

    /// An object, `google.protobuf.Struct`.
    Struct {
        /// The members by name.
        fields: BTreeMap<String, Value> = 1,
    }

    /// A list of values, `google.protobuf.ListValue`.
    ListValue {
        /// The values in their order.
        values: Vec<Value> = 1,
    }
}

impl Timestamp {
    /// Returns the timestamp of a time.
    pub fn from_time(time: Time) -> Timestamp {
        // Microseconds of 64 bits are less than 2^45 seconds, and a fraction is less than 10^9 nanoseconds.
        let seconds = i64::try_from(time.0 / 1_000_000).unwrap_or(i64::MAX);
        let nanos = i32::try_from(time.0 % 1_000_000 * 1_000).unwrap_or(i32::MAX);
        Timestamp { seconds, nanos, ..Timestamp::default() }
    }

    /// Returns the time in whole microseconds, or `None` before the epoch, after [`Time::MAX`], or if `nanos` is outside
    /// 0 to 999 999 999.
    pub fn to_time(&self) -> Option<Time> {
        let seconds = u64::try_from(self.seconds).ok()?;
        let nanos = u64::try_from(self.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000).map(Time)
    }
}

open_enums! {
    /// The null of `google.protobuf`.
    NullValue {
        /// The only value.
        NULL_VALUE = 0,
    }
}

/// A value as JSON has them, `google.protobuf.Value`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// The value; absent in a malformed message.
    pub kind: Option<ValueKind>,
    /// The fields that this version does not know.
    pub unknown_fields: UnknownFields,
}

/// What a [`Value`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// Null.
    Null(NullValue),
    /// A number.
    Number(f64),
    /// A string.
    String(String),
    /// A boolean.
    Bool(bool),
    /// An object.
    Struct(Box<Struct>),
    /// A list.
    List(Box<ListValue>),
}

impl Message for Value {
    // The members of a oneof are written whenever they are set, even with their default.
    fn write_fields(&self, out: &mut Writer) {
        match &self.kind {
            Some(ValueKind::Null(null)) => out.varint(1, i64::from(null.0).cast_unsigned()),
            Some(ValueKind::Number(number)) => out.fixed64(2, number.to_le_bytes()),
            Some(ValueKind::String(text)) => out.bytes(3, text.as_bytes()),
            Some(ValueKind::Bool(value)) => out.varint(4, u64::from(*value)),
            Some(ValueKind::Struct(object)) => out.nested(5, |out| object.write_fields(out)),
            Some(ValueKind::List(list)) => out.nested(6, |out| list.write_fields(out)),
            None => {}
        }
        self.unknown_fields.write(out);
    }

    fn merge_record(&mut self, record: &Record<'_>, allowance: &mut Allowance) -> Result<(), DecodeError> {
        let kind = match (record.number, record.value) {
            (1, RecordValue::Varint(value)) => ValueKind::Null(NullValue(super::codec::field::int32(value))),
            (2, RecordValue::Fixed64(bytes)) => ValueKind::Number(f64::from_le_bytes(bytes)),
            (3, value @ RecordValue::Bytes(_)) => {
                ValueKind::String(string(&value, "string_value")?.unwrap_or_default())
            }
            (4, RecordValue::Varint(value)) => ValueKind::Bool(value != 0),
            (5, RecordValue::Bytes(bytes)) => {
                // The same member again is merged, another one replaces it.
                let mut object = match self.kind.take() {
                    Some(ValueKind::Struct(object)) => object,
                    _ => Box::default(),
                };
                merge(&mut object, bytes, allowance)?;
                ValueKind::Struct(object)
            }
            (6, RecordValue::Bytes(bytes)) => {
                let mut list = match self.kind.take() {
                    Some(ValueKind::List(list)) => list,
                    _ => Box::default(),
                };
                merge(&mut list, bytes, allowance)?;
                ValueKind::List(list)
            }
            _ => return self.unknown_fields.keep(record, allowance),
        };
        self.kind = Some(kind);
        Ok(())
    }
}
