//! Lines of text for people, on stderr and stdout.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

/// Makes text from outside safe to print on one line: line breaks and tabs become spaces, and every other character that a
/// terminal acts on, or that changes how the text around it is shown, is written as its code point, such as `\u{1b}`.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => safe.push(' '),
            other if is_active(other) => safe.extend(other.escape_unicode()),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

/// Returns whether a character is a control character, ends a line, changes the direction of text, or is invisible.
pub(crate) fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

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

/// Makes a JSON text fit for stdout: for a terminal, the control characters that JSON leaves as they are (U+007F to U+009F)
/// are escaped.
pub(crate) fn json_for_stdout(text: String) -> String {
    if io::stdout().is_terminal() { escape_json(text) } else { text }
}

/// Escapes all control characters of a JSON text, which has none outside its strings.
fn escape_json(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut escaped, character| {
        if character.is_control() {
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

/// Prints a line on stdout. A reader that has closed it does not stop the command.
pub(crate) fn print_line(line: &str) {
    let _closed = writeln!(io::stdout(), "{}", sanitize(line));
}

/// Formats a number with its noun: `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::{escape_json, sanitize};

    #[test]
    fn what_a_terminal_acts_on_is_shown_and_not_done() {
        assert_eq!(sanitize("a\u{1b}[2Jb\u{7f}\u{9b}31m"), r"a\u{1b}[2Jb\u{7f}\u{9b}31m");
        assert_eq!(sanitize("two\nlines\tand\ra tab"), "two lines and a tab");
    }

    #[test]
    fn what_changes_the_look_of_other_text_is_shown() {
        let hidden = [
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200b}",
            "\u{200d}",
            "\u{2028}",
            "\u{2029}",
            "\u{feff}",
            "\u{e0041}",
        ];
        for text in hidden {
            let shown = sanitize(text);
            assert!(shown.is_ascii() && shown.starts_with(r"\u{"), "{shown:?}");
        }
    }

    #[test]
    fn json_for_a_terminal_has_no_control_characters_and_the_same_value() {
        let value = serde_json::json!({"title": "\u{1b}\u{7f}\u{9b}2J \u{202e}"});
        let text = escape_json(value.to_string());
        assert!(!text.contains(char::is_control), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON"), value);
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["plain", "für 東京", "e\u{301}", "\u{1f600}", r"a\b"] {
            assert_eq!(sanitize(text), text);
        }
    }
}
