//! The client's commands, with a runtime in the test's process.
//!
//! - [`submitting`]: results, flags, exit codes. [`json`]: `--json`. [`connection`]: the token, reconnecting.
//! - [`terminal`]: bars, colours and Ctrl-C on a pseudo-terminal. [`listing`]: `jobs`. [`detached`]: `tail`, `cancel`.
//! - [`help`]: help texts, completions, man pages.
//!
//! Agents wait for permits that the test issues, so nothing sleeps.
#![allow(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

mod agents;
mod connection;
mod detached;
mod help;
mod json;
mod listing;
mod runtime;
mod submitting;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
mod terminal;
