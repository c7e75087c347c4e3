//! The types of a host's commands and answers, and of their results.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::convert::Infallible;

use serde_json::value::RawValue;

use crate::arcp::runtime::conns::claim::Claim;
use crate::arcp::wire::body::InvalidBody;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::budget::Amounts;
use crate::lease::{Lease, Operation};
use crate::time::Time;
use crate::trace::TraceId;

slotmap::new_key_type! {
    /// A connection, as the host names it: an index and a generation, so that it is never confused with a later one.
    pub struct ConnId;
    /// A job, as the host names it: index and generation. On the wire it is a [`JobUlid`].
    pub struct JobKey;
    /// A request to revoke a credential.
    pub struct RevocationId;
    /// A question to the journal.
    pub struct ReplayId;
    /// A request of an operator for the state of the runtime and of its host.
    pub struct StatusId;
    pub(crate) struct SessionKey;
}

/// The session that a peer wants to resume. From [`Event::Locate`](crate::arcp::Event::Locate).
#[derive(Clone, Debug)]
pub struct Resumed(pub(super) Claim);

/// A session, as the other runtimes of its host have to know it. From [`Event::Relay`](crate::arcp::Event::Relay).
#[derive(Clone, Debug)]
pub struct Guest {
    pub(super) session: SessionUlid,
    pub(super) principal: Arc<str>,
    pub(super) features: Features,
    pub(super) dialect: Dialect,
    pub(super) stdio: bool,
}

impl Guest {
    /// Returns the session.
    pub fn session(&self) -> SessionUlid {
        self.session
    }
}

/// The number of an amount that a job has reserved, within that job
/// ([`Runtime::reserve`](crate::arcp::Runtime::reserve)). They count from 1 in each run of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(pub u64);

/// The number of a question within its job ([`Runtime::ask`](crate::arcp::Runtime::ask)). On the wire it is `q` and the
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// The kind of a connection's transport. Credentials are sent on all kinds except [`Via::Plain`] (§14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// TLS.
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

/// How an agent's job succeeds.
#[derive(Clone, Debug)]
pub enum JobResult<'a> {
    /// An inline result: any JSON value.
    Inline(&'a RawValue),
    /// The result is what [`Runtime::write_chunk`](crate::arcp::Runtime::write_chunk) streamed, or nothing at all.
    Streamed {
        /// `summary` of the terminal.
        summary: Option<Cow<'a, str>>,
    },
}

/// How an agent's job fails (§7.3): `final_status` is `error`.
#[derive(Clone, Debug)]
pub struct JobFailure {
    /// A code of the agent's choice. One outside the 15 of §12 becomes `INTERNAL_ERROR`, with `code` among the details.
    pub code: String,
    /// A sentence for people; an empty one is replaced.
    pub message: String,
    /// Details for machines: a JSON object.
    pub details: Option<Box<RawValue>>,
}

/// A delegation: a job that an agent requests from another agent (§10).
#[derive(Clone, Debug, Default)]
pub struct Delegate<'a> {
    /// The name of the delegation, unique within the parent; one is made if it is absent.
    pub delegate_id: Option<Cow<'a, str>>,
    /// `name` or `name@version`.
    pub agent: Cow<'a, str>,
    /// The input of the child: any JSON value.
    pub input: Option<&'a RawValue>,
    /// The raw `lease_request`; absent is `{}`.
    pub lease_request: Option<&'a RawValue>,
    /// The raw `lease_constraints`.
    pub lease_constraints: Option<&'a RawValue>,
}

/// Why an operation or a delegation is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The runtime refuses it with this fault, for the agent to put into a `tool_result`.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The event cannot be appended now: repeat after [`Event::Unblocked`](crate::arcp::Event::Unblocked).
    #[error("the job's event log is full of unsent events")]
    Blocked,
    /// The job has ended, or does not run yet.
    #[error("the job is not running")]
    NotRunning,
    /// People have to approve this operation first: [`Runtime::approve`](crate::arcp::Runtime::approve) asks them.
    #[error("{} {:?} has to be approved by people first", .0.namespace(), .0.target())]
    NeedsApproval(Box<Operation>),
}

impl Denied {
    /// Returns the fault for the `tool_result`, whatever the reason.
    pub fn fault(&self) -> Fault {
        match self {
            Denied::Fault(fault) => fault.clone(),
            Denied::Blocked => Fault::new(ErrorCode::InternalError, "the job's event log is full of unsent events"),
            Denied::NotRunning => Fault::new(ErrorCode::Cancelled, "the job is not running"),
            Denied::NeedsApproval(_) => Fault::new(ErrorCode::PermissionDenied, self.to_string()),
        }
    }
}

/// The event of an operation or a delegation cannot be appended.
impl From<Refused> for Denied {
    fn from(refused: Refused) -> Denied {
        match refused {
            Refused::Blocked => Denied::Blocked,
            Refused::Stale | Refused::Terminal | Refused::NotRunning => Denied::NotRunning,
            Refused::Limit { limit, max } => Denied::Fault(Fault::limit(limit, max)),
            Refused::NotNegotiated(_) | Refused::TooLarge { .. } | Refused::Invalid(_) => {
                Denied::Fault(Fault::invalid(refused.to_string()))
            }
        }
    }
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The connection, job or credential is gone, or does not wait for this answer.
    #[error("nothing waits for this: the connection, job or credential is gone, or was answered before")]
    Stale,
    /// The job has ended.
    #[error("the job has ended")]
    Terminal,
    /// The job is not running yet.
    #[error("the job is not running yet")]
    NotRunning,
    /// The owner's log is full of unsent events: repeat after [`Event::Unblocked`](crate::arcp::Event::Unblocked).
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
        /// The limit's name in [`Config`](crate::arcp::Config).
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The value breaks a rule of the protocol.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
}

impl From<InvalidBody> for Refused {
    fn from(invalid: InvalidBody) -> Refused {
        Refused::Invalid(invalid.0)
    }
}

impl From<Infallible> for Refused {
    fn from(never: Infallible) -> Refused {
        match never {}
    }
}

/// A job as [`Runtime::job`](crate::arcp::Runtime::job) shows it.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    /// The id on the wire.
    pub id: JobUlid,
    /// The session that owns the job, or `None` once it is closed.
    pub session: Option<SessionUlid>,
    /// The principal that submitted the job.
    pub principal: &'a Arc<str>,
    /// The agent's bare name.
    pub agent: &'a str,
    /// The resolved version.
    pub version: Option<&'a str>,
    /// The state of the job.
    pub state: super::jobs::state::JobState,
    /// The input, as the text that was sent. A host that keeps it shares it.
    pub input: Option<&'a Arc<RawValue>>,
    /// The effective lease.
    pub lease: &'a Lease,
    /// When the lease expires: `lease_constraints.expires_at`, or the parent's if that is earlier.
    pub expires_at: Option<Time>,
    /// When `max_runtime_sec` ends the job; `None` before the job runs.
    pub deadline: Option<Time>,
    /// The budget that the job draws on: its own, or that of the nearest ancestor that has one.
    pub budget: Option<&'a crate::budget::Budget>,
    /// The credentials that are valid now.
    pub credentials: &'a [Credential],
    /// The trace id in all frames of the job.
    pub trace_id: TraceId,
    /// When it was submitted, by the wall clock.
    pub created_at: Time,
    /// The `extensions` of the submit, as the text that was sent.
    pub extensions: Option<&'a RawValue>,
    /// The number of earlier runs of the job that a restart has interrupted; 0 in its first run.
    pub restarts: u32,
    /// The last note that an agent has left with [`Runtime::note`](crate::arcp::Runtime::note), in this run or an earlier one.
    pub note: Option<&'a [u8]>,
    /// The job that delegated this one.
    pub parent: Option<JobKey>,
    /// The name of the delegation within the parent.
    pub delegate_id: Option<&'a str>,
    /// The amounts the lease grants this job itself.
    pub granted: Option<&'a Amounts>,
}
