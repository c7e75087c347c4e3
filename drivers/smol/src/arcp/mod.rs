//! The agent runtime control protocol: the server, its agents, the client, and the journal.

#[doc(inline)]
pub use nuncio_shared::arcp::*;

use crate::driver::Smol;

/// A runtime in the sense of the specification, on smol.
pub type Server = nuncio_shared::arcp::Server<Smol>;
/// Makes a [`Server`].
pub type ServerBuilder = nuncio_shared::arcp::ServerBuilder<Smol>;
/// A session with a runtime, on smol.
pub type Client = nuncio_shared::arcp::Client<Smol>;
/// Makes a [`Client`].
pub type ClientBuilder = nuncio_shared::arcp::ClientBuilder<Smol>;
