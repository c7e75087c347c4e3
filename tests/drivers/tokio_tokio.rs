//! A server on tokio, clients on tokio.

use crate::on::tokio as client;
use crate::on::tokio as server;

#[path = "suite/mod.rs"]
mod suite;
