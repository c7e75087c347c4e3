//! Where a coordinator keeps its records.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

use std::path::PathBuf;

use nuncio_core::caracal::{CoordinatorRecord, CoordinatorRecordError, Secret};

pub use memory::MemoryRecords;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteRecords;
pub(super) use store::Store;

/// A place for the records of a coordinator, which make sessions and edges outlive it, and for the key that signs its
/// tokens. It is used on a thread of its own and may block.
pub trait Records: Send + 'static {
    /// Reads all records, in the order of their numbers.
    fn load(&mut self) -> Result<Vec<(u64, CoordinatorRecord)>, RecordsError>;

    /// Makes records durable: all of them, or none. It is called again with the same records if it fails.
    fn commit(&mut self, records: &[(u64, CoordinatorRecord)]) -> Result<(), RecordsError>;

    /// Deletes all records but those with these numbers, which are in their order. It may keep more.
    fn keep_only(&mut self, needed: &[u64]) -> Result<(), RecordsError>;

    /// Reads the key that signs tokens, or keeps this one if there is none yet.
    fn signing_key(&mut self, new: Secret) -> Result<Secret, RecordsError>;
}

/// Why records cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The file cannot be used.
    #[error("{}: {fault}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault, as a sentence for people.
        fault: String,
    },
    /// A record is damaged, or of a later version.
    #[error("the record {number} cannot be read: {error}")]
    Record {
        /// Its number.
        number: u64,
        /// The fault.
        error: CoordinatorRecordError,
    },
    /// A store of the application has failed.
    #[error("{0}")]
    Other(String),
}
