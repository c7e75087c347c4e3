//! The part of a body that a runtime acts on.

use alloc::string::String;

use crate::budget::{Amount, AmountError};

/// The facts about a body that a runtime acts on, so that it does not parse the body again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    /// The body is passed on without further effect.
    Plain,
    /// The body is a `progress`, which only sessions with that feature receive (§8.2.1).
    Progress,
    /// The body is a `tool_result`, after which a job that was refused an expired operation ends (§9.5).
    ToolResult,
    /// The body is a metric named `cost.*` with a unit, which may decrement a budget (§9.6).
    Cost { unit: String, amount: Result<Amount, AmountError> },
    /// The body is a chunk of a streamed result, or a malformed one with the sentence that says why (§8.4).
    Chunk(Result<ChunkMeta, &'static str>),
}

/// The place of a chunk in its result, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkMeta {
    pub(crate) result_id: String,
    pub(crate) seq: u64,
    /// Bytes of the decoded data.
    pub(crate) decoded: usize,
    /// Whether the data is text, not base64.
    pub(crate) text: bool,
    pub(crate) more: bool,
}
