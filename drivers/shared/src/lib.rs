//! What every Nuncio driver does in the same way, whichever async runtime it is on: the machines behind their locks, agents
//! and what they are given, clients that come back, handles, hooks.
//!
//! Applications use `nuncio-tokio` or `nuncio-smol`, which show all of this under their own names. A driver for another
//! runtime brings an [`Io`](driver::Io) (tasks and timers), streams, and a [`Driver`](driver::Driver) of its own types.
#![forbid(unsafe_code)]

mod agent;
mod auth;
mod builder;
mod client;
mod clock;
mod conn;
mod context;
mod delegate;
pub mod driver;
mod effect;
mod error;
mod hub;
mod job;
mod journal;
#[cfg(feature = "jwt")]
mod jwt;
mod listen;
mod memory;
mod outputs;
mod pipe;
mod provision;
mod server;
mod span;
mod sync;
#[cfg(feature = "tls")]
mod tls;
mod writer;

pub use agent::{Agent, Failure, IntoOutput, Output};
pub use auth::{BoxFuture, Claim, Either, PeerCertificate, Rejection, StaticTokens, Verifier};
pub use builder::ServerBuilder;
pub use client::{
    Chunks, Client, ClientBuilder, Collected, Connector, Events, Follow, Function, JobControl, JobHandle, Reconnect,
    SessionEvent, SessionEvents, Submit, Subscription, Transport, Update, Url,
};
pub use context::JobContext;
pub use delegate::{Child, ChildOutcome, Delegation};
pub use error::{BuildError, ClientBuildError, ClientError, ConnectError, SessionEnd};
#[cfg(feature = "sqlite")]
pub use journal::{Committed, JournalContents, JournalStats, SqliteJournal, SqliteOptions, Sync};
pub use journal::{Journal, JournalError, MemoryJournal, Replayed};
#[cfg(feature = "jwt")]
pub use jwt::{JwtError, JwtKeyError, JwtKeys, JwtVerifier};
pub use listen::{Accept, ListenOptions, Listening};
pub use nuncio_core::arcp::client::{
    Accepted, AgentInfo, AutoAck, ChunkEvent, ClientConfig, ClientRefused, CloseReason, EventKind, JobEvent, JobPage,
    JobRow, ListQuery, LostReason, Outcome, Product, Raw, RemoteFault, RequestFailure, ResumePoint, Subscribe,
    Subscribed, Welcome,
};
pub use nuncio_core::arcp::{
    Access, AnyPrincipal, Body, Compat, Config, Credential, Denied, ErrorCode, Fault, Feature, Features, FinalStatus,
    Json, Number, Policy, Record, RecordError, Refused, ReplayRange, Restored, SamePrincipal, Secret, SessionId, Stats,
    Totals, Via,
};
pub use nuncio_core::time::Time;
pub use nuncio_link::{ClientOptions, HostPolicy, InvalidPolicy, OriginPolicy, ServerOptions};
pub use provision::{Grant, Provisioner, Revocation};
pub use server::{Connection, Door, Opened, Server};
pub use sync::{CancellationToken, Signal};
#[cfg(feature = "tls")]
pub use tls::{
    Authorities, CertificateNames, CertificatePrincipals, ClientCertificates, ClientTls, Identity, NameKind,
    NoPrincipal, ServerTls, TlsError,
};
pub use writer::ResultWriter;
