//! CAP on tokio.

use nuncio_tokio::{arcp, bridge, cap};

#[path = "cap/mod.rs"]
mod suite;
