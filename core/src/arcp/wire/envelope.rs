//! Envelopes: the members that every frame has, and its payload (§5).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use bytes::Bytes;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::arcp::wire::ids::{EnvelopeId, ReplyId, ULID_BYTES};
use crate::json::{MAX_DIGITS, Text, decimal, push_json_str};

/// The largest integer that every JSON peer reads exactly: 2^53 − 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;
/// The most unknown members of an envelope, so that looking for duplicates stays cheap (ours).
const MAX_UNKNOWN_MEMBERS: usize = 64;

/// An integer of the protocol: at most 2^53 − 1, written without a fraction or exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Int(pub u64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        if value > MAX_INTEGER {
            return Err(D::Error::custom("an integer is larger than 2^53 - 1"));
        }
        Ok(Int(value))
    }
}

/// A received envelope. Its payload is read as a `P` in the same pass.
///
/// Unknown members are ignored (§5), and `null` counts as absent.
#[derive(Clone, Debug)]
pub struct Envelope<'a, P = &'a RawValue> {
    /// The version of the protocol, `"1.1"` or `"1"`.
    pub arcp: Option<Text<'a>>,
    /// The id of the frame, chosen by its sender.
    pub id: Option<Text<'a>>,
    /// The message type, such as `job.submit`.
    pub kind: Option<Text<'a>>,
    /// The session that the frame belongs to.
    pub session_id: Option<Text<'a>>,
    /// The trace id (§11).
    pub trace_id: Option<Text<'a>>,
    /// The job that the frame is about.
    pub job_id: Option<Text<'a>>,
    /// The number of the event in its session (§8.3).
    pub event_seq: Option<Int>,
    /// The payload.
    pub payload: Option<P>,
    /// The vendor extensions as they were written.
    pub extensions: Option<&'a RawValue>,
}

impl<'a, P: Deserialize<'a>> Envelope<'a, P> {
    /// Reads a frame, which must be one JSON object. The meaning of its members is not checked.
    ///
    /// # Errors
    ///
    /// The error of `serde_json` for a malformed frame, a member of the wrong type, or a member that occurs twice.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl<'de: 'a, 'a, P: Deserialize<'de>> Deserialize<'de> for Envelope<'a, P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor(PhantomData))
    }
}

struct EnvelopeVisitor<'a, P>(PhantomData<(&'a (), P)>);

impl<'de: 'a, 'a, P: Deserialize<'de>> Visitor<'de> for EnvelopeVisitor<'a, P> {
    type Value = Envelope<'a, P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope {
            arcp: None,
            id: None,
            kind: None,
            session_id: None,
            trace_id: None,
            job_id: None,
            event_seq: None,
            payload: None,
            extensions: None,
        };
        let mut seen: u16 = 0;
        let mut unknown: Vec<Text<'de>> = Vec::new();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            let member = Member::named(key.as_str());
            let bit = member.map_or(0, |member| 1 << member as u8);
            if seen & bit != 0 || unknown.contains(&key) {
                return Err(A::Error::custom(format_args!("the member {:?} occurs twice", key.as_str())));
            }
            seen |= bit;
            match member {
                Some(Member::Arcp) => envelope.arcp = map.next_value()?,
                Some(Member::Id) => envelope.id = map.next_value()?,
                Some(Member::Type) => envelope.kind = map.next_value()?,
                Some(Member::SessionUlid) => envelope.session_id = map.next_value()?,
                Some(Member::TraceId) => envelope.trace_id = map.next_value()?,
                Some(Member::JobKey) => envelope.job_id = map.next_value()?,
                Some(Member::EventSeq) => envelope.event_seq = map.next_value()?,
                Some(Member::Payload) => envelope.payload = map.next_value()?,
                Some(Member::Extensions) => envelope.extensions = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                    if unknown.len() == MAX_UNKNOWN_MEMBERS {
                        return Err(A::Error::custom("the envelope has too many members"));
                    }
                    unknown.push(key);
                }
            }
        }
        Ok(envelope)
    }
}

/// A known member of an envelope.
#[derive(Clone, Copy)]
enum Member {
    Arcp,
    Id,
    Type,
    SessionUlid,
    TraceId,
    JobKey,
    EventSeq,
    Payload,
    Extensions,
}

impl Member {
    fn named(name: &str) -> Option<Member> {
        match name {
            "arcp" => Some(Member::Arcp),
            "id" => Some(Member::Id),
            "type" => Some(Member::Type),
            "session_id" => Some(Member::SessionUlid),
            "trace_id" => Some(Member::TraceId),
            "job_id" => Some(Member::JobKey),
            "event_seq" => Some(Member::EventSeq),
            "payload" => Some(Member::Payload),
            "extensions" => Some(Member::Extensions),
            _ => None,
        }
    }
}

/// Returns the members between `type` and `event_seq` as JSON text with a trailing comma. They are the same in all
/// frames of one job to one session. The three ids must need no escapes.
pub(crate) fn head(
    session: &dyn fmt::Display,
    trace: Option<&dyn fmt::Display>,
    job: Option<&dyn fmt::Display>,
) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(160);
    let mut member = |name: &str, id: &dyn fmt::Display| {
        out.push_str(name);
        // Writing to a String cannot fail.
        let _ = write!(out, "{id}");
        out.push_str("\",");
    };
    member("\"session_id\":\"", session);
    if let Some(trace) = trace {
        member("\"trace_id\":\"", trace);
    }
    if let Some(job) = job {
        member("\"job_id\":\"", job);
    }
    out
}

/// Returns a whole frame. The parts of `payload` are JSON text, written one after the other.
pub(crate) fn frame(id: EnvelopeId, kind: &str, head: &str, seq: Option<u64>, payload: &[impl AsRef<[u8]>]) -> Bytes {
    write(ReplyId::Own(id), kind, head, seq, payload)
}

/// Returns the frame of a reply, like [`frame`].
pub(crate) fn reply(id: ReplyId<'_>, kind: &str, head: &str, payload: &str) -> Bytes {
    write(id, kind, head, None, &[payload])
}

fn write(id: ReplyId<'_>, kind: &str, head: &str, seq: Option<u64>, payload: &[impl AsRef<[u8]>]) -> Bytes {
    const START: &str = "{\"arcp\":\"1.1\",\"id\":";
    const TYPE: &str = ",\"type\":\"";
    const END: &str = "\",";
    const PAYLOAD: &str = "\"payload\":";
    let (mut own, mut request) = ([0; ULID_BYTES], String::new());
    let [open, id, close] = match id {
        ReplyId::Own(id) => ["\"", id.text(&mut own), "\""],
        ReplyId::Request(id) => {
            push_json_str(&mut request, id);
            ["", &request, ""]
        }
    };
    let mut digits = [0; MAX_DIGITS];
    let [name, number, comma] = match seq {
        Some(seq) => ["\"event_seq\":", decimal(seq, &mut digits), ","],
        None => [""; 3],
    };
    let rest: usize = payload.iter().map(|part| part.as_ref().len()).sum();
    let varying = id.len() + kind.len() + head.len() + name.len() + number.len() + rest;
    // A buffer of exactly this length becomes a frame without another allocation.
    let fixed = START.len() + open.len() + close.len() + TYPE.len() + END.len() + comma.len() + PAYLOAD.len() + 1;
    let mut out = String::with_capacity(fixed + varying);
    for part in [START, open, id, close, TYPE, kind, END, head, name, number, comma, PAYLOAD] {
        out.push_str(part);
    }
    let mut out = out.into_bytes();
    for part in payload {
        out.extend_from_slice(part.as_ref());
    }
    out.push(b'}');
    Bytes::from(out)
}
