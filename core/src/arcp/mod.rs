//! ARCP v1.1: the [`Runtime`], which serves jobs, and the [`Client`], which submits them.
//!
//! ```text
//!  frame in                                                                               frame out
//!     |                                                                                       ^
//!   wire.rs       bytes -> head and raw payload              head and payload -> bytes  wire.rs
//!     |                                                                                       |
//!   request.rs    typed once                                         reply.rs body.rs   json.rs
//!     |                                                                                       |
//!   runtime/      one match of (state, type)  -> session.rs job.rs    log.rs    conn.rs ------+
//!                                                 |                  the event log is the send queue
//!   Output::Event <- the host is told or asked ---+--- the host commands and answers -> runtime/
//! ```
//!
//! The rules, with the specification's sections, stand where they are carried out: grep for `§9.5`. Rules that are marked
//! "ours" are not in the specification.

mod body;
pub mod client;
mod config;
mod conn;
mod digest;
mod error;
mod event;
mod feature;
mod host;
mod ids;
mod job;
mod json;
pub mod lines;
mod log;
mod record;
mod reply;
mod request;
mod runtime;
mod session;
mod stats;
mod timers;
pub mod wire;

pub use body::{Body, Number};
pub use client::{Client, ClientConfig, ClientEvent, ClientOutput, ClientTimer};
pub use config::{Access, AnyPrincipal, Compat, Config, Journal, Policy, SamePrincipal};
pub use error::{ErrorCode, Fault};
pub use event::{Event, Output, ReplayRange, Timer};
pub use feature::{Feature, Features};
pub use host::{
    AgentSpec, Chunk, ConnId, Credential, Delegate, Denied, Failure, FinalStatus, JobId, JobResult, JobView, Refused,
    ReplayId, RevocationId, Secret, Via,
};
pub use ids::{JobUlid, ResultId, SessionId};
pub use job::{JobEvent, JobState};
pub use record::{
    JobAccepted, JobEnded, JobEventRecord, Record, RecordError, SessionEventRecord, SessionOpened, SessionToken,
    Target, Transcribed, Transcript, Watching,
};
pub use runtime::{Restored, Runtime};
/// Raw JSON text of user data: passed through as it was written.
pub use serde_json::value::RawValue as Json;
pub use session::{ConnEvent, ConnState, SessionEvent, SessionState};
pub use stats::{Stats, Totals};
