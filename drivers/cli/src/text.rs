//! Lines of text for people, on stderr and stdout.

use std::borrow::Cow;
use std::io::{self, Write as _};

/// Replaces control characters with spaces. What agents and runtimes write must not move a terminal's cursor, and has to
/// stay on one line.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) { Cow::Owned(text.replace(char::is_control, " ")) } else { Cow::Borrowed(text) }
}

/// Prints a line on stderr. A reader that has closed it does not stop the command.
pub(crate) fn eprint_line(line: &str) {
    let _closed = writeln!(io::stderr(), "{}", sanitize(line));
}

/// Prints a line on stdout. A reader that has closed it does not stop the command.
pub(crate) fn print_line(line: &str) {
    let _closed = writeln!(io::stdout(), "{}", sanitize(line));
}

/// Formats a number with its noun: `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
