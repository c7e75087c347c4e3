//! CAP on tokio.

use nuncio_tokio::cap;

#[path = "cap/mod.rs"]
mod suite;
