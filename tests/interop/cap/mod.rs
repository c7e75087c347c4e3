//! CAP with real peers: a nats-server, a redis-server, and the Python SDKs 2.10.0 and 2.17.0.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::duplicate_mod, reason = "both drivers compile the same conversations")]

mod certificates;
mod durable;
mod nkey;
mod on;
mod packets;
mod servers;
mod smol;
mod tokio;
