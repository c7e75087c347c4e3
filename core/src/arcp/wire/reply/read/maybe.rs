//! Members and payloads that count as absent if they cannot be read.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::arcp::wire::envelope::{Envelope, Int};
use crate::json::Text;
use crate::trace::TraceId;

/// A member that counts as absent unless it has the expected type.
#[derive(Clone, Debug)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Maybe<T> {
        Maybe(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Maybe(serde_json::from_str(raw.get()).ok()))
    }
}

impl Maybe<Text<'_>> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(Text::as_str)
    }

    pub(crate) fn owned(&self) -> Option<String> {
        self.as_str().map(ToString::to_string)
    }

    /// Returns the cursor of the next page. An empty one is that of the last page.
    pub(super) fn cursor(&self) -> Option<String> {
        self.owned().filter(|cursor| !cursor.is_empty())
    }

    /// Parses a trace id in one of the forms that runtimes send.
    pub(super) fn trace_id(&self) -> Option<TraceId> {
        TraceId::parse_lenient(self.as_str()?)
    }
}

impl<T> Maybe<Vec<Maybe<T>>> {
    /// Returns the items that can be read.
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten().filter_map(|item| item.0.as_ref())
    }
}

impl Maybe<Int> {
    pub(crate) fn value(&self) -> Option<u64> {
        self.0.map(|Int(value)| value)
    }
}

/// Reads the payload of a frame. One that is absent or cannot be read counts as empty.
pub(crate) fn payload<'a, P: Deserialize<'a> + Default>(envelope: &Envelope<'a>) -> P {
    envelope.payload.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
}
