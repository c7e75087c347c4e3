//! The context of a submitter, in the extensions of an ARCP job and in the labels of a CAP job: the W3C header fields of
//! Caracal without the token.

use std::collections::BTreeMap;

use nuncio_core::arcp::Json;
use nuncio_core::caracal::{Envelope, Header, InboundTrace};
use serde::Deserialize;

use crate::arcp::Failure;

/// The member of the extensions of an ARCP submit.
pub(super) const EXTENSION: &str = "x-vendor.nuncio.caracal";
/// The bytes of the member, as JSON.
const MAX_BYTES: usize = 16 << 10;
/// The bytes and members of a `baggage` header (wire.md §1.3). A longer one is ignored as a whole by those who read it.
const MAX_BAGGAGE_BYTES: usize = 8_192;
const MAX_BAGGAGE_MEMBERS: usize = 64;

pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";
pub(super) const BAGGAGE: &str = "baggage";

/// Why the context that a job carries cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCaller {
    /// It has more than 16 KiB.
    #[error("the context of the job has more than 16 KiB")]
    TooLong,
    /// It is not an object of texts.
    #[error("the context of the job is not an object with the texts traceparent, tracestate and baggage")]
    Shape,
    /// Its `traceparent` is malformed.
    #[error("the traceparent of the job's context is malformed")]
    Trace,
    /// Its `baggage` has more than 8192 bytes or 64 members.
    #[error("the baggage of the job's context has more than 8192 bytes or 64 members")]
    Baggage,
}

/// A job has no context of a submitter, and its agent requires one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoCaller {
    /// It carries none.
    #[error("the job carries no Caracal context, which its agent requires; submit it within a session")]
    Missing,
    /// It carries one that cannot be read.
    #[error(transparent)]
    Invalid(#[from] InvalidCaller),
}

impl From<NoCaller> for Failure {
    /// The job ends with `INVALID_REQUEST`.
    fn from(none: NoCaller) -> Failure {
        Failure::invalid(none.to_string())
    }
}

/// The fields as they are written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    traceparent: Option<String>,
    tracestate: Option<String>,
    baggage: Option<String>,
}

impl Fields {
    fn read(self) -> Result<Envelope, InvalidCaller> {
        let Fields { traceparent, tracestate, baggage } = &self;
        if traceparent.as_deref().is_some_and(|text| InboundTrace::parse(text).is_none()) {
            return Err(InvalidCaller::Trace);
        }
        let is_long =
            |text: &str| text.len() > MAX_BAGGAGE_BYTES || text.split([',', ';']).count() > MAX_BAGGAGE_MEMBERS;
        if baggage.as_deref().is_some_and(is_long) {
            return Err(InvalidCaller::Baggage);
        }
        let fields = [(TRACEPARENT, traceparent), (TRACESTATE, tracestate), (BAGGAGE, baggage)];
        Ok(Envelope::read(fields.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))))
    }
}

/// Reads the context in the extensions of an ARCP job. `null` counts as none.
pub(super) fn of_extensions(extensions: Option<&Json>) -> Result<Option<Envelope>, InvalidCaller> {
    let Some(extensions) = extensions else { return Ok(None) };
    // The extensions were checked to be an object when the job was submitted.
    let members: BTreeMap<String, &Json> = serde_json::from_str(extensions.get()).map_err(|_| InvalidCaller::Shape)?;
    let Some(carried) = members.get(EXTENSION) else { return Ok(None) };
    match carried.get() {
        "null" => Ok(None),
        long if long.len() > MAX_BYTES => Err(InvalidCaller::TooLong),
        // serde takes an array for an object with its members in order.
        object if object.starts_with('{') => {
            let fields: Fields = serde_json::from_str(object).map_err(|_| InvalidCaller::Shape)?;
            fields.read().map(Some)
        }
        _ => Err(InvalidCaller::Shape),
    }
}

/// Reads the context in the labels of a CAP job.
#[cfg(feature = "cap")]
pub(super) fn of_labels(labels: &BTreeMap<String, String>) -> Result<Option<Envelope>, InvalidCaller> {
    let [traceparent, tracestate, baggage] = [TRACEPARENT, TRACESTATE, BAGGAGE].map(|name| labels.get(name).cloned());
    if traceparent.is_none() && baggage.is_none() {
        return Ok(None);
    }
    Fields { traceparent, tracestate, baggage }.read().map(Some)
}

/// Returns the header fields of a context as the member of the extensions.
pub(super) fn to_extension(headers: &[Header]) -> serde_json::Result<Box<Json>> {
    let fields: BTreeMap<&str, &str> = headers.iter().map(|header| (header.name(), header.value().expose())).collect();
    serde_json::value::to_raw_value(&fields)
}
