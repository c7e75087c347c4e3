//! ARCP v1.1: the [`Runtime`], which serves jobs, and the [`Client`], which submits them.
//!
//! ```text
//! runtime/   the serving machine: connections, sessions, jobs        client/   one session of one application
//!            \                                                         /
//!             wire/   the frames as types, with their reading and writing
//! ```
//!
//! The two machines know `wire/`, but not each other. Comments name the section of the specification that a rule comes
//! from, such as §9.5. Rules that are marked "ours" are not in the specification; `core/docs/arcp.md` explains them.

pub mod client;
pub(crate) mod runtime;
pub mod wire;

pub use client::{Client, ClientConfig, ClientEvent, ClientLimits, ClientOutput, ClientTimer};
pub use runtime::config::{Config, Journaling, Limits};
pub use runtime::event::{Event, Output, ReplayRange, SendOrder, Timer};
pub use runtime::handover::Handover;
pub use runtime::host::{
    ConnId, Delegate, Denied, Guest, JobFailure, JobKey, JobResult, JobView, QuestionId, Refused, ReplayId,
    ReservationId, Resumed, RevocationId, StatusId, Via,
};
pub use runtime::jobs::state::JobState;
pub use runtime::policy::{Access, AnyPrincipal, Policy, SamePrincipal};
pub use runtime::record::{
    JobAccepted, JobEnded, JobEventRecord, Record, RecordError, SessionEventRecord, SessionOpened, SessionToken,
    Target, Transcribed, Transcript, Watching,
};
pub use runtime::shard::shard_of;
pub use runtime::stats::{AgentCounts, AgentStats, Stats, Totals};
pub use runtime::{Restored, Runtime};
pub use wire::agent::{AgentSpec, OnRestart};
pub use wire::body::{Body, Chunk, InvalidBody, Number};
pub use wire::credential::Credential;
pub use wire::dialect::{Dialect, UnknownDialect};
pub use wire::error::{ErrorCode, Fault};
pub use wire::feature::{ACCEPTED_REPLAY, Feature, Features};
pub use wire::ids::{JobId, JobUlid, ResultId, SessionId, SessionUlid};
pub use wire::job::FinalStatus;
pub use wire::question::{Answer, Question};
pub use wire::status::{
    BusLink, BusStatus, HostStatus, JournalStatus, PoolAgentStatus, PoolStatus, RuntimeStatus, StatusCounts,
};

pub use crate::secret::Secret;
/// JSON text that belongs to a user and is passed through as it was written.
pub use serde_json::value::RawValue as Json;
