//! Caracal on tokio.

use nuncio_tokio::caracal;

#[path = "caracal/mod.rs"]
mod suite;
#[path = "caracal/web.rs"]
mod web;
