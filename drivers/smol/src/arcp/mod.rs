//! The agent runtime control protocol: the server, its agents, the client, and the journal.

mod client;
mod memory;
mod server;
mod stdio;

pub use client::{Client, Transport};
pub use nuncio_shared::arcp::*;
pub use server::Server;

use crate::driver::Smol;

/// Makes a [`Server`].
pub type ServerBuilder = nuncio_shared::arcp::ServerBuilder<Smol>;
/// Makes a [`Client`].
pub type ClientBuilder = nuncio_shared::arcp::ClientBuilder<Smol>;
