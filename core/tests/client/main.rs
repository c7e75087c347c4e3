//! The client machine through its public API: what it sends, and what it survives (core/docs/arcp.md, "The client").
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
