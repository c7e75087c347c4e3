//! The types of fields.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::DecodeError;
use super::read::{Allowance, Reader, Value};
use super::write::Writer;
use crate::secret::Secret;

/// The type of a field.
pub(crate) trait Field {
    /// Writes the field, unless it has its default.
    fn write(&self, number: u32, out: &mut Writer);

    /// Takes in the value of a record. Returns false if its wire type is not the one of this field, which makes the
    /// record an unknown one.
    fn merge(&mut self, value: &Value<'_>, name: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError>;
}

/// Fields that are written as varints. A negative number is extended to 64 bits, and a larger number is truncated.
macro_rules! varint_fields {
    ($( $type:ty: $value:ident => $to:expr, $from:expr; )+) => { $(
        impl Field for $type {
            fn write(&self, number: u32, out: &mut Writer) {
                let $value = *self;
                if $value != <$type>::default() {
                    out.varint(number, $to);
                }
            }

            fn merge(&mut self, value: &Value<'_>, _: &'static str, _: &mut Allowance) -> Result<bool, DecodeError> {
                let Value::Varint($value) = *value else { return Ok(false) };
                *self = $from;
                Ok(true)
            }
        }
    )+ };
}

varint_fields! {
    u64: value => value, value;
    i64: value => value.cast_unsigned(), value.cast_signed();
    i32: value => i64::from(value).cast_unsigned(), int32(value);
    bool: value => u64::from(value), value != 0;
}

/// Returns the `int32` that a varint holds: its lowest 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "protobuf truncates")]
pub(crate) const fn int32(value: u64) -> i32 {
    value as i32
}

/// Fields that are written with a fixed number of bytes. Minus zero is not the default.
macro_rules! fixed_fields {
    ($( $type:ty: $kind:ident, $write:ident; )+) => { $(
        impl Field for $type {
            fn write(&self, number: u32, out: &mut Writer) {
                if self.to_bits() != 0 {
                    out.$write(number, self.to_le_bytes());
                }
            }

            fn merge(&mut self, value: &Value<'_>, _: &'static str, _: &mut Allowance) -> Result<bool, DecodeError> {
                let Value::$kind(value) = *value else { return Ok(false) };
                *self = <$type>::from_le_bytes(value);
                Ok(true)
            }
        }
    )+ };
}

fixed_fields! {
    f32: Fixed32, fixed32;
    f64: Fixed64, fixed64;
}

/// Reads a string.
pub(crate) fn string(value: &Value<'_>, name: &'static str) -> Result<Option<String>, DecodeError> {
    let Value::Bytes(bytes) = *value else { return Ok(None) };
    let text = core::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { field: name.trim_start_matches("r#") })?;
    Ok(Some(String::from(text)))
}

impl Field for String {
    fn write(&self, number: u32, out: &mut Writer) {
        if !self.is_empty() {
            out.bytes(number, self.as_bytes());
        }
    }

    fn merge(&mut self, value: &Value<'_>, name: &'static str, _: &mut Allowance) -> Result<bool, DecodeError> {
        let Some(text) = string(value, name)? else { return Ok(false) };
        *self = text;
        Ok(true)
    }
}

/// A string that is not printed.
impl Field for Secret {
    fn write(&self, number: u32, out: &mut Writer) {
        if !self.expose().is_empty() {
            out.bytes(number, self.expose().as_bytes());
        }
    }

    fn merge(&mut self, value: &Value<'_>, name: &'static str, _: &mut Allowance) -> Result<bool, DecodeError> {
        let Some(text) = string(value, name)? else { return Ok(false) };
        *self = Secret::new(text);
        Ok(true)
    }
}

impl Field for Vec<u8> {
    fn write(&self, number: u32, out: &mut Writer) {
        if !self.is_empty() {
            out.bytes(number, self);
        }
    }

    fn merge(&mut self, value: &Value<'_>, _: &'static str, _: &mut Allowance) -> Result<bool, DecodeError> {
        let Value::Bytes(bytes) = *value else { return Ok(false) };
        *self = bytes.to_vec();
        Ok(true)
    }
}

impl Field for Vec<String> {
    fn write(&self, number: u32, out: &mut Writer) {
        for text in self {
            out.bytes(number, text.as_bytes());
        }
    }

    fn merge(&mut self, value: &Value<'_>, name: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        let Some(text) = string(value, name)? else { return Ok(false) };
        allowance.count()?;
        self.push(text);
        Ok(true)
    }
}

/// A packed list. It is read in both forms, packed and not.
impl Field for Vec<i32> {
    fn write(&self, number: u32, out: &mut Writer) {
        if !self.is_empty() {
            out.nested(number, |out| {
                for value in self {
                    out.bare_varint(i64::from(*value).cast_unsigned());
                }
            });
        }
    }

    fn merge(&mut self, value: &Value<'_>, _: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        match *value {
            Value::Varint(value) => {
                allowance.count()?;
                self.push(int32(value));
            }
            Value::Bytes(bytes) => {
                let mut reader = Reader::new(bytes);
                while let Some(value) = reader.next_varint()? {
                    allowance.count()?;
                    self.push(int32(value));
                }
            }
            Value::Fixed64(_) | Value::Group | Value::Fixed32(_) => return Ok(false),
        }
        Ok(true)
    }
}
