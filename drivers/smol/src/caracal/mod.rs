//! Caracal: who acts for whom. Agent sessions, delegation, contexts on HTTP requests, and a coordinator.

#[doc(inline)]
pub use nuncio_shared::caracal::*;

use crate::driver::Smol;

/// An application's client of its coordinator, on smol.
pub type Caracal = nuncio_shared::caracal::Caracal<Smol>;
/// Makes a [`Caracal`].
pub type CaracalBuilder = nuncio_shared::caracal::CaracalBuilder<Smol>;
/// A session to open.
pub type SpawnBuilder = nuncio_shared::caracal::SpawnBuilder<Smol>;
/// An open session.
pub type Scope = nuncio_shared::caracal::Scope<Smol>;
/// An edge to create.
pub type DelegateBuilder = nuncio_shared::caracal::DelegateBuilder<Smol>;
/// An edge to another session.
pub type Delegation = nuncio_shared::caracal::Delegation<Smol>;
/// A small HTTP client whose calls carry the context.
pub type Transport = nuncio_shared::caracal::Transport<Smol>;
/// Middleware for HTTP clients.
pub type ClientLayer = nuncio_shared::caracal::ClientLayer<Smol>;
/// Middleware for HTTP servers.
pub type ServerLayer = nuncio_shared::caracal::ServerLayer<Smol>;
/// Verifies the tokens of inbound requests.
#[cfg(feature = "jwt")]
pub type MandateVerifier = nuncio_shared::caracal::MandateVerifier<Smol>;
/// A coordinator on smol. It answers requests that an HTTP server has read.
pub type Coordinator = nuncio_shared::caracal::Coordinator<Smol>;
/// Makes a [`Coordinator`].
pub type CoordinatorBuilder = nuncio_shared::caracal::CoordinatorBuilder<Smol>;
