//! A frame as it stood on the wire.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use nuncio_core::arcp::Json;
use serde_json::{Map, Value};

/// A frame a runtime sent: its text, and what it says. Indexing reads the value.
#[derive(Clone)]
pub struct Frame {
    text: String,
    value: Value,
}

impl Frame {
    /// Reads a frame; anything but a JSON object is a fault of the runtime.
    pub fn parse(text: &str) -> Frame {
        let value = serde_json::from_str(text).unwrap_or_else(|_| lenient(text));
        assert!(value.is_object(), "a frame is no JSON object: {text}");
        Frame { text: text.to_owned(), value }
    }

    /// The text as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The message type.
    pub fn kind(&self) -> &str {
        self.value["type"].as_str().unwrap_or_default()
    }

    /// The payload.
    pub fn payload(&self) -> &Value {
        &self.value["payload"]
    }

    /// The kind of a `job.event`.
    pub fn event(&self) -> &str {
        self.value["payload"]["kind"].as_str().unwrap_or_default()
    }

    /// The body of a `job.event`.
    pub fn body(&self) -> &Value {
        &self.value["payload"]["body"]
    }

    /// The number of an event in its session.
    pub fn seq(&self) -> Option<u64> {
        self.value["event_seq"].as_u64()
    }

    /// The job the frame is about.
    pub fn job(&self) -> &str {
        let job = self.value["job_id"].as_str().or(self.value["payload"]["job_id"].as_str());
        job.unwrap_or_default()
    }

    /// The raw text of a member of the payload, exactly as it was sent.
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

/// The value of a text that holds what serde's `Value` cannot (a number beyond f64, a lone surrogate): such members
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
