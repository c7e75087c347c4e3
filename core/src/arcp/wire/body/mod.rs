//! Event bodies as an agent emits them (§8.2): checked and serialised before a runtime sees them.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

use base64::Engine as _;
use serde_json::value::RawValue;

use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::ResultId;
use crate::budget::{Amount, AmountError};
use crate::json::Text;
use crate::json::too_deep;
use crate::json::{Object, on_one_line};

mod shape;

pub(crate) use shape::present;
use shape::{Artifact, Log, Metric, Progress, Status, Thought, ToolCall, ToolResult, check, chunk_meta, plain_name};

/// The name of an event kind, vendor kinds included, is at most this long.
const MAX_KIND: usize = 256;

/// A piece of a streamed result (§8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Text: `encoding` is `utf8`.
    Text(&'a str),
    /// Bytes: `encoding` is `base64`.
    Bytes(&'a [u8]),
}

/// A value that an event body may not have; the message says which and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBody(pub(crate) Cow<'static, str>);

/// A checked and serialised event body with its kind; made outside any lock, emitted by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    kind: Cow<'static, str>,
    json: String,
    pub(crate) meta: Meta,
}

/// What a runtime has to know of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    Plain,
    Progress,
    ToolResult,
    /// A metric named `cost.*` with a unit: it may decrement a budget (§9.6).
    Cost {
        unit: String,
        amount: Result<Amount, AmountError>,
    },
    /// A result chunk that went past the writer, or what is wrong with it (§8.4).
    Chunk(Result<ChunkMeta, &'static str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkMeta {
    pub(crate) result_id: String,
    pub(crate) seq: u64,
    pub(crate) decoded: usize,
    pub(crate) more: bool,
}

/// The text of a JSON number, passed through as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// A number from its JSON text, such as `0.0234`.
    pub fn parse(text: &str) -> Option<Number> {
        let number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        (number && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text))
            .then(|| Number(text.to_string()))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_negative(&self) -> bool {
        self.0.starts_with('-') && self.0.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(value.to_string())
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number(value.to_string())
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Number {
        Number(value.to_string())
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Number {
        Number(value.to_string())
    }
}

impl TryFrom<f64> for Number {
    type Error = InvalidBody;

    /// NaN and infinities are no JSON numbers.
    fn try_from(value: f64) -> Result<Number, InvalidBody> {
        serde_json::Number::from_f64(value)
            .map(|number| Number(number.to_string()))
            .ok_or(invalid("NaN and infinities are not JSON numbers"))
    }
}

impl From<rust_decimal::Decimal> for Number {
    fn from(value: rust_decimal::Decimal) -> Number {
        Number(value.to_string())
    }
}

fn invalid(sentence: impl Into<Cow<'static, str>>) -> InvalidBody {
    InvalidBody(sentence.into())
}

impl Body {
    fn plain(kind: &'static str, object: Object) -> Body {
        Body { kind: Cow::Borrowed(kind), json: object.close(), meta: Meta::Plain }
    }

    /// The event kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The body as JSON text on one line.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// `log` `{level, message, attributes?}`
    pub fn log(level: &str, message: &str, attributes: Option<&RawValue>) -> Body {
        let object = Object::new().text("level", level).text("message", message);
        Body::plain("log", object.raw("attributes", attributes))
    }

    /// `thought` `{text}`
    pub fn thought(text: &str) -> Body {
        Body::plain("thought", Object::new().text("text", text))
    }

    /// `tool_call` `{tool, args?, call_id}`
    pub fn tool_call(tool: &str, args: Option<&RawValue>, call_id: &str) -> Body {
        let object = Object::new().text("tool", tool).raw("args", args);
        Body::plain("tool_call", object.text("call_id", call_id))
    }

    /// `tool_result` `{call_id, result}`
    pub fn tool_result(call_id: &str, result: &RawValue) -> Body {
        let object = Object::new().text("call_id", call_id).json("result", result.get());
        Body { meta: Meta::ToolResult, ..Body::plain("tool_result", object) }
    }

    /// `tool_result` `{call_id, error{code, message, retryable, details?}}`
    pub fn tool_error(call_id: &str, fault: &Fault) -> Body {
        let error = Object::new()
            .text("code", fault.code.as_str())
            .text("message", &fault.message)
            .value("retryable", fault.code.retryable())
            .opt_json("details", fault.details.as_deref())
            .close();
        Body {
            meta: Meta::ToolResult,
            ..Body::plain("tool_result", Object::new().text("call_id", call_id).json("error", &error))
        }
    }

    /// `status` `{phase, message?}`. The phases `running`, `back_pressure`, `credential_rotated` and
    /// `subscription_dropped` are the runtime's own.
    pub fn status(phase: &str, message: Option<&str>) -> Result<Body, InvalidBody> {
        if phase == "credential_rotated" {
            return Err(invalid("a credential is rotated with rotate(), which redacts its value"));
        }
        Ok(Body::status_unchecked(phase, message))
    }

    pub(crate) fn status_unchecked(phase: &str, message: Option<&str>) -> Body {
        Body::plain("status", Object::new().text("phase", phase).opt_text("message", message))
    }

    /// `metric` `{name, value, unit?, dimensions?}`. A negative `cost.*` is refused, and so is `cost.budget.remaining`,
    /// which the runtime itself emits (§9.6).
    pub fn metric(
        name: &str,
        value: &Number,
        unit: Option<&str>,
        dimensions: Option<&RawValue>,
    ) -> Result<Body, InvalidBody> {
        let meta = Body::metric_meta(name, value, unit)?;
        let object = Object::new().text("name", name).json("value", value.as_str()).opt_text("unit", unit);
        Ok(Body { meta, ..Body::plain("metric", object.raw("dimensions", dimensions)) })
    }

    fn metric_meta(name: &str, value: &Number, unit: Option<&str>) -> Result<Meta, InvalidBody> {
        if name == "cost.budget.remaining" {
            return Err(invalid("cost.budget.remaining is emitted by the runtime alone"));
        }
        if !name.starts_with("cost.") {
            return Ok(Meta::Plain);
        }
        if value.is_negative() {
            return Err(invalid("a cost cannot be negative"));
        }
        Ok(match unit {
            Some(unit) => Meta::Cost { unit: unit.to_string(), amount: Amount::from_json_number(value.as_str()) },
            None => Meta::Plain,
        })
    }

    pub(crate) fn budget_remaining(currency: &str, remaining: &Amount) -> Body {
        let object = Object::new().plain("name", "cost.budget.remaining").value("value", remaining);
        Body::plain("metric", object.text("unit", currency))
    }

    /// `artifact_ref` `{uri, content_type, byte_size?, sha256?}`
    pub fn artifact(uri: &str, content_type: &str, byte_size: Option<u64>, sha256: Option<&str>) -> Body {
        let mut object = Object::new().text("uri", uri).text("content_type", content_type);
        if let Some(bytes) = byte_size {
            object = object.value("byte_size", bytes);
        }
        Body::plain("artifact_ref", object.opt_text("sha256", sha256))
    }

    /// `progress` `{current, total?, units?, message?}`; neither number is negative (§8.2.1).
    pub fn progress(
        current: &Number,
        total: Option<&Number>,
        units: Option<&str>,
        message: Option<&str>,
    ) -> Result<Body, InvalidBody> {
        if current.is_negative() || total.is_some_and(Number::is_negative) {
            return Err(invalid("progress cannot be negative"));
        }
        let object = Object::new()
            .json("current", current.as_str())
            .opt_json("total", total.map(Number::as_str))
            .opt_text("units", units)
            .opt_text("message", message);
        Ok(Body { meta: Meta::Progress, ..Body::plain("progress", object) })
    }

    pub(crate) fn chunk(result_id: ResultId, seq: u64, data: Chunk<'_>, more: bool) -> Body {
        let (data, encoding, decoded) = match data {
            Chunk::Text(text) => (Cow::Borrowed(text), "utf8", text.len()),
            Chunk::Bytes(bytes) => {
                (Cow::Owned(base64::engine::general_purpose::STANDARD.encode(bytes)), "base64", bytes.len())
            }
        };
        let object = Object::with_capacity(data.len() + 128)
            .plain("result_id", result_id)
            .value("chunk_seq", seq)
            .text("data", &data)
            .plain("encoding", encoding)
            .value("more", more);
        Body {
            meta: Meta::Chunk(Ok(ChunkMeta { result_id: result_id.to_string(), seq, decoded, more })),
            ..Body::plain("result_chunk", object)
        }
    }

    /// The empty chunk that closes a stream its agent left open.
    pub(crate) fn last_chunk(result_id: &str, seq: u64) -> Body {
        let object = Object::new().text("result_id", result_id).value("chunk_seq", seq);
        let object = object.plain("data", "").plain("encoding", "utf8").value("more", false);
        let chunk = ChunkMeta { result_id: result_id.to_string(), seq, decoded: 0, more: false };
        Body { meta: Meta::Chunk(Ok(chunk)), ..Body::plain("result_chunk", object) }
    }

    pub(crate) fn delegated(json: String) -> Body {
        Body { kind: Cow::Borrowed("delegate"), json, meta: Meta::Plain }
    }

    pub(crate) fn rotated(credential_id: &str, value: Option<&str>) -> Body {
        let object = Object::new()
            .plain("phase", "credential_rotated")
            .text("credential_id", credential_id)
            .text("id", credential_id)
            .opt_text("value", value);
        Body::plain("status", object)
    }

    /// Any kind with a body of one's own: the kinds of §8.2 are checked by their shapes, `x-vendor.*` bodies are free.
    ///
    /// A malformed `result_chunk` is not refused here: emitting it ends the job with `INVALID_REQUEST` (§8.4).
    /// `delegate` is refused: [`Runtime::delegate`](crate::arcp::Runtime::delegate) emits it.
    pub fn raw(kind: &str, body: &RawValue) -> Result<Body, InvalidBody> {
        if too_deep(body.get()) {
            return Err(invalid("the body nests too deeply"));
        }
        let shape = |what: &str| invalid(alloc::format!("the body is no {what} of §8.2"));
        let meta = match kind {
            "log" => check::<Log<'_>>(body).map(|_| Meta::Plain).ok_or_else(|| shape("log"))?,
            "thought" => check::<Thought<'_>>(body).map(|_| Meta::Plain).ok_or_else(|| shape("thought"))?,
            "tool_call" => check::<ToolCall<'_>>(body).map(|_| Meta::Plain).ok_or_else(|| shape("tool_call"))?,
            "artifact_ref" => check::<Artifact<'_>>(body).map(|_| Meta::Plain).ok_or_else(|| shape("artifact_ref"))?,
            "tool_result" => check::<ToolResult<'_>>(body)
                .filter(|result| result.result.is_some() != result.error.is_some())
                .map(|_| Meta::ToolResult)
                .ok_or_else(|| shape("tool_result"))?,
            "status" => {
                let status = check::<Status<'_>>(body).ok_or_else(|| shape("status"))?;
                Body::status(status.phase.as_str(), None)?;
                Meta::Plain
            }
            "metric" => {
                let metric = check::<Metric<'_>>(body).ok_or_else(|| shape("metric"))?;
                let value = Number::parse(metric.value.get()).ok_or_else(|| shape("metric"))?;
                Body::metric_meta(metric.name.as_str(), &value, metric.unit.as_ref().map(Text::as_str))?
            }
            "progress" => {
                let progress = check::<Progress<'_>>(body).ok_or_else(|| shape("progress"))?;
                let current = Number::parse(progress.current.get()).ok_or_else(|| shape("progress"))?;
                let total = match progress.total {
                    Some(total) => Some(Number::parse(total.get()).ok_or_else(|| shape("progress"))?),
                    None => None,
                };
                Body::progress(&current, total.as_ref(), None, None)?;
                Meta::Progress
            }
            "result_chunk" => Meta::Chunk(chunk_meta(body)),
            "delegate" => return Err(invalid("a delegation is asked for with delegate(), which checks it")),
            vendor if vendor.starts_with("x-vendor.") && vendor.len() <= MAX_KIND && plain_name(vendor) => Meta::Plain,
            _ => return Err(invalid("the kind is none of §8.2 and no x-vendor.<vendor>.<name>")),
        };
        Ok(Body { kind: Cow::Owned(kind.to_string()), json: on_one_line(body.get()).into_owned(), meta })
    }
}
