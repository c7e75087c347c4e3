//! A frame as it was sent on the wire.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use nuncio_core::arcp::Json;
use serde_json::{Map, Value};

/// A frame that a runtime sent: its text and its value. Indexing reads the value.
#[derive(Clone)]
pub struct Frame {
    text: String,
    value: Value,
}

impl Frame {
    /// Parses a frame.
    ///
    /// # Panics
    /// If the text is not a JSON object, which is a fault of the runtime.
    pub fn parse(text: &str) -> Frame {
        let value = serde_json::from_str(text).unwrap_or_else(|_| lenient(text));
        assert!(value.is_object(), "a frame is not a JSON object: {text}");
        Frame { text: text.to_owned(), value }
    }

    /// Returns the text as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the message type.
    pub fn kind(&self) -> &str {
        self.value["type"].as_str().unwrap_or_default()
    }

    /// Returns the payload.
    pub fn payload(&self) -> &Value {
        &self.value["payload"]
    }

    /// Returns the kind of a `job.event`.
    pub fn event(&self) -> &str {
        self.value["payload"]["kind"].as_str().unwrap_or_default()
    }

    /// Returns the body of a `job.event`.
    pub fn body(&self) -> &Value {
        &self.value["payload"]["body"]
    }

    /// Returns the event's number in its session.
    pub fn seq(&self) -> Option<u64> {
        self.value["event_seq"].as_u64()
    }

    /// Returns the id of the job that the frame is about.
    pub fn job(&self) -> &str {
        let job = self.value["job_id"].as_str().or(self.value["payload"]["job_id"].as_str());
        job.unwrap_or_default()
    }

    /// Returns the text of a member as it was sent; `path` leads to it from the envelope.
    pub fn raw(&self, path: &[&str]) -> String {
        let mut text = self.text.clone();
        for name in path {
            let mut members: BTreeMap<String, Box<Json>> = serde_json::from_str(&text).expect("an object");
            let member = members.remove(*name).unwrap_or_else(|| panic!("no {name} in {}", self.text));
            member.get().clone_into(&mut text);
        }
        text
    }
}

impl Deref for Frame {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses a text that contains what serde's `Value` cannot hold (a number beyond f64, a lone surrogate): such members
/// become the string `"unreadable"`.
fn lenient(text: &str) -> Value {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return value;
    }
    match serde_json::from_str::<BTreeMap<String, Box<Json>>>(text) {
        Ok(members) => {
            Value::Object(members.into_iter().map(|(name, raw)| (name, lenient(raw.get()))).collect::<Map<_, _>>())
        }
        Err(_) => Value::from("unreadable"),
    }
}
