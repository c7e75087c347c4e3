//! Journals: records that outlive the process of a server, so that its sessions and jobs do.

mod memory;
mod orders;
mod retention;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod worker;

use std::sync::mpsc::sync_channel;

use nuncio_core::arcp::{AgentSpec, Config, Refused, Runtime};
use nuncio_core::time::Time;

pub use memory::MemoryJournal;
pub use nuncio_core::arcp::{Record, RecordError, ReplayRange, Restored};
pub(crate) use orders::{Order, Orders, Replay};
#[cfg(feature = "sqlite")]
pub use sqlite::{Committed, JournalContents, JournalStats, SqliteJournal, SqliteOptions, Sync};

/// A place where the records of a server are kept. [`MemoryJournal`] and `SqliteJournal` (feature `sqlite`) are the
/// journals of this crate.
///
/// A server calls its journal from one thread, which the journal may block: frames and events that depend on a record wait
/// until it is committed, and everything else goes on. Records are numbered, and the numbers continue after a restart.
/// Loading a journal gives every committed record, except those that the [rules of retention](Record) allow to be removed.
///
/// ```
/// use nuncio_shared::arcp::journal::{Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed};
///
/// /// Counts the commits of another journal.
/// struct Counted {
///     journal: MemoryJournal,
///     commits: u64,
/// }
///
/// impl Journal for Counted {
///     fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
///         self.journal.load(each)
///     }
///
///     fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
///         self.commits += 1;
///         self.journal.commit(records)
///     }
///
///     fn replay(&mut self, range: &ReplayRange, events: usize, bytes: usize) -> Result<Replayed, JournalError> {
///         self.journal.replay(range, events, bytes)
///     }
/// }
/// ```
pub trait Journal: Send + 'static {
    /// Calls `each` with every record, in the order of their numbers, until it returns false.
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError>;

    /// Makes records durable, all of them or none. After an error the server calls it again with the same and later
    /// records, and refuses new work until it succeeds.
    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError>;

    /// Reads the first records of a range: at most `max_events`, and no further ones once they have `max_bytes`.
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
    /// Whether records before the first one were removed.
    pub truncated: bool,
}

/// Why a journal cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the journal open.
    #[error("the journal {0} is in use by another process")]
    Locked(String),
    /// The disk is full.
    #[error("the disk of the journal is full")]
    Full,
    /// The file is damaged, or is not a journal.
    #[error(
        "the file is damaged, or is not a journal: {0}; if it is the right file, restore it from a copy, or begin a new journal elsewhere"
    )]
    Damaged(String),
    /// Another version of the program has written the journal.
    #[error("the journal has the version {found}, this program reads version {known}")]
    Version {
        /// The version of the journal.
        found: u64,
        /// The version that this program reads.
        known: u64,
    },
    /// Any other error of the system.
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

/// Restores a runtime from a journal. The records are read as they are needed and are never all in memory.
/// The runtime refuses agents that are not valid.
pub(crate) fn restore(
    config: Config,
    agents: Vec<AgentSpec>,
    seed: [u8; 32],
    now: Time,
    journal: &mut dyn Journal,
) -> Result<Result<(Runtime, Restored), Refused>, JournalError> {
    const AHEAD: usize = 1024;
    let (sender, records) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let loading = scope.spawn(move || journal.load(&mut |seq, record| sender.send((seq, record)).is_ok()));
        let restored = Runtime::restore(config, agents, seed, now, records);
        match loading.join() {
            Ok(loaded) => loaded.map(|()| restored),
            Err(_) => Err(JournalError::Io("it panicked while it was loaded".to_owned())),
        }
    })
}
