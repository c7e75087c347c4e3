//! Writing JSON objects member by member; absent members are left out, never `null`.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt::{self, Write as _};

use memchr::memchr2;
use serde_json::value::RawValue;

/// A JSON object under construction.
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

    fn key(&mut self, key: &str) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        push_json_str(&mut self.out, key);
        self.out.push(':');
    }

    /// A member with a string.
    pub(crate) fn text(mut self, key: &str, value: &str) -> Object {
        self.key(key);
        push_json_str(&mut self.out, value);
        self
    }

    /// A member with a string that needs no escapes: an id, a timestamp.
    pub(crate) fn plain(mut self, key: &str, value: impl fmt::Display) -> Object {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.out, "\"{value}\"");
        self
    }

    /// A member with a value whose display form is JSON: a number, a boolean, `null`.
    pub(crate) fn value(mut self, key: &str, value: impl fmt::Display) -> Object {
        self.key(key);
        let _ = write!(self.out, "{value}");
        self
    }

    /// A member with JSON text; raw line breaks become spaces.
    pub(crate) fn json(mut self, key: &str, json: &str) -> Object {
        self.key(key);
        self.out.push_str(&on_one_line(json));
        self
    }

    /// A member with user data, if there is any.
    pub(crate) fn raw(self, key: &str, value: Option<&RawValue>) -> Object {
        match value {
            Some(value) => self.json(key, value.get()),
            None => self,
        }
    }

    /// A member with a string, if there is one.
    pub(crate) fn opt_text(self, key: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// A member with a plain string, if there is one.
    pub(crate) fn opt_plain(self, key: &str, value: Option<impl fmt::Display>) -> Object {
        match value {
            Some(value) => self.plain(key, value),
            None => self,
        }
    }

    /// A member with JSON text, if there is any.
    pub(crate) fn opt_json(self, key: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.json(key, value),
            None => self,
        }
    }

    /// A member with a string, or a `null` that is shown.
    pub(crate) fn null_or_plain(self, key: &str, value: Option<impl fmt::Display>) -> Object {
        match value {
            Some(value) => self.plain(key, value),
            None => self.value(key, "null"),
        }
    }

    /// The whole text.
    pub(crate) fn close(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// JSON text without the raw line breaks that a pretty-printed value holds, so that a frame is one line on stdio.
pub(crate) fn on_one_line(json: &str) -> Cow<'_, str> {
    // In valid JSON a raw CR or LF is white space between tokens.
    match memchr2(b'\r', b'\n', json.as_bytes()) {
        Some(_) => Cow::Owned(json.replace(['\r', '\n'], " ")),
        None => Cow::Borrowed(json),
    }
}

/// A JSON string literal of `text`, appended to `out`.
pub(crate) fn push_json_str(out: &mut String, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
