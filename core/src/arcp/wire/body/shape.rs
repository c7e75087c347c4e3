//! The shapes of §8.2 and §8.4 that a body of an agent's own making is checked against.

use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ChunkMeta;
use crate::arcp::wire::envelope::Int;
use crate::json::Text;

pub(super) fn plain_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

pub(super) fn check<'a, T: Deserialize<'a>>(body: &'a RawValue) -> Option<T> {
    serde_json::from_str(body.get()).ok()
}

pub(super) fn chunk_meta(body: &RawValue) -> Result<ChunkMeta, &'static str> {
    let chunk = check::<RawChunk<'_>>(body).ok_or("the body is no result_chunk of §8.4")?;
    let decoded = match chunk.encoding.as_str() {
        "utf8" => chunk.data.as_str().len(),
        "base64" => base64::engine::general_purpose::STANDARD
            .decode(chunk.data.as_str())
            .map_err(|_| "the data of a chunk is no base64")?
            .len(),
        _ => return Err("the encoding of a chunk is neither utf8 nor base64"),
    };
    if chunk.result_id.as_str().is_empty() {
        return Err("the result_id of a chunk is empty");
    }
    Ok(ChunkMeta { result_id: chunk.result_id.0.into_owned(), seq: chunk.chunk_seq.0, decoded, more: chunk.more })
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shapes are checked")]
pub(super) struct Log<'a> {
    #[serde(borrow)]
    level: Text<'a>,
    message: Text<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
pub(super) struct Thought<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
pub(super) struct ToolCall<'a> {
    #[serde(borrow)]
    tool: Text<'a>,
    call_id: Text<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
pub(super) struct ToolResult<'a> {
    #[serde(borrow)]
    call_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<ToolError<'a>>,
}

/// A member that is there, `null` included.
pub(crate) fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
pub(super) struct ToolError<'a> {
    #[serde(borrow)]
    code: Text<'a>,
    message: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) phase: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Metric<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
    pub(super) unit: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the shape is checked")]
pub(super) struct Artifact<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
    content_type: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Progress<'a> {
    #[serde(borrow)]
    pub(super) current: &'a RawValue,
    #[serde(borrow)]
    pub(super) total: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawChunk<'a> {
    #[serde(borrow)]
    result_id: Text<'a>,
    chunk_seq: Int,
    data: Text<'a>,
    encoding: Text<'a>,
    more: bool,
}
