//! Text of others on a terminal.

use std::borrow::Cow;

/// The text without anything a terminal would act on, and on one line.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) { Cow::Owned(text.replace(char::is_control, " ")) } else { Cow::Borrowed(text) }
}
