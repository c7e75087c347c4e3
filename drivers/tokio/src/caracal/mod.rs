//! Caracal: who acts for whom. Agent sessions, delegation, contexts on HTTP requests, and a coordinator.

mod coordinator;
#[cfg(feature = "reqwest")]
mod web;

#[doc(inline)]
pub use nuncio_shared::caracal::*;

pub use self::coordinator::{CoordinatorServer, HttpLimits};
#[cfg(feature = "reqwest")]
pub use self::web::{WebError, WebRequest, WebTransport};
use crate::driver::Tokio;
/// The HTTP client below [`WebTransport`].
#[cfg(feature = "reqwest")]
pub use reqwest;

/// An application's client of its coordinator, on tokio.
pub type Caracal = nuncio_shared::caracal::Caracal<Tokio>;
/// Makes a [`Caracal`].
pub type CaracalBuilder = nuncio_shared::caracal::CaracalBuilder<Tokio>;
/// A session to open.
pub type SpawnBuilder = nuncio_shared::caracal::SpawnBuilder<Tokio>;
/// An open session.
pub type Scope = nuncio_shared::caracal::Scope<Tokio>;
/// An edge to create.
pub type DelegateBuilder = nuncio_shared::caracal::DelegateBuilder<Tokio>;
/// An edge to another session.
pub type Delegation = nuncio_shared::caracal::Delegation<Tokio>;
/// A small HTTP client whose calls carry the context.
pub type Transport = nuncio_shared::caracal::Transport<Tokio>;
/// Middleware for HTTP clients.
pub type ClientLayer = nuncio_shared::caracal::ClientLayer<Tokio>;
/// Middleware for HTTP servers.
pub type ServerLayer = nuncio_shared::caracal::ServerLayer<Tokio>;
/// Verifies the tokens of inbound requests.
#[cfg(feature = "jwt")]
pub type MandateVerifier = nuncio_shared::caracal::MandateVerifier<Tokio>;
/// A coordinator on tokio.
pub type Coordinator = nuncio_shared::caracal::Coordinator<Tokio>;
/// Makes a [`Coordinator`].
pub type CoordinatorBuilder = nuncio_shared::caracal::CoordinatorBuilder<Tokio>;
