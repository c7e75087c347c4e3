//! The agent runtime control protocol: the server, its agents, the client, and the journal.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "hyper")]
mod host;

#[cfg(feature = "hyper")]
pub use host::{MountOptions, upgrade};
#[doc(inline)]
pub use nuncio_shared::arcp::*;

use crate::driver::Tokio;

/// A runtime in the sense of the specification, on tokio.
pub type Server = nuncio_shared::arcp::Server<Tokio>;
/// Makes a [`Server`].
pub type ServerBuilder = nuncio_shared::arcp::ServerBuilder<Tokio>;
/// A session with a runtime, on tokio.
pub type Client = nuncio_shared::arcp::Client<Tokio>;
/// Makes a [`Client`].
pub type ClientBuilder = nuncio_shared::arcp::ClientBuilder<Tokio>;
