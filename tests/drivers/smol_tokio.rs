//! A server on smol, clients on tokio.

use crate::on::smol as server;
use crate::on::tokio as client;

#[path = "suite/mod.rs"]
mod suite;
