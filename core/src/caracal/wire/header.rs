//! Header fields that Caracal sends. Their types make it impossible to send a line break in a value.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use crate::secret::Secret;

/// The longest value of a header field that is sent or read, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 8_192;

/// Why a text is not the value of a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// The text is empty, or has white space at an end.
    #[error("a header value must not be empty, and must not begin or end with white space")]
    Blank,
    /// The text has a character that is not printable ASCII.
    #[error("a header value must be printable ASCII")]
    NotPrintable,
    /// The text has more than 8192 bytes.
    #[error("a header value must have at most 8192 bytes")]
    TooLong,
}

/// Checks that a text is 1 to 8192 printable ASCII characters and begins and ends with none of its spaces.
pub(crate) fn check(text: &str) -> Result<(), InvalidHeader> {
    if text.len() > MAX_VALUE_BYTES {
        return Err(InvalidHeader::TooLong);
    }
    // Without a branch for each byte, and as vectors: a token has hundreds of them. What is below a space becomes large.
    let last = text.bytes().fold(0, |last, byte| byte.wrapping_sub(b' ').max(last));
    if last > b'~'.wrapping_sub(b' ') {
        return Err(InvalidHeader::NotPrintable);
    }
    if text.is_empty() || text.starts_with(' ') || text.ends_with(' ') {
        return Err(InvalidHeader::Blank);
    }
    Ok(())
}

/// The value of a header field: 1 to 8192 printable ASCII characters, with no space at either end.
///
/// A value that holds a token is not part of its `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue(Value);

#[derive(Clone, PartialEq, Eq)]
enum Value {
    Shown(Box<str>),
    Hidden(Arc<Secret>),
}

impl HeaderValue {
    /// Checks a text and returns it as a value.
    pub fn new(text: impl Into<Box<str>>) -> Result<HeaderValue, InvalidHeader> {
        let text = text.into();
        check(&text)?;
        Ok(HeaderValue(Value::Shown(text)))
    }

    /// Returns a value that the writer of a header knows to be valid.
    pub(crate) fn trusted(text: impl Into<Box<str>>) -> HeaderValue {
        HeaderValue(Value::Shown(text.into()))
    }

    /// Returns a secret value that was checked before.
    pub(crate) fn hidden(text: Arc<Secret>) -> HeaderValue {
        HeaderValue(Value::Hidden(text))
    }

    /// Returns the text. It must not be logged if [`HeaderValue::is_secret`].
    pub fn expose(&self) -> &str {
        match &self.0 {
            Value::Shown(text) => text,
            Value::Hidden(secret) => secret.expose(),
        }
    }

    /// Returns whether the value holds a secret, such as a token.
    pub fn is_secret(&self) -> bool {
        matches!(self.0, Value::Hidden(_))
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::Shown(text) => fmt::Debug::fmt(text, f),
            Value::Hidden(secret) => fmt::Debug::fmt(secret, f),
        }
    }
}

/// A header field: a name in lower case, and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: &'static str,
    value: HeaderValue,
}

impl Header {
    /// Creates a field. `name` is a token in lower case.
    pub(crate) const fn new(name: &'static str, value: HeaderValue) -> Header {
        Header { name, value }
    }

    /// Returns the name, in lower case.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the value.
    pub const fn value(&self) -> &HeaderValue {
        &self.value
    }
}
