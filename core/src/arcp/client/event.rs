//! What a client puts out.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::Deserialize;

use super::ask::{HandleId, RequestId};
use crate::arcp::error::ErrorCode;
use crate::arcp::feature::Features;
use crate::arcp::host::{Credential, FinalStatus};
use crate::trace::TraceId;

/// What a client puts out, in one order. A driver acts on them in that order.
#[derive(Clone)]
pub enum ClientOutput {
    /// A frame for the transport; [`Client::handle_sent`](super::Client::handle_sent) reports that it was written.
    Send(Bytes),
    /// A transport is wanted: connect, then call `handle_open`; if that fails, call `handle_connect_failed`, which asks
    /// again. The first transport is opened without being asked for.
    Connect {
        /// Failed attempts since the last welcome, from 0: what a backoff is computed from.
        attempt: u32,
        /// Whether there is a session to resume.
        resume: bool,
    },
    /// The transport is to be closed once what was sent before is written. It is gone for the client: a
    /// `handle_close` for it is not needed.
    CloseTransport {
        /// A WebSocket close code.
        code: u16,
        /// For people.
        reason: &'static str,
    },
    /// [`Client::reading`](super::Client::reading) is true again.
    Reading,
    /// Something for the application. [`Client::handle_taken`](super::Client::handle_taken) reports that it took it.
    Event(ClientEvent),
}

impl fmt::Debug for ClientOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A hello holds tokens.
            ClientOutput::Send(frame) => f.debug_tuple("Send").field(&frame.len()).finish(),
            ClientOutput::Connect { attempt, resume } => {
                f.debug_struct("Connect").field("attempt", attempt).field("resume", resume).finish()
            }
            ClientOutput::CloseTransport { code, reason } => {
                f.debug_struct("CloseTransport").field("code", code).field("reason", reason).finish()
            }
            ClientOutput::Reading => f.write_str("Reading"),
            ClientOutput::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

/// What the application is told. Large ones are boxed, so that the frequent ones stay small.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// A session is live: it was opened, or resumed.
    Welcome(Box<Welcome>),
    /// The transport is gone; the session and its jobs are not. A `Connect` follows.
    Lost(LostReason),
    /// A submit was accepted (§7.1).
    Accepted {
        /// The submit's handle.
        handle: HandleId,
        /// What was granted.
        accepted: Box<Accepted>,
    },
    /// A job delegated by one of this session's jobs was accepted: a handle of its own, which can be followed,
    /// cancelled and released like any other (§10).
    Child {
        /// The new handle.
        handle: HandleId,
        /// The parent's handle, if it is still followed.
        parent: Option<HandleId>,
        /// What was granted; `parent_job_id` and `delegate_id` say by whom.
        accepted: Box<Accepted>,
    },
    /// A subscription has begun (§7.6). A runtime that replays first shows events of the handle before this.
    Subscribed {
        /// The subscription's handle.
        handle: HandleId,
        /// What may be known of the job.
        subscribed: Box<Subscribed>,
    },
    /// The credentials of an accepted job, as they are valid now: they came again after a resume.
    Credentials {
        /// The job's handle.
        handle: HandleId,
        /// All of them.
        credentials: Vec<Credential>,
    },
    /// An event of a job (§8.2), each (session, seq) once and in order.
    Job(JobEvent),
    /// A piece of a streamed result (§8.4), in order and without gaps.
    Chunk(ChunkEvent),
    /// A streamed result cannot be put together: what is wrong with it. No more chunks follow; the terminal does.
    ChunkFault {
        /// The job's handle.
        handle: HandleId,
        /// A sentence.
        reason: &'static str,
    },
    /// The job has ended (§7.3). The last event of a handle.
    Terminal {
        /// The job's handle, dead from now on.
        handle: HandleId,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// A cancel has reached the runtime (§7.4). The terminal follows.
    Cancelled {
        /// The cancel.
        request: RequestId,
        /// The job's handle.
        handle: HandleId,
        /// Whether `job.cancelled` said so; if not, the terminal did.
        acknowledged: bool,
    },
    /// A page of jobs (§6.6).
    Jobs {
        /// The request.
        request: RequestId,
        /// The page.
        page: Box<JobPage>,
    },
    /// A request was refused, or nobody answered it. It never is a job's end: an accepted job goes on.
    RequestFailed {
        /// Which.
        request: Failed,
        /// Why.
        why: Box<RequestFailure>,
    },
    /// A complaint of the runtime that belongs to no request of ours.
    Notice(Box<RemoteFault>),
    /// Events that will not come any more, `from..=to`: a gap that was still there after a resume (§8.3), or events of
    /// a job that was never accepted and for which there was no more room.
    Gap {
        /// The first lost number.
        from: u64,
        /// The last lost number.
        to: u64,
    },
    /// The end: nothing follows, every handle is dead.
    Closed(Box<CloseReason>),
}

/// The request a [`ClientEvent::RequestFailed`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A submit; its handle is dead.
    Submit(HandleId),
    /// A subscribe; its handle is dead.
    Subscribe(HandleId),
    /// A cancel; its job goes on.
    Cancel(RequestId, HandleId),
    /// A list.
    List(RequestId),
}

/// Why a request failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestFailure {
    /// The runtime refused it.
    #[error(transparent)]
    Refused(RemoteFault),
    /// There was no answer within [`ClientConfig::request_timeout`](super::ClientConfig::request_timeout).
    #[error("the runtime did not answer in time")]
    TimedOut,
    /// It was queued before the welcome, and the session does not have the feature it needs (§6.2).
    #[error("the session did not negotiate {0}")]
    NotNegotiated(&'static str),
    /// The client was closed first.
    #[error("the client was closed before the runtime answered")]
    Closed,
}

/// Why a transport is gone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LostReason {
    /// The driver said so.
    #[error("the transport was lost")]
    Transport,
    /// Nothing was received for two heartbeat intervals, or the runtime says it heard nothing (§6.4).
    #[error("nothing was heard from the runtime for two heartbeat intervals")]
    Heartbeat,
    /// Event numbers are missing: the session is resumed once to get them (§8.3).
    #[error("the events from {from} to {to} are missing")]
    Gap {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// There was no welcome in time.
    #[error("the runtime did not welcome the client in time")]
    Greeting,
    /// The runtime refused the session for now.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime closed the session without being asked.
    #[error("the runtime said goodbye")]
    Goodbye,
}

/// Why a client is closed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloseReason {
    /// The application asked for it.
    #[error("the application closed the client")]
    Asked,
    /// The runtime refused the session for good: `UNAUTHENTICATED`, `RESUME_WINDOW_EXPIRED`, or
    /// `PERMISSION_DENIED` on a resume. Jobs that were accepted go on.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime answered a resume with another session.
    #[error("the runtime began a new session instead of resuming the old one")]
    SessionReplaced,
    /// What the runtime sends is no ARCP: too large, or malformed too often.
    #[error("{0}")]
    Protocol(&'static str),
}

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
    /// `ts` as it was written.
    pub(super) ts: Raw,
}

impl JobEvent {
    /// When the runtime says it happened, as it was written.
    pub fn ts(&self) -> &str {
        self.ts.as_str()
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
    /// `result_chunk`: only one that cannot be read comes as an event, see [`ClientEvent::Chunk`].
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
    /// What the [`ClientEvent::Chunk`]s held.
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

/// The next deadline's reason, as [`Client::poll_timeout`](super::Client::poll_timeout) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTimer {
    /// No welcome.
    Greeting,
    /// Ping, or give the runtime up (§6.4).
    Heartbeat,
    /// Acknowledge (§6.5).
    Ack,
    /// A request was not answered, or the terminal of an ended job did not come.
    Request,
    /// No `session.closed`.
    Closing,
}
