//! The live conversations with our side on smol.

use super::on::smol as on;

#[path = "live/mod.rs"]
mod live;

#[path = "transport/mod.rs"]
mod transport;
