//! W3C Trace Context (§11): [`TraceId`], [`TraceParent`], [`TraceState`] and the envelope extension that carries them.
//!
//! The `trace_id` of an envelope is the bare trace id. The rest of the W3C context (the caller's span, the flags and
//! `tracestate`) travels in the envelope's `extensions` under [`TraceContext::EXTENSION`], which is a convention of the
//! SDKs and not part of the specification. A context that cannot be read counts as absent and is never refused.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// A W3C trace id: 16 bytes, not all zero, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Returns the id with these bytes, or `None` if all of them are zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<TraceId> {
        (bytes != [0; 16]).then_some(TraceId(bytes))
    }

    /// Returns a random id.
    pub(crate) fn random(random: &mut Random) -> TraceId {
        loop {
            if let Some(trace) = TraceId::from_bytes(random.random_u128().to_be_bytes()) {
                return trace;
            }
        }
    }

    /// Parses 32 lower-case hexadecimal digits, the form that Nuncio sends. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<TraceId> {
        TraceId::from_bytes(parse_hex(text)?)
    }

    /// Parses the forms that peers send as `trace_id`: the bare id, or a whole `traceparent`, whose trace id is taken
    /// (ours). Returns `None` for any other text, which counts as an absent `trace_id`.
    pub fn parse_lenient(text: &str) -> Option<TraceId> {
        TraceId::parse(text).or_else(|| Some(TraceParent::parse(text)?.trace_id))
    }

    /// Appends the text of the id.
    pub(crate) fn push_to(self, out: &mut String) {
        let mut digits = [0; 32];
        put_hex(&mut digits, &self.0);
        // They are ASCII.
        out.push_str(core::str::from_utf8(&digits).unwrap_or_default());
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// A W3C span id (`parent-id`): 8 bytes, not all zero, written as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

impl SpanId {
    /// Returns the id with these bytes, or `None` if all of them are zero.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<SpanId> {
        (bytes != [0; 8]).then_some(SpanId(bytes))
    }

    /// Parses 16 lower-case hexadecimal digits. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<SpanId> {
        SpanId::from_bytes(parse_hex(text)?)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The two flags of a `traceparent` that W3C defines. Reserved bits are dropped, as W3C requires when forwarding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// The caller may have recorded its span (bit 0).
    pub const SAMPLED: TraceFlags = TraceFlags(0x01);
    /// The last seven bytes of the trace id are random (bit 1, W3C level 2).
    pub const RANDOM: TraceFlags = TraceFlags(0x02);

    /// Returns the flags in this byte, without the reserved bits.
    pub const fn from_byte(byte: u8) -> TraceFlags {
        TraceFlags(byte & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    /// Returns the flags as a byte.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Returns whether the caller may have recorded its span.
    pub const fn sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }
}

/// A W3C `traceparent`: a trace, the calling span, and flags. It is formatted as version 00.
///
/// ```
/// use nuncio_core::trace::TraceParent;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent = TraceParent::parse(text).unwrap();
/// assert!(parent.flags.sampled());
/// assert_eq!(parent.to_string(), text);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The id of the trace.
    pub trace_id: TraceId,
    /// The id of the calling span.
    pub span_id: SpanId,
    /// The flags.
    pub flags: TraceFlags,
}

impl TraceParent {
    /// Parses a `traceparent`, or returns `None` for a malformed one.
    ///
    /// Version 00 must have its exact form. For a later version, the four fields of version 00 are read and everything
    /// after the next `-` is ignored. Version `ff` is invalid.
    pub fn parse(text: &str) -> Option<TraceParent> {
        // All versions begin with the fields of version 00.
        let (fields, rest) = text.split_at_checked(Self::LEN)?;
        let [version] = parse_hex(fields.get(..2)?)?;
        let trace_id = TraceId::parse(fields.get(3..35)?)?;
        let span_id = SpanId::parse(fields.get(36..52)?)?;
        let [flags] = parse_hex(fields.get(53..)?)?;
        let is_separated = [2, 35, 52].map(|at| fields.as_bytes().get(at)) == [Some(&b'-'); 3];
        let ends = rest.is_empty() || (rest.starts_with('-') && version != 0x00);
        (is_separated && ends && version != 0xff).then(|| TraceParent {
            trace_id,
            span_id,
            flags: TraceFlags::from_byte(flags),
        })
    }

    /// The length of a `traceparent` of version 00, in bytes.
    pub const LEN: usize = 55;

    /// Returns the text of the header, which is ASCII.
    ///
    /// ```
    /// use nuncio_core::trace::TraceParent;
    ///
    /// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// assert_eq!(TraceParent::parse(text).unwrap().to_ascii(), text.as_bytes());
    /// ```
    pub fn to_ascii(&self) -> [u8; Self::LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let TraceParent { trace_id, span_id, flags } = self;
        put_hex(text.split_at_mut(3).1, trace_id.as_bytes());
        put_hex(text.split_at_mut(36).1, span_id.as_bytes());
        put_hex(text.split_at_mut(53).1, &[flags.byte()]);
        text
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.to_ascii()).map_err(|_| fmt::Error)?)
    }
}

/// A W3C `tracestate`, passed on without being interpreted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceState(Box<str>);

impl TraceState {
    /// The longest `tracestate` that is passed on, in bytes: the length that W3C requires to be propagated.
    pub const MAX_BYTES: usize = 512;

    /// Parses a `tracestate` of 1 to 512 printable ASCII characters, spaces and tabs. Returns `None` for any other
    /// text.
    pub fn parse(text: &str) -> Option<TraceState> {
        let printable = text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        (!text.is_empty() && text.len() <= Self::MAX_BYTES && printable).then(|| TraceState(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The W3C trace context that an envelope carries beside its `trace_id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The caller's `traceparent`.
    pub parent: TraceParent,
    /// The caller's `tracestate`, if it sent one that can be passed on.
    pub state: Option<TraceState>,
}

impl TraceContext {
    /// The member of the envelope's `extensions` that holds the context (a convention of the SDKs).
    pub const EXTENSION: &'static str = "x-vendor.opentelemetry.tracecontext";

    /// Parses the JSON text of the extension, `{"traceparent", "tracestate"?}`. Other members are ignored.
    ///
    /// Returns `None` if the `traceparent` is absent or malformed. A malformed `tracestate` is dropped by itself, as
    /// W3C requires.
    pub fn from_json(json: &str) -> Option<TraceContext> {
        let members: Members<String> = serde_json::from_str(json).ok()?;
        let parent = TraceParent::parse(&members.traceparent)?;
        let state = members.tracestate.and_then(|state| TraceState::parse(&state));
        Some(TraceContext { parent, state })
    }

    /// Returns the JSON text of the extension.
    pub fn to_json(&self) -> String {
        let traceparent = alloc::format!("{}", self.parent);
        let tracestate = self.state.as_ref().map(TraceState::as_str);
        // A struct of two strings always serialises.
        serde_json::to_string(&Members { traceparent: traceparent.as_str(), tracestate }).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
struct Members<S> {
    traceparent: S,
    #[serde(skip_serializing_if = "Option::is_none", default = "no_state")]
    tracestate: Option<S>,
}

fn no_state<S>() -> Option<S> {
    None
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut values = [[0; 2]; N];
    let values_of_digits = values.as_flattened_mut();
    if text.len() != values_of_digits.len() {
        return None;
    }
    // Without a branch for each digit, so that many are read at a time.
    let mut is_hex = true;
    for (value, digit) in values_of_digits.iter_mut().zip(text.bytes()) {
        let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        *value = if number < 10 { number } else { letter.wrapping_add(10) };
        is_hex &= number < 10 || letter < 6;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(values) {
        *byte = high << 4 | low & 0xf;
    }
    is_hex.then_some(bytes)
}

/// Replaces the beginning of a text with the digits of some bytes.
fn put_hex(text: &mut [u8], bytes: &[u8]) {
    for ([high, low], byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
    }
}

/// Returns the hexadecimal digit of a value below 16. Without a table, many are written at a time.
const fn digit(value: u8) -> u8 {
    value.wrapping_add(if value < 10 { b'0' } else { b'a' - 10 })
}

/// Writes lower-case hexadecimal digits with a single call, since ids are part of every frame and record.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut digits = [0; 32];
    put_hex(&mut digits, bytes);
    let written = digits.get(..bytes.len() * 2).unwrap_or(&digits);
    f.write_str(core::str::from_utf8(written).map_err(|_| fmt::Error)?)
}
