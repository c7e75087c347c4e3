//! A server on tokio, clients on smol.

use crate::on::smol as client;
use crate::on::tokio as server;

#[path = "suite/mod.rs"]
mod suite;
