//! CAP on smol.

use nuncio_smol::cap;

#[path = "cap/mod.rs"]
mod suite;
