//! ARCP on tokio: a server that runs agents, and a client that follows their jobs, over WebSocket, pipes and memory.
//!
//! ```
//! use nuncio_tokio::arcp::{Client, Failure, JobContext, Level, Server, Shutdown, Submit};
//! use nuncio_tokio::auth::StaticTokens;
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
//!     ctx.log(Level::Info, "counting").await?;
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
//!     .input(&json!({"words": ["to", "be", "or"]}))
//!     .lease(&json!({"tool.call": ["counter"]}));
//! let mut job = client.submit(&submit).await?;
//! while let Some(event) = job.events().try_next().await? {
//!     println!("{}: {}", event.kind.as_str(), event.body.as_str());
//! }
//! let answer: Value = job.result().await?;
//! assert_eq!(answer, json!({"words": 3}));
//!
//! client.close().await;
//! assert_eq!(server.shutdown(std::time::Duration::from_secs(5)).await, Shutdown::Drained);
//! # Ok(())
//! # }
//! ```
//!
//! [`arcp`] has the server, its agents, the client and the journal; [`auth`] finds out who a client is. `nuncio_smol` and
//! `nuncio_tokio` have the same names. `drivers/README.md` in the repository describes how a driver works.
//!
//! # Features
//!
//! All are off by default.
//! - `sqlite` keeps the journal in a file.
//! - `tls` speaks `wss://` on both sides and turns client certificates into principals.
//! - `jwt` accepts JSON Web Tokens.
//! - `console` serves the live page for browsers.
//! - `hyper` and `axum` mount a server on an existing HTTP server.
//! - `cap` has workers, routers and clients of CAP, with the buses and blob stores on NATS and Redis.
//! - `metrics` counts the jobs of CAP.
//! - `caracal` has agent sessions, delegation, contexts on HTTP requests, and a coordinator.
//! - `reqwest` has an HTTP client whose requests carry Caracal's context.
//! - `opentelemetry` makes one trace of client, server, agents and what they delegate.
//!
//! # Threads
//!
//! A server and a client each start a thread for their connections and timers; a server starts another one for its
//! [`Verifier`](auth::Verifier) and [`Provisioner`](arcp::Provisioner), and one for its journal. Agents run on the runtime that the server is built on,
//! or on another executor given to the builder. An agent that blocks its thread delays no connection.
//!
//! # Restarts
//!
//! With a [`Journal`](arcp::journal::Journal), sessions, jobs and events outlive the process, and clients resume as after a
//! lost connection. Nothing is sent before the records that it depends on are committed. Everything that waits is
//! committed together.
//!
//! # Security
//!
//! A connection has one attempt at a token, and [`Config`](arcp::Config) limits the sessions of a principal and the jobs of
//! a session. Without TLS, credentials of jobs are sent over loopback, stdio and memory only.
//!
//! # Logs and traces
//!
//! Events are logged with `tracing`, in spans with the session, job and trace id, and never with a secret. This crate
//! installs no subscriber. Cap the target `tungstenite` at `debug`, as in the filter `info,tungstenite=info`: below that
//! level it logs whole frames, tokens included. The same holds for `ureq_proto`, which Caracal uses.
//!
//! With the feature `opentelemetry` and a layer of `tracing-opentelemetry`, a submit carries the W3C context of its span in
//! `extensions["x-vendor.opentelemetry.tracecontext"]`, and the job's span is below it. A submit keeps an extension or a
//! trace id of its own. The server believes a client's trace context: a sampler that follows the parent lets clients decide.
//!
//! # Dropping
//!
//! Every future can be dropped at any await. A dropped [`JobHandle`](arcp::JobHandle) leaves its job running, a dropped
//! [`Subscription`](arcp::Subscription) ends, a dropped [`Client`](arcp::Client) says goodbye, and a dropped
//! [`Server`](arcp::Server) ends everything that it runs.
#![forbid(unsafe_code)]

pub mod arcp;
#[cfg(any(feature = "cap", feature = "caracal"))]
pub mod bridge;
#[cfg(feature = "cap")]
pub mod cap;
#[cfg(feature = "caracal")]
pub mod caracal;
#[cfg(feature = "console")]
pub mod console;
mod driver;
mod idle;
mod process;
mod socket;
mod stdio;
mod stream;
mod thread;

pub use driver::Tokio;
pub use idle::IdleLimit;
/// Bytes to frames and back, for programs that speak raw frames.
pub use nuncio_link as link;
#[doc(inline)]
pub use nuncio_shared::{auth, io};
pub use socket::Listener;
pub use stream::stream;
pub use thread::IoThread;

/// The example of the workspace's README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
