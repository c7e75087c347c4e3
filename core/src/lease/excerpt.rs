//! Excerpts of a peer's text for error messages.

use alloc::boxed::Box;

/// The length of the longest excerpt, in characters.
const MAX_CHARS: usize = 128;

/// Returns the beginning of a text, with `…` where it was cut.
pub(super) fn excerpt(text: &str) -> Box<str> {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => [text.get(..end).unwrap_or_default(), "…"].concat().into(),
        None => text.into(),
    }
}
