//! Percent-encoding (RFC 3986) of baggage values, path segments and form fields.

use alloc::borrow::Cow;
use alloc::string::String;

use memchr::memchr;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All bytes but the unreserved characters `A-Z a-z 0-9 _ . - ~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// Appends a text in which everything but the unreserved characters is escaped.
pub(crate) fn push_encoded(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, RESERVED));
}

/// Appends a text as a field of a form, in which a space is `+`.
pub(crate) fn push_form(out: &mut String, text: &str) {
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            out.push('+');
        }
        push_encoded(out, word);
    }
}

/// Returns a text without escapes. Malformed escapes stay as they are, and invalid UTF-8 becomes U+FFFD.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    percent_decode_str(text).decode_utf8_lossy()
}
