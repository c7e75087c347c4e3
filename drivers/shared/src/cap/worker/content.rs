//! Inputs and outputs on their way through handlers.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;

/// An input or an output: as text, or as a value where middleware looks at it.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Text(Bytes),
    Value(Value),
}

impl Content {
    /// Reads a value of a type.
    pub(in crate::cap) fn read<T: DeserializeOwned>(self) -> Result<T, Failure> {
        let read = match self {
            Content::Text(text) => serde_json::from_slice(&text),
            Content::Value(value) => serde_json::from_value(value),
        };
        read.map_err(|error| Failure::invalid_input(format!("the input is not what this job takes: {error}")))
    }

    /// Writes a value in the form that an input had.
    pub(in crate::cap) fn write(value: &impl Serialize, as_value: bool) -> Result<Content, Failure> {
        let written = if as_value {
            serde_json::to_value(value).map(Content::Value)
        } else {
            serde_json::to_vec(value).map(|text| Content::Text(text.into()))
        };
        written.map_err(|error| Failure::fatal(format!("the output cannot be written as JSON: {error}")))
    }

    /// Returns the content as text.
    pub(in crate::cap) fn into_text(self) -> Result<Bytes, Failure> {
        match self {
            Content::Text(text) => Ok(text),
            Content::Value(value) => Content::write(&value, false)?.into_text(),
        }
    }

    /// Returns the content as a value.
    pub(in crate::cap) fn into_value(self) -> Result<Value, Failure> {
        match self {
            Content::Text(_) => self.read(),
            Content::Value(value) => Ok(value),
        }
    }

    pub(in crate::cap) fn is_value(&self) -> bool {
        matches!(self, Content::Value(_))
    }
}
