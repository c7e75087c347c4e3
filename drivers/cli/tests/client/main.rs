//! The client's side of the command as a user and a program have it, against a runtime in the test's process.
//!
//! - [`submitting`]: results, flags, exit codes. [`json`]: lines for programs. [`connection`]: token, reconnecting.
//! - [`terminal`]: bars, colours and Ctrl-C on a pseudo-terminal. [`listing`]: `jobs`. [`detached`]: `tail`, `cancel`.
//! - [`help`]: every help, completions, man pages.
//!
//! Agents wait for permits that the test gives: nothing sleeps.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

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
