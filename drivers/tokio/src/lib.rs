//! Nuncio on tokio: a server that runs agents, and a client that follows their jobs, over WebSocket, pipes and memory.
//!
//! The protocol is [`nuncio_core`]'s, the framing [`nuncio_link`]'s; here are sockets, tasks, clocks and reconnecting.
//!
//! ```
//! use nuncio_tokio::{Client, Failure, JobContext, Server, StaticTokens, Submit};
//! use serde::Deserialize;
//! use serde_json::{Value, json};
//!
//! #[derive(Deserialize)]
//! struct Question {
//!     words: Vec<String>,
//! }
//!
//! /// Input and output are anything serde knows.
//! async fn count(question: Question, ctx: JobContext) -> Result<Value, Failure> {
//!     ctx.authorize("tool.call", "counter")?;
//!     ctx.log("info", "counting").await?;
//!     Ok(json!({ "words": question.words.len() }))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .verifier(StaticTokens::new().with("secret", "me@example.com"))
//!     .agent("count", count)
//!     .build()?;
//! let listening = server.listen("127.0.0.1:0").await?;
//!
//! let client = Client::builder(listening.url(), "secret")?.connect().await?;
//! let submit = Submit::new("count")
//!     .input(&json!({"words": ["to", "be", "or"]}))?
//!     .lease(&json!({"tool.call": ["counter"]}))?;
//! let mut job = client.submit(&submit).await?;
//! while let Some(event) = job.events().next().await {
//!     println!("{}: {}", event.kind.as_str(), event.body.as_str());
//! }
//! let answer: Value = job.collect(1 << 20).await?.json()?;
//! assert_eq!(answer, json!({"words": 3}));
//!
//! client.close().await;
//! assert!(server.shutdown(std::time::Duration::from_secs(5)).await);
//! # Ok(())
//! # }
//! ```
//!
//! # Security
//!
//! Features, all off by default: `tls` speaks `wss://` on both sides (`ServerTls`, `ClientTls`) and turns client
//! certificates into principals (`CertificatePrincipals`); `jwt` takes JSON Web Tokens (`JwtVerifier`); `hyper` and `axum`
//! mount a server on an HTTP server that is there already (`MountOptions`). Verifiers are combined by [`Verifier::or`]. A
//! connection has one attempt at a token; [`Config`] bounds the sessions of a principal and the jobs of a session.
//!
//! # Threads
//!
//! A server and a client each start a thread that carries their connections and timers; a server starts another one for
//! its [`Verifier`] and [`Provisioner`]. Agents run on the runtime the server was built on, applications on theirs: one
//! that blocks its thread, or never yields, stalls no connection and no other session.
//!
//! # Logs
//!
//! Everything of note is a `tracing` event, under spans with session, job and trace id, and never with a secret. A
//! program that shows them should cap the target `tungstenite` at `debug`, whatever else it shows: below that, whole
//! frames are logged, tokens included. With `tracing-subscriber` that is a filter like `info,tungstenite=info`. This
//! crate installs no logger.
//!
//! # Dropping
//!
//! Every future here can be dropped at any await: what the protocol has begun goes on, or is released. A dropped
//! [`JobHandle`] leaves its job running, a dropped [`Subscription`] ends, a dropped [`Client`] says goodbye, a dropped
//! [`Server`] ends everything it runs.
#![forbid(unsafe_code)]

mod agent;
mod auth;
#[cfg(feature = "axum")]
pub mod axum;
mod client;
mod clock;
mod conn;
mod context;
mod delegate;
mod effect;
mod error;
#[cfg(feature = "hyper")]
mod host;
mod job;
#[cfg(feature = "jwt")]
mod jwt;
mod memory;
mod pipe;
mod provision;
mod server;
mod shared;
mod stdio;
mod thread;
#[cfg(feature = "tls")]
mod tls;
mod writer;

pub use agent::{Agent, Failure, IntoOutput, Output};
pub use auth::{BoxFuture, Claim, Either, PeerCertificate, Rejection, StaticTokens, Verifier};
pub use client::{
    Chunks, Client, ClientBuilder, Collected, Events, Follow, JobControl, JobHandle, Reconnect, SessionEvent,
    SessionEvents, Submit, Subscription, Transport, Update,
};
pub use context::JobContext;
pub use delegate::{Child, ChildOutcome, Delegation};
pub use error::{BuildError, ClientBuildError, ClientError, ConnectError, SessionEnd};
#[cfg(feature = "hyper")]
pub use host::MountOptions;
#[cfg(feature = "jwt")]
pub use jwt::{JwtError, JwtKeyError, JwtKeys, JwtVerifier};
pub use nuncio_core::arcp::client::{
    Accepted, AgentInfo, AutoAck, ChunkEvent, ClientConfig, ClientRefused, CloseReason, EventKind, JobEvent, JobPage,
    JobRow, ListQuery, LostReason, Outcome, Product, Raw, RemoteFault, RequestFailure, Subscribe, Subscribed, Welcome,
};
pub use nuncio_core::arcp::{
    Access, AnyPrincipal, Body, Compat, Config, Credential, Denied, ErrorCode, Fault, Feature, Features, FinalStatus,
    Json, Number, Policy, Record, Refused, SamePrincipal, Secret, Via,
};
pub use nuncio_core::time::Time;
pub use nuncio_link::{ClientOptions, HostPolicy, InvalidPolicy, OriginPolicy, ServerOptions};
pub use provision::{Grant, Provisioner, Revocation};
pub use server::{Connection, ListenOptions, Listening, Server, ServerBuilder};
pub use thread::IoThread;
#[cfg(feature = "tls")]
pub use tls::{
    Authorities, CertificateNames, CertificatePrincipals, ClientCertificates, ClientTls, Identity, NameKind,
    NoPrincipal, ServerTls, TlsError,
};
/// What a [`JobContext`] is cancelled by.
pub use tokio_util::sync::CancellationToken;
pub use writer::ResultWriter;
