//! The agent runtime control protocol: the server, its agents, the client, and the journal.

#[cfg(feature = "axum")]
pub mod axum;
mod client;
#[cfg(feature = "hyper")]
mod host;
mod memory;
mod server;
mod stdio;

pub use client::{Client, Transport};
#[cfg(feature = "hyper")]
pub use host::MountOptions;
pub use nuncio_shared::arcp::*;
pub use server::Server;

use crate::driver::Tokio;

/// Makes a [`Server`].
pub type ServerBuilder = nuncio_shared::arcp::ServerBuilder<Tokio>;
/// Makes a [`Client`].
pub type ClientBuilder = nuncio_shared::arcp::ClientBuilder<Tokio>;
