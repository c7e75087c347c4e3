//! ARCP in front, a pool of CAP workers behind: agents whose jobs run on the workers of a topic.
//!
//! ```text
//! ARCP client --submit--> server --> PoolAgent: request.rs  --JobRequest--> router --> workers of the topic
//!             <--events--        <--            report.rs   <--JobProgress--
//!             <--result--        <--            outcome.rs  <--JobResult--
//!                                    note.rs: what is on record with the ARCP job
//! ```
//!
//! The CAP job has the id of the ARCP job, and what else its request consists of is on record before it is sent. So a server
//! that was started again after a crash sends the same request, which routers and workers know: the pool has gone on
//! meanwhile, and runs no job twice.

mod agent;
mod note;
mod outcome;
mod report;
mod request;

pub use agent::{Pool, PoolAgent};
