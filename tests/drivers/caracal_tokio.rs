//! Caracal on tokio.

use nuncio_tokio::{arcp, caracal};

#[path = "caracal/mod.rs"]
mod suite;
#[path = "caracal/web.rs"]
mod web;
