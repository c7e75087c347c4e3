//! Checks bodies that an agent wrote itself against the shapes of §8.2 and §8.4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::invalid::InvalidBody;
use super::meta::{ChunkMeta, Meta};
use super::number::Number;
use super::rules;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::question::{ANSWERED, QUESTION};
use crate::json::{Text, present, too_deep};

/// The longest name of an event kind, in bytes.
const MAX_KIND: usize = 256;

/// Checks a body against the shape of its kind, and returns what the runtime has to know of it.
///
/// A malformed `result_chunk` is accepted here: emitting it ends the job (§8.4).
pub(super) fn check(kind: &str, body: &RawValue) -> Result<Meta, InvalidBody> {
    if too_deep(body.get()) {
        return Err(InvalidBody::new("the body nests too deeply"));
    }
    match kind {
        "log" => read::<Log<'_>>(kind, body).map(|_| Meta::Plain),
        "thought" => read::<Thought<'_>>(kind, body).map(|_| Meta::Plain),
        "tool_call" => read::<ToolCall<'_>>(kind, body).map(|_| Meta::Plain),
        "artifact_ref" => read::<Artifact<'_>>(kind, body).map(|_| Meta::Plain),
        "tool_result" => {
            let result: ToolResult<'_> = read(kind, body)?;
            if result.result.is_some() == result.error.is_some() {
                return Err(misshapen(kind));
            }
            Ok(Meta::ToolResult)
        }
        "status" => {
            let status: Status<'_> = read(kind, body)?;
            rules::phase(status.phase.as_str())?;
            Ok(Meta::Plain)
        }
        "metric" => {
            let metric: Metric<'_> = read(kind, body)?;
            let value = number(kind, metric.value)?;
            rules::metric(metric.name.as_str(), &value, metric.unit.as_ref().map(Text::as_str))
        }
        "progress" => {
            let progress: Progress<'_> = read(kind, body)?;
            let current = number(kind, progress.current)?;
            let total = progress.total.map(|total| number(kind, total)).transpose()?;
            rules::progress(&current, total.as_ref())?;
            Ok(Meta::Progress)
        }
        "result_chunk" => Ok(Meta::Chunk(chunk(body))),
        "delegate" => Err(InvalidBody::new("a delegation is asked for with delegate(), which checks it")),
        QUESTION | ANSWERED => Err(InvalidBody::new("a question is asked with ask(), which checks and records it")),
        vendor if is_vendor_kind(vendor) => Ok(Meta::Plain),
        _ => Err(InvalidBody::new(
            "the kind is unknown; use log, thought, status, metric, progress, tool_call, tool_result, artifact_ref or \
             x-vendor.<vendor>.<name>",
        )),
    }
}

fn read<'a, T: Deserialize<'a>>(kind: &str, body: &'a RawValue) -> Result<T, InvalidBody> {
    serde_json::from_str(body.get()).map_err(|_| misshapen(kind))
}

fn number(kind: &str, json: &RawValue) -> Result<Number, InvalidBody> {
    Number::parse(json.get()).ok_or_else(|| misshapen(kind))
}

fn misshapen(kind: &str) -> InvalidBody {
    InvalidBody::new(alloc::format!("the body does not have the shape of a {kind} (§8.2)"))
}

/// Returns whether a kind is a vendor's. It is written into frames without escapes.
pub(super) fn is_vendor_kind(kind: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    kind.starts_with("x-vendor.") && kind.len() <= MAX_KIND && kind.bytes().all(plain)
}

fn chunk(body: &RawValue) -> Result<ChunkMeta, &'static str> {
    let chunk: ResultChunk<'_> =
        serde_json::from_str(body.get()).map_err(|_| "the body does not have the shape of a result_chunk (§8.4)")?;
    let decoded = match chunk.encoding.as_str() {
        "utf8" => chunk.data.as_str().len(),
        "base64" => STANDARD.decode(chunk.data.as_str()).map_err(|_| "the data of a chunk is not valid base64")?.len(),
        _ => return Err("the encoding of a chunk is neither utf8 nor base64"),
    };
    if chunk.result_id.as_str().is_empty() {
        return Err("the result_id of a chunk is empty");
    }
    Ok(ChunkMeta {
        result_id: chunk.result_id.0.into_owned(),
        seq: chunk.chunk_seq.0,
        decoded,
        text: chunk.encoding.as_str() == "utf8",
        more: chunk.more,
    })
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
struct Log<'a> {
    #[serde(borrow)]
    level: Text<'a>,
    message: Text<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
struct Thought<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
struct ToolCall<'a> {
    #[serde(borrow)]
    tool: Text<'a>,
    call_id: Text<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
struct ToolResult<'a> {
    #[serde(borrow)]
    call_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<ToolError<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
struct ToolError<'a> {
    #[serde(borrow)]
    code: Text<'a>,
    message: Text<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
}

#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: &'a RawValue,
    unit: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
struct Artifact<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
    content_type: Text<'a>,
}

#[derive(Deserialize)]
struct Progress<'a> {
    #[serde(borrow)]
    current: &'a RawValue,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResultChunk<'a> {
    #[serde(borrow)]
    result_id: Text<'a>,
    chunk_seq: Int,
    data: Text<'a>,
    encoding: Text<'a>,
    more: bool,
}
