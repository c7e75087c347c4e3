//! What a runtime and its host say to each other: outputs, events, and the values of commands.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::error::{ErrorCode, Fault};
use super::ids::{JobUlid, SessionId};
use super::record::Record;
use crate::budget::Amounts;
use crate::lease::Lease;
use crate::time::Time;
use crate::trace::TraceId;

slotmap::new_key_type! {
    /// A connection, as the host names it: index and generation, never confused with a later one.
    pub struct ConnId;
    /// A job, as the host names it: index and generation. On the wire it is a [`JobUlid`].
    pub struct JobId;
    /// A credential that is to be revoked.
    pub struct RevocationId;
    pub(crate) struct SessionKey;
}

/// How a connection came in. Credentials travel on all but [`Via::Plain`] (§14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// TLS, whatever is inside.
    Tls,
    /// An unencrypted socket of this machine.
    Loopback,
    /// An unencrypted socket of another machine.
    Plain,
    /// Pipes of a parent or child process.
    Stdio,
    /// The same process.
    Memory,
}

/// A text that is never printed: a bearer token, a credential's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text. Do not log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// An agent a runtime has on offer (§7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// `[a-z0-9][a-z0-9._-]*`
    pub name: String,
    /// The versions on offer, each `[a-zA-Z0-9.+_-]+`; empty for an agent without versions.
    pub versions: Vec<String>,
    /// What a bare name resolves to; the last of `versions` if it says nothing.
    pub default: Option<String>,
    /// Jobs of the agent that may run at once; further ones wait in `pending`.
    pub max_concurrent: Option<u32>,
}

impl AgentSpec {
    /// An agent without versions and without a limit.
    pub fn new(name: impl Into<String>) -> AgentSpec {
        AgentSpec { name: name.into(), versions: Vec::new(), default: None, max_concurrent: None }
    }

    /// The version a bare name resolves to.
    pub fn resolved_default(&self) -> Option<&str> {
        self.default.as_deref().or(self.versions.last().map(String::as_str))
    }
}

/// A credential the host minted for one job (§9.8.1). On the wire its `scheme` is `bearer`.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Names the credential within its job.
    pub id: String,
    /// The material.
    pub value: Secret,
    /// The base URL it is good at.
    pub endpoint: String,
    /// The API spoken there, such as `openai`.
    pub profile: Option<String>,
    /// What the upstream enforces: a JSON object with dotted keys, such as `{"model.use":["tier-fast/*"]}`.
    pub constraints: Option<Box<RawValue>>,
}

/// How an agent's job succeeds.
#[derive(Clone, Debug)]
pub enum JobResult<'a> {
    /// An inline result: any JSON value.
    Inline(&'a RawValue),
    /// The result is what [`Runtime::write_chunk`](super::Runtime::write_chunk) streamed, or nothing at all.
    Streamed {
        /// `summary` of the terminal.
        summary: Option<Cow<'a, str>>,
    },
}

/// How an agent's job fails (§7.3): `final_status` is `error`.
#[derive(Clone, Debug)]
pub struct Failure {
    /// A code of the agent's choice. One outside the 15 becomes `INTERNAL_ERROR` with details `{code}`.
    pub code: String,
    /// For people; an empty one is replaced.
    pub message: String,
    /// A JSON object.
    pub details: Option<Box<RawValue>>,
}

/// A piece of a streamed result (§8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Text: `encoding` is `utf8`.
    Text(&'a str),
    /// Bytes: `encoding` is `base64`.
    Bytes(&'a [u8]),
}

/// What an agent asks of a sub-agent (§10).
#[derive(Clone, Debug, Default)]
pub struct Delegate<'a> {
    /// Unique within the parent; one is made if it is absent.
    pub delegate_id: Option<Cow<'a, str>>,
    /// `name` or `name@version`.
    pub agent: Cow<'a, str>,
    /// Any JSON value.
    pub input: Option<&'a RawValue>,
    /// The raw `lease_request`; absent is `{}`.
    pub lease_request: Option<&'a RawValue>,
    /// The raw `lease_constraints`.
    pub lease_constraints: Option<&'a RawValue>,
}

/// Why an operation or a delegation may not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The runtime refuses it with this fault, which belongs into a `tool_result`.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The event cannot be taken now: repeat after [`Event::Unblocked`].
    #[error("the job's event log is full of unsent events")]
    Blocked,
    /// The job has ended or never ran.
    #[error("the job is not running")]
    NotRunning,
}

impl Denied {
    /// The fault to show, whatever the reason.
    pub fn fault(&self) -> Fault {
        match self {
            Denied::Fault(fault) => fault.clone(),
            Denied::Blocked => Fault::new(ErrorCode::InternalError, "the job's event log is full of unsent events"),
            Denied::NotRunning => Fault::new(ErrorCode::Cancelled, "the job is not running"),
        }
    }
}

/// Why a command was not carried out; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The connection, job or credential is not there, or is not waiting for this answer.
    #[error("nothing is waiting for this: the connection, job or credential is gone or was answered before")]
    Stale,
    /// The job has ended.
    #[error("the job has ended")]
    Terminal,
    /// The job is not running yet.
    #[error("the job is not running yet")]
    NotRunning,
    /// The owner's log is full of unsent events: repeat after [`Event::Unblocked`].
    #[error("the job's event log is full of unsent events")]
    Blocked,
    /// The owner session did not negotiate the feature this needs.
    #[error("the session did not negotiate {0}")]
    NotNegotiated(&'static str),
    /// A frame would be larger than the limit.
    #[error("the event needs {bytes} bytes, the frame limit is {max}")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A limit of the configuration is reached.
    #[error("the limit {limit} of {max} is reached")]
    Limit {
        /// The limit's name in [`Config`](super::Config).
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The value breaks a rule of the protocol.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
}

/// How a job ended: its `final_status` (§7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalStatus {
    /// `success`
    Success,
    /// `error`
    Error,
    /// `cancelled`
    Cancelled,
    /// `timed_out`
    TimedOut,
}

impl FinalStatus {
    /// The status as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            FinalStatus::Success => "success",
            FinalStatus::Error => "error",
            FinalStatus::Cancelled => "cancelled",
            FinalStatus::TimedOut => "timed_out",
        }
    }
}

/// A job as its host sees it.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    /// The id on the wire.
    pub id: JobUlid,
    /// The owner session, unless it was closed.
    pub session: Option<SessionId>,
    /// Who submitted it.
    pub principal: &'a Arc<str>,
    /// The agent's bare name.
    pub agent: &'a str,
    /// The resolved version.
    pub version: Option<&'a str>,
    /// Where it stands.
    pub state: super::job::JobState,
    /// The input as it was sent.
    pub input: Option<&'a RawValue>,
    /// The effective lease.
    pub lease: &'a Lease,
    /// `lease_constraints.expires_at`, the parent's included.
    pub expires_at: Option<Time>,
    /// When `max_runtime_sec` ends the job; known once it runs.
    pub deadline: Option<Time>,
    /// What is left of the budget, its parent's if it draws on that.
    pub budget: Option<&'a crate::budget::Budget>,
    /// The credentials as valid now.
    pub credentials: &'a [Credential],
    /// The trace all frames of the job carry.
    pub trace_id: TraceId,
    /// The submit's `extensions`, untouched.
    pub extensions: Option<&'a RawValue>,
    /// The job that delegated this one.
    pub parent: Option<JobId>,
    /// Names the delegation within the parent.
    pub delegate_id: Option<&'a str>,
    /// The amounts the lease grants this job itself.
    pub granted: Option<&'a Amounts>,
}

/// What a runtime puts out, in one order. A driver acts on them in that order.
#[derive(Clone, Debug)]
pub enum Output {
    /// To be made durable before any later `Send` or `Event` is acted on.
    Store {
        /// Counts from 1 without gaps.
        seq: u64,
        /// What to keep.
        record: Record,
    },
    /// A frame for a connection; [`Runtime::handle_sent`](super::Runtime::handle_sent) reports that it was written.
    Send {
        /// Where to.
        conn: ConnId,
        /// One UTF-8 JSON text without line breaks.
        frame: Bytes,
        /// The last `Store` before it.
        after: u64,
    },
    /// `reading(conn)` is true again.
    Reading {
        /// Which.
        conn: ConnId,
    },
    /// The transport is to be closed once what was sent before is written. The connection is gone for the runtime.
    Close {
        /// Which.
        conn: ConnId,
        /// A WebSocket close code.
        code: u16,
        /// For people.
        reason: &'static str,
    },
    /// Something for the host.
    Event {
        /// What.
        event: Event,
        /// The last `Store` before it.
        after: u64,
    },
}

/// What the host is told or asked.
#[derive(Clone, Debug)]
pub enum Event {
    /// Asked: whose token is this? [`Runtime::admit`](super::Runtime::admit) or
    /// [`Runtime::reject`](super::Runtime::reject) answers.
    Authenticate {
        /// The connection that waits.
        conn: ConnId,
        /// The bearer token (§6.1).
        token: Secret,
        /// `client.name` of the hello, for logs; it proves nothing.
        client: String,
    },
    /// A session is live: it was opened or resumed.
    SessionLive {
        /// Which.
        session: SessionId,
        /// Its connection.
        conn: ConnId,
        /// Whose.
        principal: Arc<str>,
        /// Whether it existed before.
        resumed: bool,
    },
    /// A session has no connection any more; it is kept for the resume window.
    SessionDetached {
        /// Which.
        session: SessionId,
    },
    /// A session is gone for good.
    SessionClosed {
        /// Which.
        session: SessionId,
    },
    /// Asked: may this job be started, with which credentials? [`Runtime::start`](super::Runtime::start) or
    /// [`Runtime::decline`](super::Runtime::decline) answers.
    Submitted {
        /// The job; [`Runtime::job`](super::Runtime::job) shows it.
        job: JobId,
        /// Whether the session negotiated credentials; without, none may be given.
        credentials: bool,
    },
    /// The agent is to be run now.
    Start {
        /// The job.
        job: JobId,
    },
    /// The agent is asked to stop.
    Cancel {
        /// The job.
        job: JobId,
        /// The client's reason.
        reason: Option<String>,
        /// When the job ends without it.
        deadline: Time,
    },
    /// [`Refused::Blocked`] or [`Denied::Blocked`] no longer holds.
    Unblocked {
        /// The job.
        job: JobId,
    },
    /// The job has ended, or was declined: its agent is dropped if it still runs. The last event of a job.
    Ended {
        /// The job; the key is dead once the job is evicted.
        job: JobId,
        /// How it ended.
        status: FinalStatus,
        /// Why, unless it succeeded.
        fault: Option<Fault>,
        /// The inline result as JSON text; absent for a streamed one.
        result: Option<Bytes>,
    },
    /// Asked: this credential is to be revoked upstream. [`Runtime::revoked`](super::Runtime::revoked) or
    /// [`Runtime::revoke_failed`](super::Runtime::revoke_failed) answers; a failure is asked again.
    Revoke {
        /// Names the ask.
        revocation: RevocationId,
        /// The job it was minted for.
        job: JobUlid,
        /// The credential's id.
        id: String,
        /// The very value to revoke: a rotated credential has had several.
        value: Secret,
        /// How often it was asked before.
        attempt: u32,
    },
    /// A subscription was decided (§14: every one is logged).
    Subscription {
        /// Who asked.
        principal: Arc<str>,
        /// For which job.
        job: JobUlid,
        /// Whose job.
        owner: Arc<str>,
        /// Whether it was granted.
        granted: bool,
    },
    /// A frame was refused with `session.error`; for counters and logs.
    RefusedFrame {
        /// Where it came from.
        conn: ConnId,
        /// The code of the answer.
        code: ErrorCode,
        /// The sentence of the answer.
        message: Cow<'static, str>,
    },
    /// After [`Runtime::shutdown`](super::Runtime::shutdown): no job is left.
    Drained,
}

/// The next deadline's reason, as [`Runtime::poll_timeout`](super::Runtime::poll_timeout) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// No hello, or no answer to `Authenticate`.
    Greeting,
    /// Ping, or give the peer up (§6.4).
    Heartbeat,
    /// Nothing was written for too long.
    Stall,
    /// A closing connection has had its time.
    Linger,
    /// A detached session closes (§6.3).
    ResumeWindow,
    /// The frames of a subscription may start (`python-1.1`).
    Subscription,
    /// No answer to `Submitted`.
    Submit,
    /// `max_runtime_sec` (§7.1).
    Runtime,
    /// The lease's grace after `expires_at` (§9.5).
    Expiry,
    /// A cancelled agent has had its time (§7.4).
    Grace,
    /// A revocation is tried again (§9.8.2).
    Revocation,
    /// Ended jobs and idempotency records grow old.
    Eviction,
}
