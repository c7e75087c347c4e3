//! Answers of a coordinator and of a token service, of both generations. They are read leniently (§1.1, §7).

pub(crate) mod edge;
pub(crate) mod fault;
pub(crate) mod retry_after;
pub(crate) mod session;
pub(crate) mod token;
pub(crate) mod write;

use serde::Deserialize;

use crate::json::too_deep;

/// The largest body of an answer that is read, in bytes (ours).
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// An answer was successful and cannot be read: it is no JSON object, is too large, or has no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator's answer cannot be read: {0}")]
pub struct MalformedAnswer(pub(crate) &'static str);

/// Parses the body of an answer.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, MalformedAnswer> {
    if body.len() > MAX_ANSWER_BYTES {
        return Err(MalformedAnswer("it is larger than 1 MiB"));
    }
    let text = core::str::from_utf8(body).map_err(|_| MalformedAnswer("it is not UTF-8"))?;
    if too_deep(text) {
        return Err(MalformedAnswer("it nests too deeply"));
    }
    serde_json::from_str(text).map_err(|_| MalformedAnswer("it is not the JSON that was expected"))
}
