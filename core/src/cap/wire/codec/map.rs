//! Maps: an entry is a message with a key and a value, both of which are always written.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::error::DecodeError;
use super::field::{Field, string};
use super::message::{Message, merge};
use super::read::{Allowance, Reader, Value};
use super::write::{MapOrder, Writer};

/// The number of the key in a map entry.
const KEY: u32 = 1;
/// The number of the value in a map entry.
const VALUE: u32 = 2;

/// The type of a map's values.
pub(crate) trait MapValue: Default {
    /// Writes the value, even if it is the default.
    fn write_always(&self, number: u32, out: &mut Writer);

    /// Takes in the value of a record; see [`Field::merge`].
    fn merge_value(&mut self, value: &Value<'_>, allowance: &mut Allowance) -> Result<bool, DecodeError>;
}

impl MapValue for String {
    fn write_always(&self, number: u32, out: &mut Writer) {
        out.bytes(number, self.as_bytes());
    }

    fn merge_value(&mut self, value: &Value<'_>, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        self.merge(value, "value of a map", allowance)
    }
}

impl MapValue for bool {
    fn write_always(&self, number: u32, out: &mut Writer) {
        out.varint(number, u64::from(*self));
    }

    fn merge_value(&mut self, value: &Value<'_>, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        self.merge(value, "value of a map", allowance)
    }
}

impl<M: Message> MapValue for M {
    fn write_always(&self, number: u32, out: &mut Writer) {
        out.nested(number, |out| self.write_fields(out));
    }

    fn merge_value(&mut self, value: &Value<'_>, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        let Value::Bytes(bytes) = *value else { return Ok(false) };
        merge(self, bytes, allowance)?;
        Ok(true)
    }
}

impl<V: MapValue> Field for BTreeMap<String, V> {
    fn write(&self, number: u32, out: &mut Writer) {
        out.note_keys(self.keys().map(String::as_str));
        let write = |out: &mut Writer, key: &String, value: &V| {
            out.nested(number, |out| {
                out.bytes(KEY, key.as_bytes());
                value.write_always(VALUE, out);
            });
        };
        match out.order() {
            MapOrder::Lexicographic => self.iter().for_each(|(key, value)| write(out, key, value)),
            MapOrder::Upb => {
                let mut entries: Vec<(&String, &V)> = self.iter().collect();
                entries.sort_by(|(a, _), (b, _)| MapOrder::Upb.compare(a, b));
                for (key, value) in entries {
                    write(out, key, value);
                }
            }
        }
    }

    /// The last of two entries with the same key wins. Unknown fields of an entry are dropped, as every protobuf
    /// library does.
    fn merge(&mut self, value: &Value<'_>, name: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        let Value::Bytes(bytes) = *value else { return Ok(false) };
        allowance.count()?;
        let (key, value) = allowance.nest(|allowance| {
            let (mut key, mut value) = (String::new(), V::default());
            let mut reader = Reader::new(bytes);
            while let Some(record) = reader.record(allowance)? {
                let is_known = match record.number {
                    KEY => match string(&record.value, name)? {
                        Some(text) => {
                            key = text;
                            true
                        }
                        None => false,
                    },
                    VALUE => value.merge_value(&record.value, allowance)?,
                    _ => false,
                };
                if !is_known {
                    allowance.unknown(record.number)?;
                }
            }
            Ok((key, value))
        })?;
        self.insert(key, value);
        Ok(true)
    }
}

/// A map whose values are not printed, because they may be secrets, such as environment variables.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PrivateMap(pub BTreeMap<String, String>);

impl fmt::Debug for PrivateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Field for PrivateMap {
    fn write(&self, number: u32, out: &mut Writer) {
        self.0.write(number, out);
    }

    fn merge(&mut self, value: &Value<'_>, name: &'static str, allowance: &mut Allowance) -> Result<bool, DecodeError> {
        Field::merge(&mut self.0, value, name, allowance)
    }
}
