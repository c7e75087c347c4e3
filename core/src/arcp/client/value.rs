//! The values a client's events carry.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::Deserialize;

use super::ask::HandleId;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::job::FinalStatus;
use crate::secret::Secret;
use crate::trace::TraceId;

/// A live session (§6.2).
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The session's id.
    pub session_id: String,
    /// Whether this is the session of before.
    pub resumed: bool,
    /// What both sides have.
    pub features: Features,
    /// The agents on offer, with their versions if the runtime tells them.
    pub agents: Vec<AgentInfo>,
    /// Seconds between signs of life, if heartbeats were negotiated (§6.4).
    pub heartbeat_interval_sec: Option<u32>,
    /// Seconds a lost session stays resumable, as the runtime says (§6.3).
    pub resume_window_sec: Option<u64>,
    /// `runtime.name`
    pub runtime_name: String,
    /// `runtime.version`
    pub runtime_version: String,
}

/// What it takes to resume a session (§6.3). The token is a secret, though of no use without the bearer token of the same
/// principal; it is good until the session is resumed with a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The session's id.
    pub session_id: String,
    /// The newest resume token.
    pub token: Secret,
    /// The last event that was received: those after it are sent again.
    pub last_event_seq: u64,
}

/// An agent on offer (§7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentInfo {
    /// The bare name.
    pub name: String,
    /// Its versions; empty if it has none or the runtime does not tell.
    pub versions: Vec<String>,
    /// What the bare name resolves to.
    pub default: Option<String>,
}

/// `job.accepted` (§7.1).
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The job's id.
    pub job_id: String,
    /// The resolved agent, if the runtime tells.
    pub agent: Option<String>,
    /// The effective lease.
    pub lease: Option<Raw>,
    /// The effective `lease_constraints`.
    pub lease_constraints: Option<Raw>,
    /// Budget counters: currency, and the decimal as it was written.
    pub budget: Vec<(String, String)>,
    /// Bearer credentials for this job alone; do not keep them longer (§9.8).
    pub credentials: Vec<Credential>,
    /// The job's trace.
    pub trace_id: Option<TraceId>,
    /// The job that delegated it.
    pub parent_job_id: Option<String>,
    /// Names the delegation within the parent.
    pub delegate_id: Option<String>,
    /// When, as it was written.
    pub accepted_at: Option<String>,
}

/// `job.subscribed` (§7.6).
#[derive(Clone, Debug)]
pub struct Subscribed {
    /// The job's id.
    pub job_id: String,
    /// `pending`, `running`, `success`, `error`, `cancelled` or `timed_out`, as the runtime says.
    pub current_status: Option<String>,
    /// The resolved agent.
    pub agent: Option<String>,
    /// The effective lease.
    pub lease: Option<Raw>,
    /// The effective `lease_constraints`.
    pub lease_constraints: Option<Raw>,
    /// What is left of the budget: currency, and the decimal as it was written.
    pub budget: Vec<(String, String)>,
    /// Shown to the submitter's principal only (§14).
    pub credentials: Vec<Credential>,
    /// The job that delegated it.
    pub parent_job_id: Option<String>,
    /// The job's trace.
    pub trace_id: Option<TraceId>,
    /// The border between replay and live, in the owner's numbering.
    pub subscribed_from: Option<u64>,
    /// Whether there is a replay.
    pub replayed: bool,
    /// Whether the replay begins later than asked, because the runtime no longer has all of it.
    pub history_truncated: bool,
}

/// An event of a job (§8.2).
#[derive(Clone)]
pub struct JobEvent {
    /// The job's handle.
    pub handle: HandleId,
    /// Its number in the session.
    pub seq: u64,
    /// What it is.
    pub kind: EventKind,
    /// The body, as it was written; `null` if there was none.
    pub body: Raw,
    pub(super) ts: Stamp,
}

impl JobEvent {
    /// When the runtime says it happened, as it was written; empty if it says nothing that could be a timestamp.
    pub fn ts(&self) -> &str {
        self.ts.as_str()
    }
}

/// The text of a timestamp, copied: cheaper than one more reference to the frame.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    len: u8,
    text: [u8; Stamp::MAX],
}

impl Stamp {
    /// The longest RFC 3339 text with nanoseconds.
    const MAX: usize = 35;

    /// Of a JSON string.
    pub(super) fn new(json: &str) -> Stamp {
        let text = json.trim_matches('"').as_bytes();
        let mut stamp = Stamp { len: 0, text: [0; Stamp::MAX] };
        if let Some(room) = stamp.text.get_mut(..text.len())
            && json.starts_with('"')
        {
            room.copy_from_slice(text);
            stamp.len = u8::try_from(text.len()).unwrap_or_default();
        }
        stamp
    }

    fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for JobEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A rotated credential travels in a body (§9.8.2).
        f.debug_struct("JobEvent")
            .field("handle", &self.handle)
            .field("seq", &self.seq)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
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
    /// `result_chunk`: only one that cannot be read comes as an event, see [`ClientEvent::Chunk`](super::ClientEvent::Chunk).
    ResultChunk,
    /// Any other: `x-vendor.*`, or a kind of a later version.
    Other(Box<str>),
}

impl EventKind {
    /// The kind of a wire text.
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

    /// The wire text.
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

/// A decoded piece of a streamed result (§8.4).
#[derive(Clone)]
pub struct ChunkEvent {
    /// The job's handle.
    pub handle: HandleId,
    /// The number of the event in the session.
    pub seq: u64,
    /// The place in the result, from 0.
    pub chunk_seq: u64,
    /// The decoded bytes; may be empty in the last one.
    pub data: Bytes,
    /// Whether `data` was sent as text.
    pub text: bool,
    /// Whether more chunks follow.
    pub more: bool,
}

impl fmt::Debug for ChunkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkEvent")
            .field("handle", &self.handle)
            .field("seq", &self.seq)
            .field("chunk_seq", &self.chunk_seq)
            .field("bytes", &self.data.len())
            .field("more", &self.more)
            .finish_non_exhaustive()
    }
}

/// How a job ended (§7.3).
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `final_status`, from either of the two terminal messages.
    pub status: FinalStatus,
    /// The number of the terminal in the session; 0 if the runtime never sent one.
    pub seq: u64,
    /// What a success, or a partial one, has to show.
    pub result: Product,
    /// `summary`
    pub summary: Option<String>,
    /// Why, unless it succeeded. A runtime that ends cancelled jobs by `job.result` says nothing here.
    pub fault: Option<RemoteFault>,
    /// `completed_at` as it was written.
    pub completed_at: Option<String>,
}

/// What a job produced.
#[derive(Clone, Debug)]
pub enum Product {
    /// Nothing.
    None,
    /// An inline result: any JSON value, as it was written.
    Inline(Raw),
    /// What the [`ClientEvent::Chunk`](super::ClientEvent::Chunk)s held.
    Streamed {
        /// `result_id`, from the terminal or else from the chunks.
        result_id: Option<String>,
        /// Decoded bytes handed out.
        bytes: u64,
        /// Whether these are all: from chunk 0 to the last, and `result_size` of them if the runtime says.
        complete: bool,
    },
    /// The job had ended before it was subscribed to, and the runtime did not send its terminal.
    Unknown,
}

/// A page of `session.jobs` (§6.6).
#[derive(Clone, Debug)]
pub struct JobPage {
    /// The jobs, oldest first on a runtime that follows our order.
    pub jobs: Vec<JobRow>,
    /// What [`ListQuery::cursor`](super::ListQuery::cursor) continues from; absent on the last page.
    pub next_cursor: Option<String>,
}

/// A job in a list.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// The job's id.
    pub job_id: String,
    /// `name@version`, or the bare name.
    pub agent: String,
    /// `pending`, `running`, `success`, `error`, `cancelled` or `timed_out`, as the runtime says.
    pub status: String,
    /// The effective lease.
    pub lease: Option<Raw>,
    /// The job that delegated it.
    pub parent_job_id: Option<String>,
    /// `created_at`, or `submitted_at`, as it was written.
    pub created_at: Option<String>,
    /// The job's trace.
    pub trace_id: Option<TraceId>,
    /// The job's last event in its owner's numbering.
    pub last_event_seq: Option<u64>,
}

/// An error of the runtime. Any code is accepted, and `retryable` is what the runtime says.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RemoteFault {
    /// The code as it was written; [`RemoteFault::known`] reads it.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the runtime thinks that a retry can help.
    pub retryable: bool,
    /// `details`, unless it was `null`.
    pub details: Option<Raw>,
}

impl RemoteFault {
    /// The code, if it is one of §12.
    pub fn known(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.code)
    }
}

/// JSON text as it was received: a slice of the frame, not a copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(pub(super) Bytes);

impl Raw {
    /// The text.
    pub fn as_str(&self) -> &str {
        // Always valid: it is a slice of a frame that was checked. Without `unsafe` it is checked again.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as bytes that share the frame's memory.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Reads the text as a type of one's own.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
