//! Caracal on smol.

use nuncio_smol::{arcp, bridge, cap, caracal};

#[path = "caracal/mod.rs"]
mod suite;
