//! The client machine through its public API: what it sends, and what it survives (wire.md §8).
#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test")]

mod chunks;
mod events;
mod fixtures;
mod handles;
mod liveness;
mod properties;
mod requests;
mod session;
mod support;
