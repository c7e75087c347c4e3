//! Protocols joined: a pool of CAP workers behind an ARCP server, and Caracal's contexts on the jobs of both.

#[cfg(feature = "caracal")]
#[doc(inline)]
pub use nuncio_shared::bridge::{DelegateJobError, InvalidCaller, NoCaller};

use crate::driver::Tokio;

/// A pool of CAP workers, to which the agents of a server hand their jobs; see [`nuncio_shared::bridge::Pool`].
#[cfg(feature = "cap")]
pub type Pool = nuncio_shared::bridge::Pool<Tokio>;
/// An agent whose jobs run on the workers of a topic. From [`Pool::agent`].
#[cfg(feature = "cap")]
pub type PoolAgent = nuncio_shared::bridge::PoolAgent<Tokio>;
/// A job for an application of Caracal: who has submitted it, and the session that its agent acts in.
#[cfg(feature = "caracal")]
pub type JobCaracal = nuncio_shared::bridge::JobCaracal<Tokio>;
/// Work for another agent, which acts in a session of its own.
#[cfg(feature = "caracal")]
pub type DelegateJob<'a> = nuncio_shared::bridge::DelegateJob<'a, Tokio>;
