//! The fields of a message that this version does not know.

use alloc::vec::Vec;
use core::fmt;

use super::error::DecodeError;
use super::read::{Allowance, Record};
use super::write::Writer;

/// The fields of a message that this version does not know, in the order in which they were read. They are written
/// again after the known fields, so that a message that was read is passed on as a whole.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UnknownFields(Vec<u8>);

impl UnknownFields {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the encoded records.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Keeps an unknown record.
    pub(crate) fn keep(&mut self, record: &Record<'_>, allowance: &Allowance) -> Result<(), DecodeError> {
        allowance.unknown(record.number)?;
        self.0.extend_from_slice(record.bytes);
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

/// Shows the size alone: an unknown field may be a secret.
impl fmt::Debug for UnknownFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnknownFields({} bytes)", self.0.len())
    }
}
