//! Strings of JSON.

use alloc::string::String;

/// Bytes that are compared without a branch, so that the compiler compares many at once.
const STRIDE: usize = 64;

/// Appends `text` to `out` as a JSON string, as `serde_json` writes it. Texts may be long, and are written while others wait
/// for the machine, so what needs no escape is copied in one piece.
pub(crate) fn push_json_str(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    while let Some(special) = first_special(rest.as_bytes()) {
        // A special byte is a whole character.
        let (plain, after) = rest.split_at_checked(special).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut after = after.chars();
        if let Some(escaped) = after.next() {
            push_escaped(out, escaped);
        }
        rest = after.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Returns the place of the first byte that is escaped in a JSON string.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let is_plain = |stride: &&[u8]| !stride.iter().fold(false, |found, byte| found | is_special(*byte));
    let skipped = bytes.chunks(STRIDE).take_while(is_plain).count() * STRIDE;
    let found = bytes.get(skipped..)?.iter().position(|byte| is_special(*byte))?;
    Some(skipped + found)
}

fn push_escaped(out: &mut String, special: char) {
    match special {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        other => {
            out.push_str("\\u00");
            let code = u32::from(other);
            out.extend([code >> 4 & 0xf, code & 0xf].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = String::from("before ");
        push_json_str(&mut out, text);
        out
    }

    fn expected(text: &str) -> String {
        alloc::format!("before {}", serde_json::Value::from(text))
    }

    #[test]
    fn a_string_is_written_as_serde_json_writes_it() {
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        let texts =
            ["", "plain", "\"", "\\", "\0", "a\u{1f}b\u{7f}\u{2028}", "\n\r\t\u{8}\u{c}", "äöü€😀\"ß", every.as_str()];
        for text in texts {
            assert_eq!(written(text), expected(text));
        }
    }

    /// The place of a special character among others makes no difference.
    #[test]
    fn a_special_character_is_escaped_wherever_it_is() {
        for filling in ["x", "€"] {
            for special in ["\n", "\"", "\u{1}", "\\"] {
                for place in 0..3 * STRIDE {
                    let text = [&filling.repeat(place), special, &filling.repeat(70), special].concat();
                    assert_eq!(written(&text), expected(&text), "{special:?} at {place}");
                }
            }
        }
    }
}
