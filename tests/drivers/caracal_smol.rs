//! Caracal on smol.

use nuncio_smol::caracal;

#[path = "caracal/mod.rs"]
mod suite;
