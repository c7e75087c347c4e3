//! CAP on smol.

use nuncio_smol::{arcp, bridge, cap};

#[path = "cap/mod.rs"]
mod suite;
