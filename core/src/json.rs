//! JSON text: reading strings without a copy, checks of the structure, and writing objects member by member.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use memchr::{memchr, memchr2};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The deepest nesting of arrays and objects that is accepted (ours).
pub const MAX_DEPTH: usize = 64;

/// A JSON string, borrowed from the text it was read from unless it contains an escape.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'a> Text<'a> {
    /// Reads a string from JSON text that was found to be valid. Without an escape, it is not parsed a second time.
    pub(crate) fn of_valid(json: &'a str) -> Option<Text<'a>> {
        let inner = json.strip_prefix('"')?.strip_suffix('"')?;
        match memchr(b'\\', inner.as_bytes()) {
            None => Some(Text(Cow::Borrowed(inner))),
            Some(_) => serde_json::from_str(json).ok(),
        }
    }

    /// Returns the string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Deserialises a member that is present, even as `null`. With `#[serde(default)]` an absent one is `None`.
pub(crate) fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Returns whether arrays and objects nest deeper than [`MAX_DEPTH`]. For text that is not valid JSON the answer is
/// unspecified.
pub(crate) fn too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    false
}

/// The members of a JSON object, in their order.
pub(crate) struct Members<'a>(pub(crate) Vec<(Text<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Returns a JSON array of strings.
pub(crate) fn strings<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        push_json_str(&mut out, item);
    }
    out.push(']');
    out
}

/// Returns a JSON object without one of its members; `None` for any other text.
pub(crate) fn without_member(object: &str, name: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(object).ok()?;
    let kept = members.iter().filter(|(key, _)| key.as_str() != name);
    Some(kept.fold(Object::new(), |object, (key, value)| object.named(key.as_str(), value.get())).close())
}

/// Returns a member name that occurs twice in a JSON object, if there is one. Any other text has none.
pub(crate) fn duplicate_member(object: &str) -> Option<String> {
    struct Keys<'a>(Vec<Text<'a>>);
    impl<'de: 'a, 'a> Deserialize<'de> for Keys<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct KeysVisitor;
            impl<'de> Visitor<'de> for KeysVisitor {
                type Value = Keys<'de>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a JSON object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
                    let mut keys = Vec::new();
                    while let Some((key, IgnoredAny)) = map.next_entry()? {
                        keys.push(key);
                    }
                    Ok(Keys(keys))
                }
            }
            deserializer.deserialize_map(KeysVisitor)
        }
    }
    let mut keys = serde_json::from_str::<Keys<'_>>(object).ok()?.0;
    keys.sort_unstable();
    keys.windows(2)
        .find(|pair| matches!(pair, [first, second] if first == second))
        .and_then(|pair| pair.first())
        .map(|key| key.as_str().to_string())
}

/// Writes a JSON object. Optional members that are absent are left out, never written as `null`.
pub(crate) struct Object {
    out: String,
}

impl Object {
    pub(crate) fn new() -> Object {
        Object::with_capacity(128)
    }

    pub(crate) fn with_capacity(bytes: usize) -> Object {
        let mut out = String::with_capacity(bytes);
        out.push('{');
        Object { out }
    }

    /// Adds a key of the protocol, none of which needs escapes.
    fn key(&mut self, key: &'static str) {
        self.out.push_str(if self.out.len() > 1 { ",\"" } else { "\"" });
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// Adds a string.
    pub(crate) fn text(mut self, key: &'static str, value: &str) -> Object {
        self.key(key);
        push_json_str(&mut self.out, value);
        self
    }

    /// Adds a string that needs no escapes, such as an id or a timestamp.
    pub(crate) fn plain(mut self, key: &'static str, value: impl fmt::Display) -> Object {
        self.key(key);
        self.out.push('"');
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
        self.out.push('"');
        self
    }

    /// As [`Object::plain`], without `fmt`: `push` appends the text. It is for what every job has.
    pub(crate) fn pushed(mut self, key: &'static str, push: impl FnOnce(&mut String)) -> Object {
        self.key(key);
        self.out.push('"');
        push(&mut self.out);
        self.out.push('"');
        self
    }

    /// Adds JSON text under a name that may need escapes.
    pub(crate) fn named(mut self, name: &str, json: &str) -> Object {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        push_json_str(&mut self.out, name);
        self.out.push(':');
        self.out.push_str(&on_one_line(json));
        self
    }

    /// Adds a value whose display form is JSON: a number, a boolean or `null`.
    pub(crate) fn value(mut self, key: &'static str, value: impl fmt::Display) -> Object {
        self.key(key);
        let _ = write!(self.out, "{value}");
        self
    }

    /// Adds JSON text; raw line breaks in it become spaces.
    pub(crate) fn json(mut self, key: &'static str, json: &str) -> Object {
        self.key(key);
        self.out.push_str(&on_one_line(json));
        self
    }

    /// Adds JSON text that belongs to a user, if there is any.
    pub(crate) fn raw(self, key: &'static str, value: Option<&RawValue>) -> Object {
        match value {
            Some(value) => self.json(key, value.get()),
            None => self,
        }
    }

    /// Adds a string, if there is one.
    pub(crate) fn opt_text(self, key: &'static str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// Adds a string that needs no escapes, if there is one.
    pub(crate) fn opt_plain(self, key: &'static str, value: Option<impl fmt::Display>) -> Object {
        match value {
            Some(value) => self.plain(key, value),
            None => self,
        }
    }

    /// Adds a value whose display form is JSON, if there is one.
    pub(crate) fn opt_value(self, key: &'static str, value: Option<impl fmt::Display>) -> Object {
        match value {
            Some(value) => self.value(key, value),
            None => self,
        }
    }

    /// Adds JSON text, if there is any.
    pub(crate) fn opt_json(self, key: &'static str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.json(key, value),
            None => self,
        }
    }

    /// Adds a string that needs no escapes, or `null` if there is none.
    pub(crate) fn null_or_plain(self, key: &'static str, value: Option<impl fmt::Display>) -> Object {
        match value {
            Some(value) => self.plain(key, value),
            None => self.value(key, "null"),
        }
    }

    /// Returns the text of the object.
    pub(crate) fn close(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Replaces the raw line breaks of pretty-printed JSON by spaces, so that a frame is one line on stdio.
pub(crate) fn on_one_line(json: &str) -> Cow<'_, str> {
    // In valid JSON a raw CR or LF can only be white space between tokens.
    match memchr2(b'\r', b'\n', json.as_bytes()) {
        Some(_) => Cow::Owned(json.replace(['\r', '\n'], " ")),
        None => Cow::Borrowed(json),
    }
}

/// The digits of the largest `u64`.
pub(crate) const MAX_DIGITS: usize = 20;

/// Writes a number into a buffer. Every event has one, so this does without `fmt`.
pub(crate) fn decimal(mut number: u64, buffer: &mut [u8; MAX_DIGITS]) -> &str {
    let mut from = MAX_DIGITS;
    for (at, place) in buffer.iter_mut().enumerate().rev() {
        *place = b'0' | u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        from = at;
        if number == 0 {
            break;
        }
    }
    // They are digits.
    core::str::from_utf8(buffer.get(from..).unwrap_or_default()).unwrap_or_default()
}

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

    #[test]
    fn numbers_are_written_as_fmt_writes_them() {
        for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; MAX_DIGITS]), number.to_string());
        }
    }

    #[test]
    fn a_name_of_a_user_is_escaped() {
        let object = Object::new().value("n", 1).named("a\"b", "[1,\n2]").pushed("w", |out| out.push('x'));
        assert_eq!(object.close(), r#"{"n":1,"a\"b":[1, 2],"w":"x"}"#);
    }

    #[test]
    fn a_valid_string_is_read_as_serde_json_reads_it() {
        for json in [r#""""#, r#""plain, ü""#, r#""\\""#, r#""\"""#, r#""a\nb""#, r#""\ud83d\ude00""#] {
            assert_eq!(Text::of_valid(json), Some(serde_json::from_str(json).expect("a string")), "{json}");
        }
        for json in ["null", "1", r#"["a"]"#, r#""\ud83d""#] {
            assert_eq!(Text::of_valid(json), None, "{json}");
        }
    }

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
