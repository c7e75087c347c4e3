//! `job.event`, the most frequent frame (§8.2).

use alloc::boxed::Box;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arcp::wire::envelope::Int;
use crate::json::Text;

/// A `job.event`: the members of its envelope and payload that are needed, read in one pass.
#[derive(Debug, Deserialize)]
pub(crate) struct EventFrame<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) session_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) job_id: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) event_seq: Option<Int>,
    #[serde(borrow, default)]
    pub(crate) payload: Option<EventPayload<'a>>,
}

/// The payload of a `job.event`.
#[derive(Debug, Deserialize)]
pub(crate) struct EventPayload<'a> {
    #[serde(borrow, default)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) ts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) body: Option<&'a RawValue>,
}

impl<'a> EventFrame<'a> {
    /// Reads a frame, or returns `None` if it is not a `job.event`.
    pub(crate) fn parse(text: &'a str) -> Option<EventFrame<'a>> {
        let frame: EventFrame<'a> = serde_json::from_str(text).ok()?;
        frame.kind.as_ref().is_some_and(|kind| kind.as_str() == "job.event").then_some(frame)
    }
}

/// The kind of an event (§8.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `log`
    Log,
    /// `thought`
    Thought,
    /// `tool_call`
    ToolCall,
    /// `tool_result`
    ToolResult,
    /// `status`
    Status,
    /// `metric`
    Metric,
    /// `artifact_ref`
    ArtifactRef,
    /// `delegate`
    Delegate,
    /// `progress`
    Progress,
    /// `result_chunk`. Only a malformed one arrives as an event; the others become
    /// [`ClientEvent::Chunk`](crate::arcp::ClientEvent::Chunk)s.
    ResultChunk,
    /// Any other kind: `x-vendor.*`, or one of a later version.
    Other(Box<str>),
}

impl EventKind {
    /// Returns the kind with this name on the wire.
    pub fn parse(text: &str) -> EventKind {
        match text {
            "log" => EventKind::Log,
            "thought" => EventKind::Thought,
            "tool_call" => EventKind::ToolCall,
            "tool_result" => EventKind::ToolResult,
            "status" => EventKind::Status,
            "metric" => EventKind::Metric,
            "artifact_ref" => EventKind::ArtifactRef,
            "delegate" => EventKind::Delegate,
            "progress" => EventKind::Progress,
            "result_chunk" => EventKind::ResultChunk,
            other => EventKind::Other(Box::from(other)),
        }
    }

    /// Returns the name of the kind on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            EventKind::Log => "log",
            EventKind::Thought => "thought",
            EventKind::ToolCall => "tool_call",
            EventKind::ToolResult => "tool_result",
            EventKind::Status => "status",
            EventKind::Metric => "metric",
            EventKind::ArtifactRef => "artifact_ref",
            EventKind::Delegate => "delegate",
            EventKind::Progress => "progress",
            EventKind::ResultChunk => "result_chunk",
            EventKind::Other(text) => text,
        }
    }
}

/// The text of a timestamp. It is copied, which is cheaper than one more reference to the memory of the frame.
#[derive(Clone, Copy)]
pub(crate) struct Timestamp {
    len: u8,
    text: [u8; Timestamp::MAX_BYTES],
}

impl Timestamp {
    /// The length of the longest RFC 3339 text with nanoseconds.
    const MAX_BYTES: usize = 35;

    /// Copies a timestamp from its JSON string. Any other JSON text, and a longer string, become an empty text.
    pub(crate) fn new(json: &str) -> Timestamp {
        let text = json.trim_matches('"').as_bytes();
        let mut timestamp = Timestamp { len: 0, text: [0; Timestamp::MAX_BYTES] };
        if let Some(room) = timestamp.text.get_mut(..text.len())
            && json.starts_with('"')
        {
            room.copy_from_slice(text);
            timestamp.len = u8::try_from(text.len()).unwrap_or_default();
        }
        timestamp
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }
}
