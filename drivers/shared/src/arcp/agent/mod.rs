//! Agents: the code that does the work of jobs.

mod approve;
mod ask;
mod context;
mod delegate;
mod event;
mod failure;
pub(crate) mod job;
mod output;
pub(crate) mod registry;
mod reservation;
pub(crate) mod run;
pub(crate) mod span;
mod work;
mod writer;

pub use approve::PosedApproval;
pub use ask::Posed;
pub use context::JobContext;
pub use delegate::{Child, ChildError, ChildOutcome, Delegation};
pub use event::{Artifact, IntoNumber, Level, Log, Metric, Progress, Status, ToolCall};
pub use failure::{Failure, OrFail};
pub use output::{IntoOutput, Output};
pub use reservation::Reservation;
pub use work::Agent;
pub(crate) use work::Function;
pub use writer::ResultWriter;
