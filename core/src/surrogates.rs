//! Lone surrogates in JSON text.
//!
//! Some languages keep text in units of 16 bits. A character beyond U+FFFF is two of them, a high and a low surrogate, and
//! a program that cuts text between the two writes each half as an escape of its own, such as `"\ud83d"`. JSON allows
//! that; UTF-8 does not. Here halves are joined again, and a half without the other one becomes U+FFFD.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use serde_json::value::RawValue;

/// The character that stands for a lone surrogate.
const REPLACEMENT: &str = "\\ufffd";
/// Bytes of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// A surrogate in JSON text that has no other half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lone {
    /// Where its escape begins.
    at: usize,
    unit: u16,
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

/// Returns the 16 bits that an escape at this place stands for.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at.checked_add(ESCAPE)?)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

/// Returns the first lone surrogate at or after a place, which is not within an escape.
fn lone(json: &str, mut at: usize) -> Option<Lone> {
    loop {
        at = at.checked_add(memchr::memchr(b'\\', json.as_bytes().get(at..)?)?)?;
        match unit(json, at) {
            Some(high) if is_high(high) && unit(json, at.checked_add(ESCAPE)?).is_some_and(is_low) => {
                at = at.checked_add(2 * ESCAPE)?;
            }
            Some(unit) if is_high(unit) || is_low(unit) => return Some(Lone { at, unit }),
            Some(_) => at = at.checked_add(ESCAPE)?,
            None => at = at.checked_add(2)?,
        }
    }
}

/// Replaces the lone surrogates in JSON text by U+FFFD. Text that is not JSON is returned in some form.
///
/// ```
/// use nuncio_core::surrogates;
///
/// assert_eq!(surrogates::replaced(r#"["\ud83d", "\ud83d\ude00"]"#), r#"["\ufffd", "\ud83d\ude00"]"#);
/// ```
pub fn replaced(json: &str) -> Cow<'_, str> {
    let (mut text, mut done) = (String::new(), 0);
    while let Some(found) = lone(json, done) {
        text.push_str(json.get(done..found.at).unwrap_or_default());
        text.push_str(REPLACEMENT);
        done = found.at.saturating_add(ESCAPE);
    }
    if done == 0 {
        return Cow::Borrowed(json);
    }
    text.push_str(json.get(done..).unwrap_or_default());
    Cow::Owned(text)
}

/// Returns a JSON value without lone surrogates, as [`replaced`] does.
///
/// ```
/// use nuncio_core::surrogates;
/// use serde_json::value::RawValue;
///
/// let json: &RawValue = serde_json::from_str(r#"{"a": "\ud800x"}"#)?;
/// assert_eq!(surrogates::whole(json).get(), r#"{"a": "\ufffdx"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn whole(json: &RawValue) -> Cow<'_, RawValue> {
    match replaced(json.get()) {
        Cow::Borrowed(_) => Cow::Borrowed(json),
        // One escape takes the place of another, so it is JSON again.
        Cow::Owned(text) => RawValue::from_string(text).map_or(Cow::Borrowed(json), Cow::Owned),
    }
}

/// Joins pieces of a text that may be cut within a character.
///
/// ```
/// use nuncio_core::surrogates::Joiner;
///
/// let mut joiner = Joiner::default();
/// assert_eq!(joiner.join(r#""a\ud83d""#), r#""a""#);
/// assert_eq!(joiner.join(r#""\ude00b""#), r#""\ud83d\ude00b""#);
/// assert!(!joiner.finish());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joiner {
    /// The high surrogate that the piece before ends with.
    high: Option<u16>,
}

impl Joiner {
    /// Returns the next piece, a JSON string, with the half that the piece before has left. If this one ends with a half,
    /// that is held back. Other halves become U+FFFD.
    pub fn join<'a>(&mut self, string: &'a str) -> Cow<'a, str> {
        let joined = match (self.high.take(), string.strip_prefix('"')) {
            (Some(high), Some(rest)) => Cow::Owned(format!("\"\\u{high:04x}{rest}")),
            _ => Cow::Borrowed(string),
        };
        let mut at = 0;
        while let Some(found) = lone(&joined, at) {
            at = found.at.saturating_add(ESCAPE);
            if is_high(found.unit) && joined.get(at..) == Some("\"") {
                self.high = Some(found.unit);
                let before = joined.get(..found.at).unwrap_or_default();
                return Cow::Owned(format!("{}\"", replaced(before)));
            }
        }
        match joined {
            Cow::Borrowed(text) => replaced(text),
            Cow::Owned(text) => Cow::Owned(replaced(&text).into_owned()),
        }
    }

    /// Returns whether a half was held back, which is U+FFFD then. The next piece begins a new text.
    pub fn finish(&mut self) -> bool {
        self.high.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn pairs_and_other_escapes_stay() {
        for json in [r#""""#, r#""\ud83d\ude00""#, r#""\\ud83d""#, r#"{"a\n": "\u00e9\"\\"}"#, "\"\u{1f600}\""] {
            assert!(matches!(replaced(json), Cow::Borrowed(same) if same == json), "{json}");
            assert_eq!(Joiner::default().join(json), json);
        }
    }

    #[test]
    fn a_half_without_the_other_becomes_a_replacement_character() {
        let text = |json: &str| serde_json::from_str::<String>(&replaced(json)).expect("JSON");
        assert_eq!(text(r#""a\ud83db""#), "a\u{fffd}b");
        assert_eq!(text(r#""\ude00\ud83d""#), "\u{fffd}\u{fffd}");
        assert_eq!(text(r#""\ud83d\ud83d\ude00""#), "\u{fffd}\u{1f600}");
        assert_eq!(text(r#""\\\uD83D""#), "\\\u{fffd}");
    }

    #[test]
    fn text_that_is_cut_anywhere_is_whole_again() {
        let units: Vec<u16> = "a\u{1f600}\u{1f600}\"\u{e9}\u{10ffff}".encode_utf16().collect();
        for cut in 0..=units.len() {
            for second in cut..=units.len() {
                let mut joiner = Joiner::default();
                let mut text = String::new();
                for piece in [&units[..cut], &units[cut..second], &units[second..]] {
                    let escaped: Vec<String> = piece.iter().map(|unit| format!("\\u{unit:04X}")).collect();
                    let piece = format!("\"{}\"", escaped.concat());
                    text.push_str(&serde_json::from_str::<String>(&joiner.join(&piece)).expect("JSON"));
                }
                assert!(!joiner.finish());
                assert_eq!(text, String::from_utf16(&units).expect("it is whole"), "{cut} {second}");
            }
        }
    }

    #[test]
    fn a_half_that_is_never_completed_is_not_lost() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.join(r#""a\ud83d""#), r#""a""#);
        assert_eq!(joiner.join(r#""b\ud83d""#), r#""\ufffdb""#);
        assert!(joiner.finish());
        assert!(!joiner.finish());
    }

    #[test]
    fn any_text_is_taken() {
        for text in ["", "\\", "\\u", "\\ud83d", "\"\\ud83d", "\\ud83d\\", "x\\u12", "\\ud8\u{e9}d\""] {
            let _ = replaced(text);
            let _ = Joiner { high: Some(0xd83d) }.join(text);
        }
    }
}
