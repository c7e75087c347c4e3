//! ARCP v1.1.

mod body;
pub mod client;
mod config;
mod conn;
mod digest;
mod error;
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
mod timers;
pub mod wire;

pub use body::{Body, Number};
pub use client::{Client, ClientConfig, ClientEvent, ClientOutput, ClientTimer};
pub use config::{Access, AnyPrincipal, Compat, Config, Policy, SamePrincipal};
pub use error::{ErrorCode, Fault};
pub use feature::{Feature, Features};
pub use host::{
    AgentSpec, Chunk, ConnId, Credential, Delegate, Denied, Event, Failure, FinalStatus, JobId, JobResult, JobView,
    Output, Refused, RevocationId, Secret, Timer, Via,
};
pub use ids::{JobUlid, ResultId, SessionId};
pub use job::{JobEvent, JobState};
pub use record::Record;
pub use runtime::Runtime;
/// Raw JSON text of user data: passed through as it was written.
pub use serde_json::value::RawValue as Json;
pub use session::{ConnEvent, ConnState, SessionEvent, SessionState};
