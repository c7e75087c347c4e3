//! CAP, the Cordum Agent Protocol: buses and blob stores.

pub mod blob;
pub mod bus;

pub use blob::{BlobError, BlobStore};
pub use bus::{Acknowledge, Bus, BusError, BusState, Message, Received, Subscription};
