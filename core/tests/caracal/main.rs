//! Tests of Caracal through its public interface, over exchanges that the Python SDK 0.1.1 had with its coordinator.
#![cfg(feature = "caracal")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod answers;
mod client;
mod context;
mod coordinator;
mod fixtures;
mod headers;
mod properties;
mod requests;
mod routing;
mod vectors;
