//! A result as a terminal shows it.

use crate::text::is_active;

/// What a terminal has been shown of a result. What the terminal would act on is shown as its code point, and what is not
/// UTF-8 as U+FFFD.
#[derive(Default)]
pub(crate) struct Shown {
    /// The first bytes of a character whose rest is still to come.
    cut: Vec<u8>,
    in_line: bool,
}

impl Shown {
    /// Returns the text to show for the next bytes.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for character in chunk.valid().chars() {
                match character {
                    '\n' | '\t' => text.push(character),
                    other if is_active(other) => text.extend(other.escape_unicode()),
                    other => text.push(other),
                }
            }
            let invalid = chunk.invalid();
            let may_go_on =
                chunks.peek().is_none() && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if may_go_on {
                self.cut = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        if let Some(last) = text.chars().last() {
            self.in_line = last != '\n';
        }
        text
    }

    /// Returns the text that completes the line.
    pub(crate) fn end(&mut self) -> String {
        let mut rest = String::new();
        if !std::mem::take(&mut self.cut).is_empty() {
            self.in_line = true;
            rest.push(char::REPLACEMENT_CHARACTER);
        }
        if std::mem::take(&mut self.in_line) {
            rest.push('\n');
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::Shown;

    #[test]
    fn a_result_does_not_act_on_the_terminal() {
        let mut shown = Shown::default();
        assert_eq!(shown.next("a\u{1b}[2J\u{9b}1m\u{202e}\n\tb".as_bytes()), "a\\u{1b}[2J\\u{9b}1m\\u{202e}\n\tb");
        assert_eq!(shown.next(b"\x9b31m"), "\u{fffd}31m");
        assert_eq!((shown.end().as_str(), shown.end().as_str()), ("\n", ""));
    }

    #[test]
    fn a_character_is_shown_however_its_bytes_arrive() {
        let text = "é東\u{1f600}\u{9b}";
        for size in 1..=text.len() {
            let mut shown = Shown::default();
            let pieces: String = text.as_bytes().chunks(size).map(|piece| shown.next(piece)).collect();
            assert_eq!(pieces + &shown.end(), "é東\u{1f600}\\u{9b}\n", "pieces of {size} bytes");
        }
        let mut shown = Shown::default();
        assert_eq!(shown.next(&"é".as_bytes()[..1]) + &shown.end(), "\u{fffd}\n");
    }
}
