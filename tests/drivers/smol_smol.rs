//! A server on smol, clients on smol.

use crate::on::smol as client;
use crate::on::smol as server;

#[path = "suite/mod.rs"]
mod suite;
