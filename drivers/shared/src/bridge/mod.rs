//! Protocols joined: a pool of CAP workers behind an ARCP server, and Caracal's contexts on the jobs of both.
//!
//! ```text
//! ARCP client --submit--> server --> PoolAgent: request.rs  --JobRequest--> router --> workers of the topic
//!             <--events--        <--            report.rs   <--JobProgress--
//!             <--result--        <--            outcome.rs  <--JobResult--
//!                                    note.rs: what is on record with the ARCP job
//! operator    <--status--        <--            status.rs: the bus, and the jobs of each agent
//!
//! caracal/    who has submitted a job, and the session that its agent acts in
//! ```
//!
//! The CAP job has the id of the ARCP job, and what else its request consists of is on record before it is sent. So a server
//! that was started again after a crash sends the same request, which routers and workers know: the pool has gone on
//! meanwhile, and runs no job twice.

#[cfg(feature = "cap")]
mod agent;
#[cfg(feature = "caracal")]
mod caracal;
#[cfg(feature = "cap")]
mod note;
#[cfg(feature = "cap")]
mod outcome;
#[cfg(feature = "cap")]
mod report;
#[cfg(feature = "cap")]
mod request;
#[cfg(feature = "cap")]
mod status;

#[cfg(feature = "cap")]
pub use agent::{Pool, PoolAgent};
#[cfg(feature = "caracal")]
pub use caracal::{DelegateJob, DelegateJobError, InvalidCaller, JobCaracal, NoCaller};
