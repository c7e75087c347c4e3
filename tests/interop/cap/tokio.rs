//! The live conversations with our side on tokio.

use super::on::tokio as on;

#[path = "live/mod.rs"]
mod live;

#[path = "transport/mod.rs"]
mod transport;
