//! CAP, the Cordum Agent Protocol: buses and blob stores.

pub mod blob;
pub mod bus;
mod server;

pub use blob::{BlobError, BlobStore, RedisOptions, RedisTls};
pub use bus::{
    Acknowledge, Bus, BusError, BusState, Message, NatsLogin, NatsOptions, NatsServer, Received, Subscription,
};
pub use nuncio_core::cap::Secret;
pub use server::InvalidOptions;
