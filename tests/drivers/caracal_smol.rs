//! Caracal on smol.

use nuncio_smol::{arcp, caracal};

#[path = "caracal/mod.rs"]
mod suite;
