//! The client's commands, with a runtime in the test's process.
//!
//! - [`submitting`]: results, flags, exit codes. [`json`]: `--json`. [`connection`]: the token, reconnecting.
//! - [`terminal`]: bars, colours and Ctrl-C on a pseudo-terminal. [`listing`]: `jobs`, `sessions`. [`detached`]: `tail`, `cancel`.
//! - [`asking`]: `questions`, `answer`.
//! - [`help`]: help texts, completions, man pages.
//!
//! Agents wait for permits that the test issues, so nothing sleeps.

mod agents;
mod asking;
mod connection;
mod contexts;
mod detached;
mod help;
mod json;
mod listing;
mod looking;
mod output;
mod runtime;
mod submitting;
#[cfg(unix)]
mod terminal;
