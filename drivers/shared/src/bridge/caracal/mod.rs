//! Caracal on jobs: who has submitted a job, and the session that its agent acts in.
//!
//! ```text
//! carried.rs    the context of a submitter, in the extensions of an ARCP job and in the labels of a CAP job
//! submit.rs     jobs that carry the present context
//! job.rs        what an agent or a handler gets of it: JobCaracal
//! delegate.rs   a child job that acts in a session of its own
//! session.rs    that session, as it is attached to the child
//! scopes.rs     the scopes that follow from a lease
//! labels.rs     the context of an ARCP job whose work is done by a pool
//! ```
//!
//! A context that is carried is a statement of the submitter that nobody has signed, and has no token. The session of a
//! delegated job never travels: it stays within the process (`JobContext::attachment`).

mod carried;
mod delegate;
mod job;
#[cfg(feature = "cap")]
mod labels;
mod scopes;
mod session;
mod submit;

pub use carried::{InvalidCaller, NoCaller};
pub use delegate::{DelegateJob, DelegateJobError};
pub use job::JobCaracal;
#[cfg(feature = "cap")]
pub(super) use labels::labels;
