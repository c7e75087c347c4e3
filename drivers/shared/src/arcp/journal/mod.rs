//! What a server keeps beyond its process, so that sessions and jobs survive it.

mod memory;
mod orders;
mod retention;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod worker;

use std::sync::mpsc::sync_channel;

use nuncio_core::arcp::{Config, Runtime};
use nuncio_core::time::Time;

pub use memory::MemoryJournal;
pub use nuncio_core::arcp::{Record, RecordError, ReplayRange, Restored};
pub(crate) use orders::{Order, Orders, Replay};
#[cfg(feature = "sqlite")]
pub use sqlite::{Committed, JournalContents, JournalStats, SqliteJournal, SqliteOptions, Sync};

/// Keeps records. It is used from one thread of the server's own, which it may block: frames and events that depend on a
/// record wait until it is committed, everything else goes on.
///
/// Numbers count on from the last one over restarts. A record that was committed is there when it is loaded again, with
/// all records before it that the [rules of forgetting](Record) have not let go.
pub trait Journal: Send + 'static {
    /// Gives all records in the order of their numbers, until `each` says no.
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError>;

    /// Makes records durable, all or none. A failure is tried again with the same and later records; until it succeeds
    /// the server takes no new work.
    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError>;

    /// Reads back the first records of a range: at most `max_events`, and none more once they have `max_bytes`.
    fn replay(&mut self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> Result<Replayed, JournalError>;

    /// Removes some of the records that are no longer needed, in a few milliseconds. Returns whether more can be removed
    /// right away.
    fn compact_step(&mut self) -> Result<bool, JournalError> {
        Ok(false)
    }
}

/// The answer to a [`ReplayRange`].
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// The first records of the range, in their order.
    pub records: Vec<Record>,
    /// Whether records that would have been the first were let go.
    pub truncated: bool,
}

/// Why a journal cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("the journal {0} is in use by another process")]
    Locked(String),
    /// No room is left.
    #[error("the disk of the journal is full")]
    Full,
    /// It is no journal, or not one any more.
    #[error(
        "the file is damaged, or is no journal: {0}; if it is the right file, restore it from a copy, or begin a new journal elsewhere"
    )]
    Damaged(String),
    /// Another version wrote it.
    #[error("the journal has the version {found}, this program reads version {known}")]
    Version {
        /// What the journal says.
        found: u64,
        /// What this program knows.
        known: u64,
    },
    /// Whatever else the system says.
    #[error("the journal cannot be used: {0}")]
    Io(String),
}

impl From<RecordError> for JournalError {
    fn from(error: RecordError) -> JournalError {
        match error {
            RecordError::Version(found) => JournalError::Version { found, known: u64::from(Record::VERSION) },
            RecordError::Unknown(_) | RecordError::Damaged(_) => JournalError::Damaged(error.to_string()),
        }
    }
}

/// A runtime from a journal. The records pass by one after the other; they are never all in memory.
pub(crate) fn restore(
    config: Config,
    seed: [u8; 32],
    now: Time,
    journal: &mut dyn Journal,
) -> Result<(Runtime, Restored), JournalError> {
    const AHEAD: usize = 1024;
    let (sender, records) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let loading = scope.spawn(move || journal.load(&mut |seq, record| sender.send((seq, record)).is_ok()));
        let restored = Runtime::restore(config, seed, now, records);
        match loading.join() {
            Ok(loaded) => loaded.map(|()| restored),
            Err(_) => Err(JournalError::Io("it panicked while it was loaded".to_owned())),
        }
    })
}
