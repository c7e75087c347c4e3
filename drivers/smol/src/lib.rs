//! Nuncio on smol: a server that runs agents, and a client that follows their jobs, over WebSocket, pipes and memory.
//!
//! The protocol is `nuncio-core`'s, the framing [`nuncio_link`]'s, agents and handles are [`nuncio_shared`]'s and shown here; what
//! is written here touches sockets, processes, tasks and timers.
//!
//! ```
//! use nuncio_smol::arcp::{Client, Failure, JobContext, Server, Submit};
//! use nuncio_smol::auth::StaticTokens;
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
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # smol::block_on(async {
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
//! assert!(server.shutdown(std::time::Duration::from_secs(5)).await);
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # Security
//!
//! Features, all off by default: `tls` speaks `wss://` on both sides (`ServerTls`, `ClientTls`) and turns client
//! certificates into principals (`CertificatePrincipals`); `jwt` takes JSON Web Tokens (`JwtVerifier`). Verifiers are combined by [`Verifier::or`](auth::Verifier::or). A
//! connection has one attempt at a token; [`Config`](arcp::Config) bounds the sessions of a principal and the jobs of a session.
//!
//! # Threads
//!
//! A server and a client each start a thread that carries their connections and timers; a server starts another one for
//! its [`Verifier`](auth::Verifier) and [`Provisioner`](arcp::Provisioner). Agents run on smol's global executor or on one they are given, applications
//! on theirs: one that blocks its thread, or never yields, stalls no connection and no other session.
//!
//! # Restarts
//!
//! With a [`Journal`](arcp::journal::Journal), sessions, jobs and events outlive the process: clients resume as if the connection had been lost.
//! `SqliteJournal` (feature `sqlite`) keeps one in a file. Nothing leaves the server that the journal has not committed;
//! everything that waits is one commit.
//!
//! # Logs
//!
//! Everything of note is a `tracing` event, under spans with session, job and trace id, and never with a secret. A
//! program that shows them should cap the target `tungstenite` at `debug`, whatever else it shows: below that, whole
//! frames are logged, tokens included. With `tracing-subscriber` that is a filter like `info,tungstenite=info`. This
//! crate installs no logger.
//!
//! # Traces
//!
//! With the feature `opentelemetry` those spans are one OpenTelemetry trace over client, runtime, agents and what they
//! delegate, wherever a program has a layer of `tracing-opentelemetry`: a submit carries the W3C context of its span in
//! `extensions["x-vendor.opentelemetry.tracecontext"]`, and the job's span is below it. A submit that brings that
//! extension, or a trace id, keeps its own. The runtime believes what a client says of its trace: who samples by the
//! parent lets clients decide. What is said above of `tungstenite` holds for this layer, too.
//!
//! # Dropping
//!
//! Every future here can be dropped at any await: what the protocol has begun goes on, or is released. A dropped
//! [`JobHandle`](arcp::JobHandle) leaves its job running, a dropped [`Subscription`](arcp::Subscription) ends, a dropped [`Client`](arcp::Client) says goodbye, a dropped
//! [`Server`](arcp::Server) ends everything it runs.
#![forbid(unsafe_code)]

pub mod arcp;
mod driver;
mod process;
mod socket;
mod stdio;
mod stream;
mod thread;

pub use driver::Smol;
#[doc(inline)]
pub use nuncio_shared::{auth, io};
pub use socket::Listener;
pub use stream::stream;
pub use thread::IoThread;
