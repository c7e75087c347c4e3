//! What an application asks of a runtime.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::time::Time;
use crate::trace::TraceId;

slotmap::new_key_type! {
    /// A job as the application follows it: one per submit, subscribe or delegated child; index and generation.
    ///
    /// It is dead after its [`Terminal`](super::ClientEvent::Terminal), or after the
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) that names it.
    pub struct HandleId;
}

/// A list or cancel request; counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// `job.submit` (§7.1).
#[derive(Clone, Debug, Default)]
pub struct Submit<'a> {
    /// `name` or `name@version` (§7.5).
    pub agent: Cow<'a, str>,
    /// Any JSON value.
    pub input: Option<&'a RawValue>,
    /// The raw `lease_request`: an object of namespaces and patterns (§9.2).
    pub lease_request: Option<&'a RawValue>,
    /// `lease_constraints.expires_at` (§9.5).
    pub expires_at: Option<Time>,
    /// 1..=256 bytes (§7.2). Absent: `auto-` and a ULID, so that a submit whose answer was lost can be repeated.
    pub idempotency_key: Option<Cow<'a, str>>,
    /// Seconds from the start of the agent to `timed_out`; at least 1.
    pub max_runtime_sec: Option<u32>,
    /// The job this one is delegated by.
    pub parent_job_id: Option<Cow<'a, str>>,
    /// Names the delegation within the parent.
    pub delegate_id: Option<Cow<'a, str>>,
    /// The trace of the job (§11). Absent: the runtime mints one.
    pub trace_id: Option<TraceId>,
    /// The envelope's `extensions`: a JSON object whose keys begin with `x-vendor.`.
    pub extensions: Option<&'a RawValue>,
}

/// `session.list_jobs` (§6.6); everything is optional.
#[derive(Clone, Debug, Default)]
pub struct ListQuery<'a> {
    /// Only jobs in one of these states: `pending`, `running`, `success`, `error`, `cancelled`, `timed_out`.
    pub status: Vec<Cow<'a, str>>,
    /// Only jobs of this agent; a bare name matches every version.
    pub agent: Option<Cow<'a, str>>,
    /// Only jobs created after this time.
    pub created_after: Option<Time>,
    /// Only jobs created before this time.
    pub created_before: Option<Time>,
    /// The longest page wanted, 1..=1000.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<Cow<'a, str>>,
}

/// `job.subscribe` (§7.6), without its job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Whether buffered events are replayed first.
    pub history: bool,
    /// Replay only events after this one, in the numbering of the job's owner.
    pub from_event_seq: Option<u64>,
}

/// Why a command was not carried out; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefused {
    /// The client was closed, by its application or by the runtime.
    #[error("the client is closed")]
    Closed,
    /// The handle has ended, or never was this client's.
    #[error("the handle is unknown or its job has ended")]
    Stale,
    /// The session has not agreed on the feature this needs (§6.2).
    #[error("the session did not negotiate {0}")]
    NotNegotiated(&'static str),
    /// The frame would be larger than [`ClientConfig::frame_bytes`](super::ClientConfig::frame_bytes).
    #[error("the request needs {bytes} bytes, the frame limit is {max}")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A limit of the configuration is reached; try again when something was answered or has ended.
    #[error("the limit {limit} of {max} is reached")]
    Limit {
        /// The limit's name in [`ClientConfig`](super::ClientConfig).
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// The value breaks a rule of the protocol.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
}
