//! A JSON object that is read member by member, and the faults that are found: [`Body`], [`Issue`].
//!
//! The generation 0.1 answers with issues in the form of its validator (Zod), so an issue has the members of an issue
//! of Zod.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::json::{Members, Text, push_json_str, too_deep};

/// Why bytes are not a body: they are no JSON, or no JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Something that is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    /// The members before `path`, as JSON.
    pub(crate) members: Vec<(&'static str, String)>,
    pub(crate) path: Vec<Step>,
    pub(crate) message: String,
}

/// A step of the path to what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(Box<str>),
    Item(usize),
}

/// The members of an object, and the issues that reading them has found.
pub(crate) struct Body<'a> {
    members: Vec<(Text<'a>, &'a RawValue)>,
    issues: Vec<Issue>,
}

impl<'a> Body<'a> {
    /// Reads an object. A value of any other type is an object without members and an issue.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Body<'a>, NotJson> {
        let text = core::str::from_utf8(bytes).map_err(|_| NotJson)?;
        if too_deep(text) {
            return Err(NotJson);
        }
        let value: &RawValue = serde_json::from_str(text).map_err(|_| NotJson)?;
        let mut body = Body { members: Vec::new(), issues: Vec::new() };
        match serde_json::from_str::<Members<'a>>(value.get()) {
            Ok(Members(members)) => body.members = members,
            Err(_) if value.get().starts_with('{') => return Err(NotJson),
            Err(_) => body.issues.push(invalid_type("object", Some(value), Vec::new())),
        }
        Ok(body)
    }

    /// An object without members.
    pub(crate) const fn empty() -> Body<'a> {
        Body { members: Vec::new(), issues: Vec::new() }
    }

    /// Returns a value that was read without issues.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Issue>> {
        match value {
            Some(value) if self.issues.is_empty() => Ok(value),
            Some(_) | None => Err(self.issues),
        }
    }

    /// Notes an issue of our own or of the validator's `custom` kind.
    pub(crate) fn custom(&mut self, member: &str, message: &str) {
        let members = Vec::from([("code", "\"custom\"".to_string())]);
        self.issues.push(Issue { members, path: at(member), message: message.into() });
    }

    /// Returns the last member of a name.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().rev().find(|(held, _)| held.as_str() == name).map(|(_, value)| *value)
    }

    /// Returns a text of at least one character.
    pub(crate) fn text(&mut self, name: &str) -> Option<Text<'a>> {
        let value = self.raw(name)?;
        let text = self.expect::<Text<'a>>("string", value, at(name))?;
        self.filled(text, at(name))
    }

    /// Returns a text of at least one character, whose absence is an issue.
    pub(crate) fn required_text(&mut self, name: &str) -> Option<Text<'a>> {
        if self.raw(name).is_none() {
            self.issues.push(invalid_type("string", None, at(name)));
        }
        self.text(name)
    }

    /// Returns a text, which may be empty or `null`.
    pub(crate) fn nullable_text(&mut self, name: &str) -> Option<Text<'a>> {
        let value = self.raw(name).filter(|value| value.get() != "null")?;
        self.expect::<Text<'a>>("string", value, at(name))
    }

    /// Returns one of some words.
    pub(crate) fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let value = self.raw(name)?;
        let text = serde_json::from_str::<Text<'a>>(value.get()).ok();
        let word = words.iter().copied().find(|word| text.as_ref().is_some_and(|text| text.as_str() == *word));
        if word.is_none() {
            let values = crate::json::strings(words.iter().copied());
            let options = values.trim_matches(['[', ']']).replace(',', "|");
            let message = alloc::format!("Invalid option: expected one of {options}");
            let members = Vec::from([("code", "\"invalid_value\"".to_string()), ("values", values)]);
            self.issues.push(Issue { members, path: at(name), message });
        }
        word
    }

    /// Returns a whole number in a range.
    pub(crate) fn integer(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        let value = self.raw(name)?;
        match integer(value) {
            Ok(number) if number < min => self.out_of_range(name, "too_small", min),
            Ok(number) if number > max => self.out_of_range(name, "too_big", max),
            Ok(number) => return Some(number),
            Err(NotInteger::Negative) => self.out_of_range(name, "too_small", min),
            Err(NotInteger::Fraction) => {
                let members = Vec::from([
                    ("expected", "\"int\"".to_string()),
                    ("format", "\"safeint\"".to_string()),
                    ("code", "\"invalid_type\"".to_string()),
                ]);
                let message = "Invalid input: expected int, received number".into();
                self.issues.push(Issue { members, path: at(name), message });
            }
            Err(NotInteger::OtherType) => self.issues.push(invalid_type("number", Some(value), at(name))),
        }
        None
    }

    /// Returns a list of texts of at least one character; an absent one is empty.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<Box<str>> {
        let Some(value) = self.raw(name) else { return Vec::new() };
        let Some(items) = self.expect::<Vec<&'a RawValue>>("array", value, at(name)) else { return Vec::new() };
        let mut texts = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = Vec::from([Step::Member(name.into()), Step::Item(index)]);
            if let Some(text) = self.expect::<Text<'a>>("string", item, path.clone())
                && let Some(text) = self.filled(text, path)
            {
                texts.push(text.as_str().into());
            }
        }
        texts
    }

    /// Returns a JSON object.
    pub(crate) fn object(&mut self, name: &str, expected: &'static str) -> Option<&'a RawValue> {
        let value = self.raw(name)?;
        if value.get().starts_with('{') {
            return Some(value);
        }
        self.issues.push(invalid_type(expected, Some(value), at(name)));
        None
    }

    fn expect<T: serde::Deserialize<'a>>(&mut self, kind: &str, value: &'a RawValue, path: Vec<Step>) -> Option<T> {
        let read = serde_json::from_str(value.get()).ok();
        if read.is_none() {
            self.issues.push(invalid_type(kind, Some(value), path));
        }
        read
    }

    fn filled(&mut self, text: Text<'a>, path: Vec<Step>) -> Option<Text<'a>> {
        if !text.as_str().is_empty() {
            return Some(text);
        }
        let members = Vec::from([
            ("origin", "\"string\"".to_string()),
            ("code", "\"too_small\"".to_string()),
            ("minimum", "1".to_string()),
            ("inclusive", "true".to_string()),
        ]);
        self.issues.push(Issue { members, path, message: "Too small: expected string to have >=1 characters".into() });
        None
    }

    fn out_of_range(&mut self, name: &str, code: &'static str, bound: u64) {
        let (member, word, sign) =
            if code == "too_big" { ("maximum", "big", "<=") } else { ("minimum", "small", ">=") };
        let members = Vec::from([
            ("origin", "\"number\"".to_string()),
            ("code", alloc::format!("\"{code}\"")),
            (member, bound.to_string()),
            ("inclusive", "true".to_string()),
        ]);
        let message = alloc::format!("Too {word}: expected number to be {sign}{bound}");
        self.issues.push(Issue { members, path: at(name), message });
    }
}

/// Why a value is no whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotInteger {
    OtherType,
    Negative,
    Fraction,
}

/// Reads a whole number in any spelling, such as `60`, `6e1` or `60.0`. Numbers beyond 2^53 are rounded.
pub(crate) fn integer(value: &RawValue) -> Result<u64, NotInteger> {
    let text = value.get();
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(NotInteger::OtherType);
    }
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let number: f64 = serde_json::from_str(text).map_err(|_| NotInteger::Fraction)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
    let whole = number as u64;
    #[allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "rounded numbers are whole")]
    let is_whole = whole as f64 == number;
    match () {
        () if number < 0.0 => Err(NotInteger::Negative),
        () if is_whole => Ok(whole),
        () => Err(NotInteger::Fraction),
    }
}

fn at(member: &str) -> Vec<Step> {
    Vec::from([Step::Member(member.into())])
}

fn invalid_type(expected: &str, value: Option<&RawValue>, path: Vec<Step>) -> Issue {
    let members = Vec::from([("expected", alloc::format!("\"{expected}\"")), ("code", "\"invalid_type\"".to_string())]);
    let received = match value.map(|value| value.get().as_bytes().first()) {
        None => "undefined",
        Some(Some(b'{')) => "object",
        Some(Some(b'[')) => "array",
        Some(Some(b'"')) => "string",
        Some(Some(b't' | b'f')) => "boolean",
        Some(Some(b'n')) => "null",
        Some(_) => "number",
    };
    Issue { members, path, message: alloc::format!("Invalid input: expected {expected}, received {received}") }
}

/// Writes issues as Zod prints them, as an indented JSON array.
pub(crate) fn zod_message(issues: &[Issue]) -> String {
    let mut out = String::from("[");
    for (index, issue) in issues.iter().enumerate() {
        out.push_str(if index > 0 { ",\n  {\n" } else { "\n  {\n" });
        for (name, value) in &issue.members {
            out.push_str("    ");
            push_json_str(&mut out, name);
            out.push_str(": ");
            // The only nested value is the list of an option's words.
            match value.strip_prefix('[').and_then(|items| items.strip_suffix(']')) {
                Some(items) => {
                    out.push_str("[\n      ");
                    out.push_str(&items.replace(',', ",\n      "));
                    out.push_str("\n    ]");
                }
                None => out.push_str(value),
            }
            out.push_str(",\n");
        }
        out.push_str("    \"path\": [");
        for (at, step) in issue.path.iter().enumerate() {
            out.push_str(if at > 0 { ",\n      " } else { "\n      " });
            match step {
                Step::Member(name) => push_json_str(&mut out, name),
                Step::Item(index) => out.push_str(&index.to_string()),
            }
        }
        out.push_str(if issue.path.is_empty() { "],\n" } else { "\n    ],\n" });
        out.push_str("    \"message\": ");
        push_json_str(&mut out, &issue.message);
        out.push_str("\n  }");
    }
    out.push_str("\n]");
    out
}

/// Writes issues as the generation 1.0 lists them: the path and the sentence of each.
pub(crate) fn issue_list(issues: &[Issue]) -> String {
    let mut out = String::from("[");
    for (index, issue) in issues.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let steps = issue.path.iter().map(|step| match step {
            Step::Member(name) => Cow::Borrowed(&**name),
            Step::Item(index) => Cow::Owned(index.to_string()),
        });
        let steps: Vec<Cow<'_, str>> = steps.collect();
        let path = crate::json::strings(steps.iter().map(|step| &**step));
        out.push_str(&crate::json::Object::new().json("path", &path).text("message", &issue.message).close());
    }
    out.push(']');
    out
}
