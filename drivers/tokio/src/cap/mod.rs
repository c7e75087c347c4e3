//! CAP, the Cordum Agent Protocol, on NATS and Redis.

mod nats;
mod redis;

#[doc(inline)]
pub use nuncio_shared::cap::*;

pub use self::nats::NatsBus;
pub use self::redis::RedisStore;
