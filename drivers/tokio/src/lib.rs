//! tokio
mod agent;
mod auth;
mod client;
mod clock;
mod conn;
mod context;
mod delegate;
mod effect;
mod error;
mod job;
mod memory;
mod pipe;
mod provision;
mod server;
mod shared;
mod stdio;
mod thread;
mod writer;

pub use agent::{Agent, Failure, IntoOutput, Output};
pub use auth::{BoxFuture, Claim, Rejection, StaticTokens, Verifier};
pub use client::{
    Chunks, Client, ClientBuilder, Collected, Events, Follow, JobControl, JobHandle, Reconnect, SessionEvent,
    SessionEvents, Submit, Subscription, Transport, Update,
};
pub use context::JobContext;
pub use delegate::{Child, ChildOutcome, Delegation};
pub use error::{BuildError, ClientBuildError, ClientError, ConnectError, SessionEnd};
pub use provision::{Grant, Provisioner, Revocation};
pub use server::{Connection, ListenOptions, Listening, Server, ServerBuilder};
pub use thread::IoThread;
pub use writer::ResultWriter;
