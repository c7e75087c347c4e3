//! CAP, the Cordum Agent Protocol: workers, clients, routers, NATS, Redis, and a bus and a blob store within one
//! process.

#[doc(inline)]
pub use nuncio_shared::cap::*;

use crate::driver::Smol;

/// A worker on smol.
pub type Worker = nuncio_shared::cap::Worker<Smol>;
/// Makes a [`Worker`].
pub type WorkerBuilder = nuncio_shared::cap::WorkerBuilder<Smol>;
/// A client on smol.
pub type Client = nuncio_shared::cap::Client<Smol>;
/// Makes a [`Client`].
pub type ClientBuilder = nuncio_shared::cap::ClientBuilder<Smol>;
/// A bus on NATS, on smol.
pub type NatsBus = nuncio_shared::cap::NatsBus<Smol>;
/// A blob store on Redis, on smol.
pub type RedisStore = nuncio_shared::cap::RedisStore<Smol>;
/// A router on smol.
pub type Router = nuncio_shared::cap::Router<Smol>;
/// Makes a [`Router`].
pub type RouterBuilder = nuncio_shared::cap::RouterBuilder<Smol>;
/// A bus and a blob store in memory for other processes, on smol.
pub type MemoryServer = nuncio_shared::cap::MemoryServer<Smol>;
