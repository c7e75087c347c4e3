//! What a server that expects TLS answers to plain text.

/// Returns whether the first bytes of an answer are an alert of TLS, or `None` if more bytes are needed to know.
///
/// An alert begins with the type of its record, 21, and the major version, 3 ([RFC 8446 §5.1]).
///
/// [RFC 8446 §5.1]: https://www.rfc-editor.org/rfc/rfc8446#section-5.1
pub(crate) fn is_alert(received: &[u8]) -> Option<bool> {
    match received {
        [] | [21] => None,
        [21, 3, ..] => Some(true),
        _ => Some(false),
    }
}
