//! The types of a client's commands and events.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::SessionId;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::question::{ANSWERED, QUESTION};
use crate::arcp::wire::reply::read::{
    AgentInfo, AnsweredQuestion, AskedQuestion, EventKind, Raw, RemoteFault, Rotation, Timestamp, decode_base64,
};
use crate::json::Text;
use crate::secret::Secret;

slotmap::new_key_type! {
    /// A job as the application follows it: one per submit, subscription or delegated child.
    ///
    /// A handle is dead after its [`Terminal`](super::ClientEvent::Terminal), or after the
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) that names it. Handles are never reused.
    pub struct HandleId;
}

/// The id of a list or cancel request. Ids count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Why a command was refused. A refused command has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientRefused {
    /// The client was closed, by its application or by the runtime.
    #[error("the client is closed")]
    Closed,
    /// The handle is dead, or belongs to another client.
    #[error("the handle is unknown or its job has ended")]
    Stale,
    /// The session did not negotiate the feature that the command needs (§6.2).
    #[error("the session did not negotiate {0}")]
    NotNegotiated(&'static str),
    /// The frame would be larger than [`ClientLimits::frame_bytes`](super::ClientLimits::frame_bytes).
    #[error("the request needs {bytes} bytes, and the limit is {max}")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A limit of the configuration is reached. The command can succeed once a request was answered or a job has ended.
    #[error("the limit {limit} of {max} is reached")]
    Limit {
        /// The name of the limit in [`ClientLimits`](super::ClientLimits).
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// An argument breaks a rule of the protocol. The sentence says which one.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
}

/// A live session (§6.2).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Welcome {
    /// The session's id.
    pub session_id: SessionId,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The negotiated features.
    pub features: Features,
    /// The agents that the runtime offers.
    pub agents: Vec<AgentInfo>,
    /// The heartbeat interval in seconds, if heartbeats were negotiated (§6.4).
    pub heartbeat_interval_sec: Option<u32>,
    /// The number of seconds for which a lost session stays resumable, if the runtime says (§6.3).
    pub resume_window_sec: Option<u64>,
    /// The name of the runtime; may be empty.
    pub runtime_name: String,
    /// The version of the runtime; may be empty.
    pub runtime_version: String,
}

/// What another client needs to resume a session (§6.3).
///
/// It is valid until the session is resumed with a later token. The token is a secret, but of no use without the bearer
/// token of the same principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The session's id.
    pub session_id: SessionId,
    /// The newest resume token.
    pub token: Secret,
    /// The number of the last event that was received. The events after it are sent again.
    pub last_event_seq: u64,
}

/// An event of a job (§8.2).
#[derive(Clone)]
pub struct JobEvent {
    /// The job's handle.
    pub handle: HandleId,
    /// The number of the event in the session.
    pub seq: u64,
    /// The kind of the event.
    pub kind: EventKind,
    /// The body as it was written; `null` if there was none.
    pub body: Raw,
    pub(super) ts: Timestamp,
}

impl JobEvent {
    /// Returns the time of the event as the runtime wrote it; empty if that was not a timestamp.
    pub fn ts(&self) -> &str {
        self.ts.as_str()
    }

    /// Returns the credential that has a new value, if this is the `status` event that says so (§9.8.2), in any of the
    /// forms of the deployed runtimes. Its body carries a secret.
    pub fn rotation(&self) -> Option<Rotation> {
        Rotation::read(&self.kind, self.body.as_str())
    }

    /// Returns the question that the agent asks people with this event (ours).
    /// [`Client::answer`](super::Client::answer) answers it.
    pub fn question(&self) -> Option<AskedQuestion> {
        if self.kind.as_str() == QUESTION { AskedQuestion::read(&self.body) } else { None }
    }

    /// Returns how a question has ended, if this event says so (ours).
    pub fn answered(&self) -> Option<AnsweredQuestion> {
        if self.kind.as_str() == ANSWERED { AnsweredQuestion::read(&self.body) } else { None }
    }
}

impl fmt::Debug for JobEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body of an event can hold a rotated credential (§9.8.2).
        f.debug_struct("JobEvent")
            .field("handle", &self.handle)
            .field("seq", &self.seq)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A decoded chunk of a streamed result (§8.4).
#[derive(Clone)]
pub struct ChunkEvent {
    /// The job's handle.
    pub handle: HandleId,
    /// The number of the event in the session.
    pub seq: u64,
    /// The place of the chunk in the result, from 0.
    pub chunk_seq: u64,
    /// The decoded bytes; the last chunk may be empty.
    pub data: Bytes,
    /// Whether the data was sent as text.
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
#[non_exhaustive]
pub struct Outcome {
    /// The `final_status`.
    pub status: FinalStatus,
    /// What the runtime has said about the end of the job.
    pub source: OutcomeSource,
    /// The number of the terminal message in the session; 0 if the runtime did not send one, or numbers it differently.
    pub seq: u64,
    /// The result. A job that failed can have a partial one.
    pub result: Product,
    /// The encoding of an inline result: `base64` if the result is a string that stands for bytes, because the agent has
    /// written bytes and the session does not have `result_chunk`.
    pub encoding: Option<String>,
    /// The `summary` of the result.
    pub summary: Option<String>,
    /// The error of a job that did not succeed. Some runtimes send none for a cancelled job.
    pub fault: Option<RemoteFault>,
    /// The `completed_at` as it was written.
    pub completed_at: Option<String>,
}

impl Outcome {
    /// Returns the bytes of an inline result that is a string in base64; `None` for any other result.
    pub fn inline_bytes(&self) -> Option<Bytes> {
        let Product::Inline(json) = &self.result else { return None };
        let is_base64 = self.encoding.as_deref() == Some("base64");
        let Text(text) = json.parse().ok().filter(|_| is_base64)?;
        decode_base64(&text)
    }
}

/// What a runtime has said about the end of a job.
///
/// Deployed runtimes do not send the terminal message of every job. The client asks about a job that it has heard
/// nothing of for [`ClientConfig::silence_timeout`](super::ClientConfig::silence_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeSource {
    /// It has sent the terminal message (§7.3).
    Terminal,
    /// It has not sent the terminal message, but says in an answer that the job has ended with this status. The result
    /// is [`Product::Unknown`].
    Status,
    /// It has not sent the terminal message and no longer knows the job, so that nothing tells how the job ended. The
    /// status is [`FinalStatus::Error`], the result [`Product::Unknown`], and the fault that of the refused question.
    Silence,
    /// It has ended the subscription, because this session did not keep up with the job or the part of the runtime that has
    /// the job was restarted. The job may still run. The status is [`FinalStatus::Error`] and the result
    /// [`Product::Unknown`]; another subscription with history shows what has been missed.
    Dropped,
}

/// What a job produced.
#[derive(Clone, Debug)]
pub enum Product {
    /// The job has no result.
    None,
    /// The result was sent with the terminal message: any JSON value, as it was written.
    Inline(Raw),
    /// The result was sent in [`ClientEvent::Chunk`](super::ClientEvent::Chunk)s.
    Streamed {
        /// The `result_id` of the terminal message or, failing that, of the chunks.
        result_id: Option<String>,
        /// The number of decoded bytes that were delivered.
        bytes: u64,
        /// Whether the result is complete: all chunks from 0 to the last were delivered, and their size is the
        /// `result_size` of the terminal message, if it has one.
        complete: bool,
    },
    /// The runtime did not send the terminal message of the job.
    Unknown,
}
