//! Lines of text for people, on stderr and stdout.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

pub(crate) use nuncio_tokio::io::{is_active, sanitize};

/// Writes a value as JSON on one line, for stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(json_for_stdout)
}

/// Prints a value as JSON on a line of stdout.
pub(crate) fn print_json(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", json(value)?)?;
    out.flush()
}

/// Makes a JSON text fit for a line of stdout: the characters that some readers take for the end of a line are escaped, and for
/// a terminal all control characters that JSON leaves as they are (U+007F to U+009F).
pub(crate) fn json_for_stdout(text: String) -> String {
    if io::stdout().is_terminal() {
        escape_json(text, |character| character.is_control() || ends_line(character))
    } else {
        escape_json(text, ends_line)
    }
}

/// Whether some readers of lines, such as Node's, take a character for the end of a line.
fn ends_line(character: char) -> bool {
    matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Escapes these characters of a JSON text, which has them only in its strings.
fn escape_json(text: String, is_escaped: fn(char) -> bool) -> String {
    if !text.contains(is_escaped) {
        return text;
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut escaped, character| {
        if is_escaped(character) {
            // Writing to a string does not fail.
            let _infallible = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

/// Prints a line on stderr. A reader that has closed it does not stop the command.
pub(crate) fn eprint_line(line: &str) {
    let _closed = writeln!(io::stderr(), "{}", sanitize(line));
}

/// Prints a line on stderr that has nothing from outside that a terminal acts on, but may have colours.
pub(crate) fn eprint_styled(line: &str) {
    let _closed = writeln!(io::stderr(), "{line}");
}

/// Prints a line on stdout. A reader that has closed it does not stop the command.
pub(crate) fn print_line(line: &str) {
    let _closed = writeln!(io::stdout(), "{}", sanitize(line));
}

/// Prints a line that a command was asked for on stdout. A reader that has closed it does not stop the command.
///
/// Errors: it cannot be written, for example because the disk is full.
pub(crate) fn print_result(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", sanitize(line)).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Formats a number with its noun: `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::{ends_line, escape_json, json};

    #[test]
    fn json_for_a_terminal_has_no_control_characters_and_the_same_value() {
        let value = serde_json::json!({"title": "\u{1b}\u{7f}\u{9b}2J \u{202e}"});
        let text = escape_json(value.to_string(), char::is_control);
        assert!(!text.contains(char::is_control), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON"), value);
    }

    #[test]
    fn json_is_one_line_for_every_reader() {
        let value = serde_json::json!({"a\u{2028}": "\u{85}b\u{2029}\u{e9}"});
        let text = json(&value).expect("it is JSON");
        assert!(!text.contains(ends_line) && text.contains("\\u2028"), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON"), value);
    }
}
