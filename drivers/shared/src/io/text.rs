//! Text from outside that a person or a log reads.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Makes text from outside safe to print on one line: line breaks and tabs become spaces, and every other
/// [active](is_active) character is written as its code point, such as `\u{1b}`.
///
/// # Examples
///
/// ```
/// use nuncio_smol::io::sanitize;
///
/// assert_eq!(sanitize("me\nERROR \u{1b}[2Jall is lost"), r"me ERROR \u{1b}[2Jall is lost");
/// assert_eq!(sanitize("für 東京"), "für 東京");
/// ```
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        // Writing to a string does not fail.
        let _infallible = write_safe(&mut safe, character);
    }
    Cow::Owned(safe)
}

/// Returns whether a character is a control character, ends a line, changes the direction of text, or is invisible. Variation
/// selectors of emoji (U+FE00 to U+FE0F) are not counted.
///
/// # Examples
///
/// ```
/// use nuncio_smol::io::is_active;
///
/// assert!(is_active('\u{9b}') && is_active('\u{202e}') && is_active('\u{e0041}'));
/// assert!(!is_active('é'));
/// ```
pub fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Displays a value as [`sanitize`] does. A log shows values from outside in this way, so that they can neither forge a line
/// nor act on the terminal, whatever formats the log.
///
/// # Examples
///
/// ```
/// use nuncio_smol::io::Sanitized;
///
/// assert_eq!(Sanitized("me\nERROR").to_string(), "me ERROR");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sanitized<T>(pub T);

impl<T: Display> Display for Sanitized<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Writer(f), "{}", self.0)
    }
}

struct Writer<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Writer<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&sanitize(text))
    }
}

fn write_safe(out: &mut String, character: char) -> fmt::Result {
    match character {
        '\n' | '\r' | '\t' => out.write_char(' '),
        other if is_active(other) => write!(out, "{}", other.escape_unicode()),
        other => out.write_char(other),
    }
}

#[cfg(test)]
mod tests {
    use super::{Sanitized, sanitize};

    #[test]
    fn what_a_terminal_acts_on_is_shown_and_not_done() {
        assert_eq!(sanitize("a\u{1b}[2Jb\u{7f}\u{9b}31m"), r"a\u{1b}[2Jb\u{7f}\u{9b}31m");
        assert_eq!(sanitize("two\nlines\tand\ra tab"), "two lines and a tab");
    }

    #[test]
    fn what_changes_the_look_of_other_text_is_shown() {
        let hidden = [
            "\u{202a}",
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200b}",
            "\u{200d}",
            "\u{200f}",
            "\u{2028}",
            "\u{2029}",
            "\u{2060}",
            "\u{3164}",
            "\u{feff}",
            "\u{e0001}",
            "\u{e0041}",
            "\u{e0100}",
        ];
        for text in hidden {
            let shown = sanitize(text);
            assert!(shown.is_ascii() && shown.starts_with(r"\u{"), "{shown:?}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["plain", "für 東京", "e\u{301}", "\u{1f600}", "\u{2764}\u{fe0f}", r"a\b"] {
            assert_eq!(sanitize(text), text);
        }
    }

    #[test]
    fn a_value_is_displayed_sanitized_however_it_writes() {
        let error = format_args!("{}{}{:?}", "\u{9b}", "\u{2028}", "\n").to_string();
        assert_eq!(Sanitized(&error).to_string(), r#"\u{9b}\u{2028}"\n""#);
    }
}
