//! `nuncio cap`, on servers of the test's own.
//!
//! - [`jobs`]: jobs on a NATS and a Redis server, keys, and what is said when something is missing.
//! - [`trust`]: trust sessions and the production profile. [`site`]: servers, keys and components.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails where an unwrap does")]

mod jobs;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod trust;
