//! What only a server knows of its state: how its journal and its pools of workers do.

use nuncio_core::arcp::{JournalStatus, PoolStatus};

use crate::arcp::journal::JournalHealth;

/// A pool of workers that agents hand their jobs to.
pub(crate) trait PoolSource: Send + Sync {
    /// Returns how the pool does.
    fn status(&self) -> PoolStatus;
}

/// Returns what operators are told of the journals.
pub(super) fn journal_status(health: JournalHealth) -> JournalStatus {
    JournalStatus {
        bytes: health.bytes,
        max_bytes: health.room.max_bytes,
        free_bytes: health.room.free_bytes,
        commits: health.commits.count(),
        last_commit: health.committed.map(|_| health.last_commit),
        committed: health.committed,
        failing: health.failing_for,
        error: health.error,
    }
}
