//! Caracal on tokio.

use nuncio_tokio::{arcp, bridge, cap, caracal};

#[path = "caracal/mod.rs"]
mod suite;
#[path = "caracal/web.rs"]
mod web;
