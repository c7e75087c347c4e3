//! What the connections of a server share.

use std::sync::Arc;

use super::limits::MemoryServerLimits;
use crate::cap::{MemoryBus, MemoryStore};
use crate::io::Io;
use crate::io::clock::Clock;
use crate::io::sync::CancellationToken;

/// What the connections of a server share.
pub(super) struct Site {
    pub(super) bus: MemoryBus,
    pub(super) store: MemoryStore,
    pub(super) io: Arc<dyn Io>,
    pub(super) clock: Clock,
    pub(super) limits: MemoryServerLimits,
    pub(super) closing: CancellationToken,
}
