//! What can be read of a frame that is not an envelope, for its refusal (§5).

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::Text;

/// What could be read of a frame that is not an envelope.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvage {
    pub(crate) id: Option<String>,
    pub(crate) kind: Option<String>,
}

/// Returns the `id` and `type` of a frame that could not be read as an envelope. Some peers write `NaN`, which JSON does
/// not have, and some frames are cut off or not UTF-8. Both members are found wherever they stand, as long as it is certain
/// that they are members of the frame itself: reading stops at a bracket of the wrong kind, and at text around a string
/// that shows that a quote is missing.
pub(crate) fn salvage(frame: &[u8]) -> Salvage {
    let (mut salvage, mut ids) = (Salvage::default(), 0_usize);
    let mut members = Members { rest: frame.trim_ascii_start(), open: Vec::new(), before: Before::Nothing };
    while let Some((name, value)) = members.next() {
        match text(name).as_deref() {
            Some("id") => {
                ids = ids.saturating_add(1);
                // Of two ids neither is the frame's.
                salvage.id = value.and_then(text).filter(|id| ids == 1 && !id.is_empty());
            }
            Some("type") => salvage.kind = value.and_then(text),
            Some(_) | None => {}
        }
    }
    salvage
}

/// Returns the text that a JSON string stands for.
fn text(string: &[u8]) -> Option<String> {
    serde_json::from_slice::<Text<'_>>(string).ok().map(|text| text.0.into_owned())
}

/// What stands before the rest, apart from whitespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// `{`, or `,` between members or items.
    Start,
    Colon,
    /// A string, a literal, or the end of an object or an array.
    Value,
}

/// The members of the outermost object of a text that need not be JSON.
struct Members<'a> {
    rest: &'a [u8],
    /// The brackets that will end the objects and arrays that are open.
    open: Vec<u8>,
    before: Before,
}

impl<'a> Members<'a> {
    /// Returns the name of the next member, and its value if that is a string. Both have their quotes.
    fn next(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        loop {
            let is_name = self.open.as_slice() == b"}" && self.before == Before::Start;
            let token = self.token()?;
            if !is_name || !token.starts_with(b"\"") {
                continue;
            }
            if self.token()? != b":" {
                return None;
            }
            if !self.rest.trim_ascii_start().starts_with(b"\"") {
                return Some((token, None));
            }
            let value = self.token()?;
            // Anything but the end of a member shows that the string is not the whole value.
            let ends = matches!(self.rest.trim_ascii_start().first(), None | Some(b',' | b'}'));
            return ends.then_some((token, Some(value)));
        }
    }

    /// Takes the next token. Returns `None` at the end, and where it is no longer certain what is a string.
    fn token(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.trim_ascii_start();
        let first = *text.first()?;
        let (length, before) = match first {
            b'{' | b'[' if self.before != Before::Value => {
                self.open.push(if first == b'{' { b'}' } else { b']' });
                (1, Before::Start)
            }
            // The text ends with the outermost object.
            b'}' | b']' if self.open.len() > 1 && self.open.pop() == Some(first) => (1, Before::Value),
            b',' if self.before == Before::Value => (1, Before::Start),
            b':' if self.before == Before::Value => (1, Before::Colon),
            b'"' if self.before != Before::Value && !self.open.is_empty() => (string(text)?, Before::Value),
            _ if is_literal(first) && self.before != Before::Value && !self.open.is_empty() => {
                (text.iter().take_while(|byte| is_literal(**byte)).count(), Before::Value)
            }
            _ => return None,
        };
        let (token, rest) = text.split_at_checked(length)?;
        (self.rest, self.before) = (rest, before);
        Some(token)
    }
}

/// Returns the length of the string that a text begins with.
fn string(text: &[u8]) -> Option<usize> {
    let mut bytes = text.iter().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return at.checked_add(1),
            _ => {}
        }
    }
    None
}

/// Whether a byte may be a part of a number, `true`, `NaN`, `-Infinity` or the like.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::{Salvage, salvage};

    fn id(frame: &str) -> Option<alloc::string::String> {
        salvage(frame.as_bytes()).id
    }

    #[test]
    fn the_id_is_found_before_and_after_the_fault() {
        for frame in [
            r#"{"arcp":"1.1","id":"x","payload":{"a":NaN}}"#,
            r#"{"arcp":"1.1","type":"job.submit","payload":{"a":[NaN,-Infinity,undefined]},"id":"x"}"#,
            r#" {"payload":{"id":"decoy","a":NaN}, "id" : "x" }"#,
            r#"{"payload":{"a":"\"id\":\"decoy\"","b":NaN},"id":"x"}"#,
            r#"{"payload":"}]{\\","a":1.e+,"id":"x"}"#,
            r#"{"payload":{"a":1,},"id":"x"}"#,
            r#"{"payload":{a:1},"id":"\u0078"}"#,
            "{\"payload\":\"a\u{1}\nb\\q\",\"\\u0069d\":\"x\"}",
            r#"{"id":"x"} trailing"#,
            r#"{"id":"x""#,
            r#"{"id":"x","payload":{"a":"cut o"#,
        ] {
            assert_eq!(id(frame).as_deref(), Some("x"), "{frame}");
        }
        let read = Salvage { id: Some("x".into()), kind: Some("job.submit".into()) };
        assert_eq!(
            salvage(b"{\"a\":\"\xff\",\"type\":\"job.submit\",\"id\":\"x\"}"),
            read,
            "a frame that is not UTF-8"
        );
        let deep = [r#"{"payload":"#, &"[".repeat(300), &"]".repeat(300), r#","id":"x"}"#].concat();
        assert_eq!(id(&deep).as_deref(), Some("x"));
    }

    #[test]
    fn an_id_that_may_not_be_that_of_the_frame_is_not_taken() {
        for frame in [
            r#"{"payload":{"a":NaN,"id":"decoy"}}"#,
            r#"{"payload":{"a":NaN,"id":"decoy"}"#,
            r#"{"payload":{"a":"x},"id":"decoy"}"#,
            r#"{"payload":{"a":"x" y","b":"\"},\"id\":\"decoy\""}"#,
            r#"{"payload":{"a":x","b":1},"id":"decoy"}"#,
            r#"{"payload":{"a":],"id":"decoy"}}"#,
            r#"{"payload":[1},"id":"decoy"}"#,
            r#"{"payload":{"a":1}},"id":"decoy"}"#,
            r#"{"payload":{}} {"id":"decoy"}"#,
            r#"["id",{"id":"decoy"}]"#,
            r#"["id":"decoy"]"#,
            r#"{"a":"id":"decoy"}"#,
            r#"{"a" "id":"decoy"}"#,
            r#"{'a':'"id":"decoy"'}"#,
            r#"{"id":"de" "coy"}"#,
            r#"{"id":"decoy"#,
            r#"{"id":["decoy"],"a":NaN}"#,
            r#"{"id":"","a":NaN}"#,
            r#"{"id":"decoy","a":NaN,"id":"other"}"#,
            r#"{"id":7,"a":NaN,"id":"decoy"}"#,
            r#""id":"decoy""#,
            "",
            "{",
            "hello",
        ] {
            assert_eq!(id(frame), None, "{frame}");
        }
        assert_eq!(salvage(b"{\"id\":\"\xff\"}"), Salvage::default());
    }

    #[test]
    fn a_frame_may_be_cut_off_anywhere() {
        let frame = r#"{"payload":{"id":"decoy","b":"\"\\"},"arcp":[{},"1"],"id":"x","type":"t"}"#;
        let known = frame.find(r#","type""#);
        for end in 0..=frame.len() {
            let expected = known.is_some_and(|known| end >= known).then_some("x");
            assert_eq!(id(frame.get(..end).unwrap_or_default()).as_deref(), expected, "{end}");
        }
    }
}
