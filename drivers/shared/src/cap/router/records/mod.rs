//! Where a router keeps its records.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::path::PathBuf;

use nuncio_core::cap::{RestoreError, RouterRecord, RouterRecordError};

pub use memory::MemoryRecords;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteRecords;

use crate::io::writer::Commit;

/// A place for the records of a router, which make the jobs that it has accepted outlive it. It is used on a thread of its
/// own and may block.
///
/// Of each job, and of each worker with a trust session, the latest record of each kind is needed, except for those that a
/// later record [replaces](RouterRecord::replaces). A record whose kind is a
/// [removal](nuncio_core::cap::RecordKind::is_removal) is not kept itself.
pub trait Records: Send + 'static {
    /// Reads all records that are needed, each with its number; those of one job or worker in the order of their numbers.
    fn load(&mut self) -> Result<Vec<(u64, RouterRecord)>, RecordsError>;

    /// Makes records durable: all of them, or none. It is called again with the same records if it fails.
    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError>;
}

impl Commit<RouterRecord> for Box<dyn Records> {
    type Fault = RecordsError;

    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError> {
        (**self).commit(records)
    }
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
        error: RouterRecordError,
    },
    /// The records do not belong together.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A store of the application has failed.
    #[error("{0}")]
    Other(String),
}
