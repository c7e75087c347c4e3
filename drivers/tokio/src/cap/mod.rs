//! CAP, the Cordum Agent Protocol: workers, clients, routers, NATS, Redis, and a bus and a blob store within one process.

mod jetstream;
mod messages;
mod nats;
mod redis;

#[doc(inline)]
pub use nuncio_shared::cap::*;

pub use self::nats::NatsBus;
pub use self::redis::RedisStore;
use crate::driver::Tokio;

/// A worker on tokio.
pub type Worker = nuncio_shared::cap::Worker<Tokio>;
/// Makes a [`Worker`].
pub type WorkerBuilder = nuncio_shared::cap::WorkerBuilder<Tokio>;
/// A client on tokio.
pub type Client = nuncio_shared::cap::Client<Tokio>;
/// Makes a [`Client`].
pub type ClientBuilder = nuncio_shared::cap::ClientBuilder<Tokio>;
/// A router on tokio.
pub type Router = nuncio_shared::cap::Router<Tokio>;
/// Makes a [`Router`].
pub type RouterBuilder = nuncio_shared::cap::RouterBuilder<Tokio>;
/// A bus and a blob store in memory for other processes, on tokio.
pub type MemoryServer = nuncio_shared::cap::MemoryServer<Tokio>;
