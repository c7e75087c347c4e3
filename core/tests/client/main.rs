//! Tests of the client state machine through its public interface (core/docs/arcp.md, "The client").
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod begun;
mod chunks;
mod dialects;
mod events;
mod fixtures;
mod foreign;
mod handles;
mod liveness;
mod properties;
mod questions;
mod renew;
mod requests;
mod runtimes;
mod session;
mod session_list;
mod silence;
mod status;
mod support;
