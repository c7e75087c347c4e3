//! The values that records are made of, read from their JSON.

use alloc::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::arcp::runtime::record::error::RecordError;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::EnvelopeId;
use crate::budget::{Amount, Amounts, Budget, Currency};
use crate::digest::Digest;
use crate::json::Text;
use crate::time::Time;
use crate::trace::TraceId;

pub(super) fn damaged(what: &str) -> RecordError {
    RecordError::Damaged(alloc::format!("its member {what} makes no sense"))
}

/// A restored runtime starts no earlier than the time of its latest record, so a record must not have a time after
/// which no deadline ever passes.
pub(super) fn time(micros: u64) -> Result<Time, RecordError> {
    const YEAR_10000: u64 = 253_402_300_800_000_000;
    if micros < YEAR_10000 { Ok(Time(micros)) } else { Err(damaged("at")) }
}

pub(super) fn kind(kind: &Text<'_>) -> Result<&'static str, RecordError> {
    let kinds = ["job.event", "job.result", "job.error"];
    kinds.into_iter().find(|known| *known == kind.as_str()).ok_or_else(|| damaged("kind"))
}

pub(super) fn features(flags: &[Text<'_>]) -> Features {
    flags.iter().filter_map(|flag| Feature::parse(flag.as_str())).collect()
}

pub(super) fn envelope(id: &Text<'_>) -> Result<EnvelopeId, RecordError> {
    EnvelopeId::parse(id.as_str()).ok_or_else(|| damaged("id"))
}

pub(super) fn trace(trace: &Text<'_>) -> Result<TraceId, RecordError> {
    TraceId::parse(trace.as_str()).ok_or_else(|| damaged("trace"))
}

pub(super) fn digest(text: &Text<'_>, what: &str) -> Result<Digest, RecordError> {
    let bytes = STANDARD_NO_PAD.decode(text.as_str()).ok();
    bytes.and_then(|bytes| Digest::try_from(bytes).ok()).ok_or_else(|| damaged(what))
}

pub(super) fn bytes(payload: &RawValue) -> Bytes {
    Bytes::copy_from_slice(payload.get().as_bytes())
}

pub(super) fn amount(text: &str) -> Result<Amount, RecordError> {
    Amount::from_json_number(text).map_err(|_| damaged("an amount"))
}

/// Returns what remained of a budget when a job was accepted. That of a family can be overdrawn by then.
pub(super) fn budget(remaining: &BTreeMap<Text<'_>, &RawValue>) -> Result<Budget, RecordError> {
    let mut amounts = Amounts::new();
    for (currency, raw) in remaining {
        let currency = Currency::parse(currency.as_str()).map_err(|_| damaged("budget"))?;
        let left = Amount::from_signed(raw.get()).map_err(|_| damaged("budget"))?;
        amounts.add(currency, left).map_err(|_| damaged("budget"))?;
    }
    Ok(Budget::new(amounts))
}

/// Returns the dialect of a session. Records of earlier versions know `python` alone. A name that this version does not
/// know is that of a later one, whose frames cannot be made here: the session goes on in the specification's form.
pub(super) fn dialect(name: Option<&Text<'_>>, python: bool) -> Dialect {
    match name {
        Some(name) => name.as_str().parse().unwrap_or_default(),
        None if python => Dialect::PYTHON,
        None => Dialect::SPEC,
    }
}
