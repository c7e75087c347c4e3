//! Event bodies as an agent emits them (§8.2): checked and serialised before a runtime sees them.
//!
//! ```text
//! Body::log, Body::metric, …  --rules.rs-->  Body { kind, json, meta }
//! Body::raw  --shape.rs, rules.rs------------^
//! ```

mod complete;
mod invalid;
mod meta;
mod number;
mod rules;
mod shape;

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

pub use self::invalid::InvalidBody;
pub(crate) use self::meta::{ChunkMeta, Meta};
pub use self::number::Number;
pub(crate) use self::rules::SUBSCRIPTION_DROPPED;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::ResultId;
use crate::arcp::wire::question::{ANSWERED, QUESTION, Question, Settled};
use crate::budget::Amount;
use crate::json::{Object, on_one_line};
use crate::surrogates;
use crate::time::Time;

/// The data of one chunk of a streamed result (§8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Text, sent with the `encoding` `utf8`.
    Text(&'a str),
    /// Bytes, sent with the `encoding` `base64`.
    Bytes(&'a [u8]),
}

/// The body of a `job.event` with its kind, checked and serialised (§8.2).
///
/// A body can be created without access to the runtime. Emitting it only copies its text.
///
/// ```
/// use nuncio_core::arcp::{Body, Json, Number};
///
/// let progress = Body::progress(&Number::from(3_u32), Some(&Number::from(10_u32)), Some("pages"), None)?;
/// assert_eq!(progress.kind(), "progress");
/// assert_eq!(progress.json(), r#"{"current":3,"total":10,"units":"pages"}"#);
///
/// let custom = Json::from_string(r#"{"row": 7}"#.to_owned())?;
/// assert!(Body::raw("x-vendor.acme.row", &custom).is_ok());
/// assert!(Body::raw("metric", &custom).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    kind: Cow<'static, str>,
    json: String,
    pub(crate) meta: Meta,
}

impl Body {
    fn new(kind: &'static str, object: Object, meta: Meta) -> Body {
        Body { kind: Cow::Borrowed(kind), json: object.close(), meta }
    }

    /// Returns the event kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the body as JSON text on one line.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Creates a `log` `{level, message, attributes?}`. A level other than `debug`, `info`, `warn` and `error` is written as
    /// the one of them that is closest, because some clients know no others.
    pub fn log(level: &str, message: &str, attributes: Option<&RawValue>) -> Body {
        let object =
            Object::new().plain("level", complete::level(level)).text("message", message).raw("attributes", attributes);
        Body::new("log", object, Meta::Plain)
    }

    /// Creates a `thought` `{text}`.
    pub fn thought(text: &str) -> Body {
        Body::new("thought", Object::new().text("text", text), Meta::Plain)
    }

    /// Creates a `tool_call` `{tool, args, call_id}`; without `args` they are `{}`.
    pub fn tool_call(tool: &str, args: Option<&RawValue>, call_id: &str) -> Body {
        let object =
            Object::new().text("tool", tool).json("args", args.map_or("{}", RawValue::get)).text("call_id", call_id);
        Body::new("tool_call", object, Meta::Plain)
    }

    /// Creates a `tool_result` `{call_id, result}`.
    pub fn tool_result(call_id: &str, result: &RawValue) -> Body {
        let object = Object::new().text("call_id", call_id).json("result", result.get());
        Body::new("tool_result", object, Meta::ToolResult)
    }

    /// Creates a `tool_result` `{call_id, error{code, message, retryable, details?}}`.
    pub fn tool_error(call_id: &str, fault: &Fault) -> Body {
        let error = Object::new()
            .text("code", fault.code.as_str())
            .text("message", &fault.message)
            .value("retryable", fault.code.retryable())
            .opt_json("details", fault.details.as_deref())
            .close();
        Body::new("tool_result", Object::new().text("call_id", call_id).json("error", &error), Meta::ToolResult)
    }

    /// Creates a `status` `{phase, message?}`. The phases `running` and `back_pressure` are also emitted by the runtime
    /// itself.
    ///
    /// # Errors
    ///
    /// [`InvalidBody`] for the phases `credential_rotated` (§9.8.2) and `subscription_dropped` (§7.6), which only the runtime
    /// emits.
    pub fn status(phase: &str, message: Option<&str>) -> Result<Body, InvalidBody> {
        rules::phase(phase)?;
        Ok(Body::status_unchecked(phase, message))
    }

    /// Creates a `status` with any phase.
    pub(crate) fn status_unchecked(phase: &str, message: Option<&str>) -> Body {
        Body::new("status", Object::new().text("phase", phase).opt_text("message", message), Meta::Plain)
    }

    /// Creates a `metric` `{name, value, unit?, dimensions?}`. One named `cost.*` counts against the budget of its unit
    /// (§9.6).
    ///
    /// # Errors
    ///
    /// [`InvalidBody`] for a negative `cost.*`, and for `cost.budget.remaining`, which only the runtime emits.
    pub fn metric(
        name: &str,
        value: &Number,
        unit: Option<&str>,
        dimensions: Option<&RawValue>,
    ) -> Result<Body, InvalidBody> {
        let meta = rules::metric(name, value, unit)?;
        let object = Object::new()
            .text("name", name)
            .json("value", value.as_str())
            .opt_text("unit", unit)
            .raw("dimensions", dimensions);
        Ok(Body::new("metric", object, meta))
    }

    /// Creates the `cost.budget.remaining` metric that follows a cost (§9.6).
    pub(crate) fn budget_remaining(currency: &str, remaining: &Amount) -> Body {
        let object = Object::new().plain("name", "cost.budget.remaining").value("value", remaining);
        Body::new("metric", object.text("unit", currency), Meta::Plain)
    }

    /// Creates an `artifact_ref` `{uri, content_type, byte_size?, sha256?}`.
    pub fn artifact(uri: &str, content_type: &str, byte_size: Option<u64>, sha256: Option<&str>) -> Body {
        let object = Object::new()
            .text("uri", uri)
            .text("content_type", content_type)
            .opt_value("byte_size", byte_size)
            .opt_text("sha256", sha256);
        Body::new("artifact_ref", object, Meta::Plain)
    }

    /// Creates a `progress` `{current, total?, units?, message?}` (§8.2.1).
    ///
    /// # Errors
    ///
    /// [`InvalidBody`] if one of the numbers is negative.
    pub fn progress(
        current: &Number,
        total: Option<&Number>,
        units: Option<&str>,
        message: Option<&str>,
    ) -> Result<Body, InvalidBody> {
        rules::progress(current, total)?;
        let object = Object::new()
            .json("current", current.as_str())
            .opt_json("total", total.map(Number::as_str))
            .opt_text("units", units)
            .opt_text("message", message);
        Ok(Body::new("progress", object, Meta::Progress))
    }

    /// Creates a `result_chunk` `{result_id, chunk_seq, data, encoding, more}` (§8.4).
    pub(crate) fn chunk(result_id: ResultId, seq: u64, data: Chunk<'_>, more: bool) -> Body {
        let (data, encoding, decoded) = match data {
            Chunk::Text(text) => (Cow::Borrowed(text), "utf8", text.len()),
            Chunk::Bytes(bytes) => (Cow::Owned(STANDARD.encode(bytes)), "base64", bytes.len()),
        };
        let object = Object::with_capacity(data.len() + 128)
            .plain("result_id", result_id)
            .value("chunk_seq", seq)
            .text("data", &data)
            .plain("encoding", encoding)
            .value("more", more);
        let text = encoding == "utf8";
        let chunk = ChunkMeta { result_id: result_id.to_string(), seq, decoded, text, more };
        Body::new("result_chunk", object, Meta::Chunk(Ok(chunk)))
    }

    /// Creates the empty last chunk of a stream that its agent left open, with the encoding of the chunk before it.
    pub(crate) fn last_chunk(result_id: &str, seq: u64, text: bool) -> Body {
        let object = Object::new()
            .text("result_id", result_id)
            .value("chunk_seq", seq)
            .plain("data", "")
            .plain("encoding", if text { "utf8" } else { "base64" })
            .value("more", false);
        let chunk = ChunkMeta { result_id: result_id.to_string(), seq, decoded: 0, text, more: false };
        Body::new("result_chunk", object, Meta::Chunk(Ok(chunk)))
    }

    /// Creates a `delegate` from its JSON text (§10).
    pub(crate) fn delegated(json: String) -> Body {
        Body { kind: Cow::Borrowed("delegate"), json, meta: Meta::Plain }
    }

    /// Creates the event of a question (ours).
    pub(crate) fn question(question: &Question, number: u64, expires_at: Option<Time>) -> Body {
        Body { kind: Cow::Borrowed(QUESTION), json: question.body(number, expires_at), meta: Meta::Plain }
    }

    /// Creates the event of the end of a question (ours).
    pub(crate) fn answered(settled: &Settled) -> Body {
        Body { kind: Cow::Borrowed(ANSWERED), json: settled.body(), meta: Meta::Plain }
    }

    /// Creates the `status` of a rotated credential; without `value` it is the redacted form (§9.8.2).
    pub(crate) fn rotated(credential_id: &str, value: Option<&str>) -> Body {
        let object = Object::new()
            .plain("phase", "credential_rotated")
            .text("credential_id", credential_id)
            .text("id", credential_id)
            .opt_text("value", value);
        Body::new("status", object, Meta::Plain)
    }

    /// Creates a body of any kind from its JSON text. A kind of §8.2 must have its shape; an `x-vendor.*` body is free.
    ///
    /// Members that some clients cannot do without are added: the `args` of a `tool_call` and the `retryable` of an error.
    /// The level of a `log` is one of those that [`Body::log`] writes.
    ///
    /// A lone surrogate in a text of §8.2 becomes U+FFFD, because UTF-8 has none.
    ///
    /// A malformed `result_chunk` is not refused here: emitting it ends the job with `INVALID_REQUEST` (§8.4).
    ///
    /// # Errors
    ///
    /// [`InvalidBody`] for a body that does not have the shape of its kind or breaks one of its rules, for an unknown
    /// kind, and for the kinds that the runtime emits by itself: `delegate`, which
    /// [`Runtime::delegate`](crate::arcp::Runtime::delegate) asks for, and the two of questions, for which there is
    /// [`Runtime::ask`](crate::arcp::Runtime::ask).
    pub fn raw(kind: &str, body: &RawValue) -> Result<Body, InvalidBody> {
        // A body of a vendor's kind is user data, which passes as it is.
        let body = if shape::is_vendor_kind(kind) { Cow::Borrowed(body) } else { surrogates::whole(body) };
        let meta = shape::check(kind, &body)?;
        let json = complete::complete(kind, body.get()).unwrap_or_else(|| on_one_line(body.get()).into_owned());
        Ok(Body { kind: Cow::Owned(kind.to_string()), json, meta })
    }
}
