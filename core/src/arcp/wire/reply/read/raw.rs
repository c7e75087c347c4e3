//! Parts of a frame that are passed on without a copy.

use core::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// JSON text as it was received: a slice that shares the memory of its frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// The text `null`.
    pub(crate) const NULL: Raw = Raw(Bytes::from_static(b"null"));

    pub(crate) fn new(frame: &Bytes, json: &RawValue) -> Raw {
        Raw(slice(frame, json.get()))
    }

    /// Returns the JSON text of a member, unless it is absent or `null`.
    pub(super) fn unless_null(frame: &Bytes, json: Option<&RawValue>) -> Option<Raw> {
        json.filter(|json| json.get() != "null").map(|json| Raw::new(frame, json))
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        // The text is a part of a frame that was checked to be UTF-8. Skipping the second check would need `unsafe`.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the JSON text as bytes that share the memory of the frame.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Deserialises the JSON text.
    ///
    /// # Errors
    ///
    /// The error of `serde_json` if the text does not have the shape of `T`.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns a part of a frame as bytes that share its memory, or a copy of a text that is not a part of it because an
/// escape was decoded.
pub(super) fn slice(frame: &Bytes, part: &str) -> Bytes {
    let start = (part.as_ptr() as usize).wrapping_sub(frame.as_ptr() as usize);
    match start.checked_add(part.len()) {
        Some(end) if end <= frame.len() => frame.slice(start..end),
        _ => Bytes::copy_from_slice(part.as_bytes()),
    }
}
