//! The command `nuncio`, as a program with arguments, signals, pipes and sockets.
//!
//! - [`serve`], [`secured`], [`settings`], [`signals`], [`operator`]: the server and its settings. [`exec`]: programs as agents.
//! - [`console`]: the live page, in a browser. [`client`]: the client's commands. [`python`]: the same with the runtime of the Python SDK. [`demo`]: `nuncio demo`.
//! - [`conformance`]: `nuncio conformance`, with runtimes and clients that have a fault.
//! - [`logs`]: the log of servers. [`journal`]: the journal of a server. [`cap`], [`caracal`]: the commands of the other protocols.
//! - [`metrics`], with [`exposition`], which reads their format; [`systemd`] and [`packaging`]: the server as a service.
//! - [`messages`]: what is said of wrong input. [`support`]: runs the program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where an unwrap does")]

#[cfg(unix)]
mod cap;
#[cfg(unix)]
mod caracal;
mod client;
mod conformance;
#[cfg(unix)]
mod console;
mod demo;
#[cfg(unix)]
mod exec;
mod exposition;
#[cfg(unix)]
mod journal;
#[cfg(unix)]
mod logs;
mod messages;
mod metrics;
mod operator;
#[cfg(unix)]
mod packaging;
mod python;
mod secured;
mod serve;
#[cfg(unix)]
mod settings;
#[cfg(unix)]
mod signals;
mod starting;
mod status;
mod support;
#[cfg(target_os = "linux")]
mod systemd;
