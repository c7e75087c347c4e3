//! The journal in a file: an `SQLite` database with a write-ahead log.
//!
//! A row of the table `batches` holds up to some hundred records that were committed together, one line `number TAB
//! record` each, compressed with LZ4. A row per record would take several times the space. The tables `session_spans` and
//! `job_spans` say which batches hold the events of a session or a job. `SQLite` does not notice when a disk changes what
//! was written; the column `sum` does.

mod batch;
mod compact;
mod convert;
mod database;
mod disk;
mod journal;
mod lock;
mod options;
mod read;

pub use disk::DiskSpace;
pub use journal::{JournalStats, SqliteJournal};
pub use options::{SqliteOptions, Sync};
pub use read::{Committed, JournalContents};
