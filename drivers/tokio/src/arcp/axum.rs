//! A server as a route of an [`axum`] application (feature `axum`).
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use nuncio_tokio::arcp::{MountOptions, Server};
//! use nuncio_tokio::auth::StaticTokens;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder().verifier(StaticTokens::new().with("secret", "me@example.com")).build()?;
//! let options = MountOptions::for_hosts(["agents.example"])?;
//! let app = Router::new()
//!     .route("/", get(|| async { "agents are at /arcp" }))
//!     .route("/arcp", nuncio_tokio::arcp::axum::handler_with(server.clone(), options));
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```

use axum::extract::Request;
use axum::routing::{MethodRouter, any};

use crate::arcp::{MountOptions, Server, upgrade};

/// Returns the handler for requests that name this machine: `localhost`, `127.0.0.1`, `[::1]`. An application with other
/// names lists them, see [`handler_with`].
pub fn handler<S>(server: Server) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    handler_with(server, MountOptions::default())
}

/// Returns the handler for requests that the options let in. Other requests are answered with a 4xx and a sentence.
///
/// Upgraded connections belong to the server: they end with [`Server::shutdown`], not with the application.
pub fn handler_with<S>(server: Server, options: MountOptions) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    any(move |mut request: Request| std::future::ready(upgrade(&server, &mut request, &options)))
}
