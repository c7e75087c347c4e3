//! CAP, the Cordum Agent Protocol: buses, blob stores and keys.

pub mod blob;
pub mod bus;
mod server;
pub(crate) mod signer;

pub use blob::memory::MemoryStore;
pub use blob::{BlobError, BlobStore, RedisOptions, RedisTls};
pub use bus::memory::MemoryBus;
pub use bus::{
    Acknowledge, Bus, BusError, BusState, Message, NatsLogin, NatsOptions, NatsServer, Received, Subscription,
};
pub use nuncio_core::cap::{InvalidKey, Keyring, PublicKey, Scheme, Secret, Signer, SignerFailed, Verifier};
pub use server::InvalidOptions;
pub use signer::{PrivateKeyError, RingSigner, RingVerifier, read_public_key, write_public_key};
