//! Lines for people, on stderr and stdout.

use std::borrow::Cow;
use std::io::{self, Write as _};

/// The text without anything a terminal would act on, and on one line: much of it was written by others.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) { Cow::Owned(text.replace(char::is_control, " ")) } else { Cow::Borrowed(text) }
}

/// A line on stderr.
pub(crate) fn tell(line: &str) {
    // Whoever reads it may have gone; what is done for them goes on.
    let _gone = writeln!(io::stderr(), "{}", plain(line));
}

/// So many of them: `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A line on stdout that nobody has to read.
pub(crate) fn show(line: &str) {
    // As above.
    let _gone = writeln!(io::stdout(), "{}", plain(line));
}
