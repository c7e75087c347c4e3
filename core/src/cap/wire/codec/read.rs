//! Reads records: a field number, a wire type, and a value.

use super::error::DecodeError;
use super::limits::DecodeLimits;

/// The greatest field number.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// One record of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// The field number.
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
    /// The bytes of the whole record, with its tag.
    pub(crate) bytes: &'a [u8],
    /// Whether all varints of the tag, the length and the value have their shortest form.
    pub(crate) is_minimal: bool,
}

/// The value of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    /// A group, which no field of CAP has.
    Group,
    Fixed32([u8; 4]),
}

/// What is left of the limits while a message is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    limits: DecodeLimits,
    depth: usize,
    elements: usize,
}

impl Allowance {
    /// Begins to decode a message.
    pub(crate) fn begin(bytes: &[u8], limits: &DecodeLimits) -> Result<Allowance, DecodeError> {
        if bytes.len() > limits.bytes {
            return Err(DecodeError::TooLarge { bytes: bytes.len(), max: limits.bytes });
        }
        Ok(Allowance { limits: *limits, depth: 0, elements: 0 })
    }

    /// Calls a function one level deeper.
    pub(crate) fn nest<T>(
        &mut self,
        inner: impl FnOnce(&mut Allowance) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth >= self.limits.depth {
            return Err(DecodeError::TooDeep { max: self.limits.depth });
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Counts an element of a list or a map.
    pub(crate) fn count(&mut self) -> Result<(), DecodeError> {
        if self.elements >= self.limits.elements {
            return Err(DecodeError::TooManyElements { max: self.limits.elements });
        }
        self.elements += 1;
        Ok(())
    }

    /// Checks that an unknown field may be there.
    pub(crate) fn unknown(&self, number: u32) -> Result<(), DecodeError> {
        if self.limits.refuse_unknown { Err(DecodeError::UnknownField(number)) } else { Ok(()) }
    }
}

/// A position in a message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Whether all varints had their shortest form since this was set.
    is_minimal: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, is_minimal: true }
    }

    /// Reads the next record; returns `None` at the end of the message.
    pub(crate) fn record(&mut self, allowance: &mut Allowance) -> Result<Option<Record<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let before = self.rest;
        self.is_minimal = true;
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed()?),
            2 => Value::Bytes(self.bytes()?),
            3 => {
                allowance.nest(|allowance| self.skip_group(number, allowance))?;
                Value::Group
            }
            5 => Value::Fixed32(self.fixed()?),
            other => return Err(DecodeError::WireType(other)),
        };
        let length = before.len() - self.rest.len();
        let bytes = before.get(..length).ok_or(DecodeError::Truncated)?;
        Ok(Some(Record { number, value, bytes, is_minimal: self.is_minimal }))
    }

    /// Reads a varint; returns `None` at the end of the bytes.
    pub(crate) fn next_varint(&mut self) -> Result<Option<u64>, DecodeError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn tag(&mut self) -> Result<(u32, u8), DecodeError> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > MAX_NUMBER {
            return Err(DecodeError::FieldNumber);
        }
        let number = u32::try_from(number).map_err(|_| DecodeError::FieldNumber)?;
        let wire_type = (tag & 7) as u8;
        Ok((number, wire_type))
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if at == 9 && *byte > 1 {
                return Err(DecodeError::Varint);
            }
            value |= bits << (7 * at);
            if *byte < 0x80 {
                self.is_minimal &= at == 0 || *byte != 0;
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 { DecodeError::Varint } else { DecodeError::Truncated })
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*value)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        let (value, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(value)
    }

    /// Reads to the end of a group whose beginning was read.
    fn skip_group(&mut self, number: u32, allowance: &mut Allowance) -> Result<(), DecodeError> {
        loop {
            let (inner, wire_type) = self.tag()?;
            match wire_type {
                0 => _ = self.varint()?,
                1 => _ = self.fixed::<8>()?,
                2 => _ = self.bytes()?,
                3 => allowance.nest(|allowance| self.skip_group(inner, allowance))?,
                4 if inner == number => return Ok(()),
                5 => _ = self.fixed::<4>()?,
                other => return Err(DecodeError::WireType(other)),
            }
        }
    }
}
