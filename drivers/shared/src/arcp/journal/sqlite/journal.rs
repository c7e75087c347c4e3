//! The journal in an `SQLite` file.

use std::path::{Path, PathBuf};

use nuncio_core::arcp::{Record, ReplayRange};
use rusqlite::params;

use super::batch::{Batch, Draft};
use super::compact::{Compacted, Compaction};
use super::convert::{fault, readable, signed};
use super::database::Database;
use super::disk::DiskSpace;
use super::options::SqliteOptions;
use crate::arcp::journal::memory::Answer;
use crate::arcp::journal::retention::Retention;
use crate::arcp::journal::{Assigned, Journal, JournalError, JournalRoom, Replayed, Shard};
use crate::io::clock::wall;

/// What a journal file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// The number of records.
    pub records: u64,
    /// The number of the first record; 0 if there is none.
    pub first: u64,
    /// The number of the last record; 0 if there is none.
    pub last: u64,
    /// The number of bytes in use, without the write-ahead log.
    pub bytes: u64,
}

/// A journal in an `SQLite` file.
///
/// `SQLite` keeps `-wal` and `-shm` files beside it, and without the former the file is not whole until it is closed; a
/// [backup](SqliteJournal::backup) is. One process can [open](SqliteJournal::open) the file at a time, whatever paths lead to
/// it; others can [look](SqliteJournal::look) at it meanwhile.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = std::env::temp_dir().join(format!("nuncio-journal-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let file = directory.join("jobs.db");
/// use nuncio_shared::arcp::journal::{SqliteJournal, SqliteOptions};
///
/// let journal = SqliteJournal::open(&file, SqliteOptions::default())?;
/// assert_eq!(journal.stats()?.records, 0);
/// // A server takes it with `Server::builder().journal(journal)`.
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// ```
pub struct SqliteJournal {
    path: PathBuf,
    pub(super) database: Database,
    options: SqliteOptions,
    pub(super) retention: Retention,
    compaction: Compaction,
}

impl SqliteJournal {
    /// Opens a journal for a server. The file is created if it does not exist, readable by the user of this process
    /// alone, since events may be confidential.
    ///
    /// Errors: [`JournalError::Locked`], [`JournalError::Version`], [`JournalError::Damaged`] for a file that is not a
    /// journal, [`JournalError::Full`], [`JournalError::Io`]. Damage to records is found when they are loaded.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<SqliteJournal, JournalError> {
        let database = Database::open(path.as_ref(), options.sync)?;
        Ok(SqliteJournal::new(path.as_ref(), database, options))
    }

    /// Opens a journal to look at it, while another process may be using it. [`load`](Journal::load),
    /// [`replay`](Journal::replay), [`after`](SqliteJournal::after), [`stats`](SqliteJournal::stats) and the other
    /// methods that read work; commits fail.
    pub fn look(path: impl AsRef<Path>) -> Result<SqliteJournal, JournalError> {
        let database = Database::look(path.as_ref())?;
        Ok(SqliteJournal::new(path.as_ref(), database, SqliteOptions::default()))
    }

    fn new(path: &Path, database: Database, options: SqliteOptions) -> SqliteJournal {
        let (retention, compaction) = (Retention::default(), Compaction::default());
        SqliteJournal { path: path.to_owned(), database, options, retention, compaction }
    }

    /// Writes everything that was committed to another file, which must not exist. A server may be writing the journal
    /// meanwhile. The copy is whole by itself; it is checked, and appears under its name once it is. Returns what is in it.
    /// Each shard of a server has a file of its own, and only that is copied.
    ///
    /// Errors: [`JournalError::CopyExists`], [`JournalError::Copy`], and those of a journal that cannot be read.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<JournalStats, JournalError> {
        self.database.copy_to(to.as_ref(), |part| SqliteJournal::look(part)?.check())
    }

    /// Whether the file system has less free space than is to be left.
    fn is_low(&self) -> bool {
        let min = self.options.min_free;
        min > 0 && DiskSpace::of(&self.path).is_some_and(|space| space.free < min)
    }

    /// Returns the shard whose records the file has ([`Journal::assign`]); `None` of a file without records that was never
    /// one of several shards.
    pub fn shard(&self) -> Result<Option<Shard>, JournalError> {
        self.database.shard()
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts the records in the file.
    pub fn stats(&self) -> Result<JournalStats, JournalError> {
        let mut stats = JournalStats { bytes: self.database.bytes()?, ..JournalStats::default() };
        self.database.batches(&mut |batch| {
            for line in batch.lines() {
                let (seq, _) = line?;
                stats.records += 1;
                stats.first = if stats.first == 0 { seq } else { stats.first };
                stats.last = seq;
            }
            Ok(true)
        })?;
        Ok(stats)
    }

    /// Reads the whole file and checks its structure and every record.
    ///
    /// Errors: [`JournalError::Damaged`], with the first fault that is found.
    pub fn check(&self) -> Result<JournalStats, JournalError> {
        self.database.check_structure()?;
        let mut last = 0;
        self.database.batches(&mut |batch| {
            for line in batch.lines() {
                let (seq, record) = line?;
                if seq <= last {
                    return Err(JournalError::Damaged(format!("the record {seq} follows the record {last}")));
                }
                last = seq;
                readable(record)?;
            }
            Ok(true)
        })?;
        self.stats()
    }

    /// Removes every record that is no longer needed and gives the space back to the file system. A running server does
    /// the same in small steps; this method returns when the whole file is done.
    pub fn compact(&mut self) -> Result<JournalStats, JournalError> {
        self.load(&mut |_, _| true)?;
        // The record that ends something is removed after the record that began it, in a second pass.
        for _ in 0..2 {
            self.compaction = Compaction::begun();
            while self.compact_step()? {}
        }
        self.database.execute("VACUUM; PRAGMA wal_checkpoint(RESTART)")?;
        self.stats()
    }
}

impl Journal for SqliteJournal {
    fn assign(&mut self, shard: Shard) -> Result<Assigned, JournalError> {
        let assigned = shard.check(self.database.shard()?)?;
        if assigned == Assigned::New && shard != Shard::ONLY {
            self.database.set_shard(shard)?;
        }
        Ok(assigned)
    }

    fn shard(&self) -> Result<Option<Shard>, JournalError> {
        self.database.shard()
    }

    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        let mut retention = Retention::default();
        self.database.batches(&mut |batch| {
            for line in batch.lines() {
                let (seq, record) = line?;
                let Some(record) = readable(record)? else { continue };
                retention.observe(seq, &record);
                if !each(seq, record) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        self.retention = retention;
        // How much the file has grown since the last pass is not stored, and a server that never runs for long has to
        // compact its journal as well.
        self.compaction = Compaction::begun();
        Ok(())
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        self.database.check_place()
    }

    fn room(&self) -> JournalRoom {
        let free_bytes = DiskSpace::of(&self.path).map(|space| space.free);
        JournalRoom { max_bytes: self.options.max_bytes, free_bytes }
    }

    fn bytes(&self) -> Option<u64> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let length = |path: &Path| path.metadata().ok().map(|metadata| metadata.len());
        Some(length(&self.path)?.saturating_add(length(Path::new(&log)).unwrap_or(0)))
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        self.database.check_place()?;
        let batches = Batch::cut(records, wall());
        let is_low = self.is_low();
        let SqliteJournal { database, options, retention, compaction, .. } = self;
        let bytes = batches.iter().map(Draft::len).sum();
        compaction.make_room(batches.len(), bytes, &mut Compacted { database, retention, options, is_low })?;
        let transaction = database.transaction()?;
        let mut bytes = 0;
        for batch in batches {
            bytes += batch.insert(&transaction).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        for (seq, record) in records {
            retention.observe(*seq, record);
        }
        compaction.grow(bytes);
        Ok(())
    }

    fn replay(&mut self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> Result<Replayed, JournalError> {
        let mut answer = Answer::new(*range, max_events, max_bytes);
        let (sql, name, low, high) = match range {
            ReplayRange::Session { session, after, before } => (
                "SELECT b.first, b.at, b.sum, b.data FROM session_spans s JOIN batches b ON b.first = s.batch
                 WHERE s.session = ?1 AND s.low < ?3 AND s.low >= coalesce(
                     (SELECT max(low) FROM session_spans WHERE session = ?1 AND low <= ?2 + 1), 0)
                 ORDER BY s.low",
                session.to_string(),
                *after,
                *before,
            ),
            ReplayRange::Job { job, position, after } => (
                "SELECT b.first, b.at, b.sum, b.data FROM job_spans j JOIN batches b ON b.first = j.batch
                 WHERE j.job = ?1 AND j.high >= ?2 AND j.high_number > ?3 ORDER BY j.low",
                job.to_string(),
                *position,
                *after,
            ),
        };
        let mut rows = self.database.connection().prepare(sql).map_err(fault)?;
        let mut rows = rows.query(params![name, signed(low), signed(high)]).map_err(fault)?;
        'read: while let Some(row) = rows.next().map_err(fault)? {
            let batch = Batch::of(row)?;
            for line in batch.lines() {
                let Some(record) = readable(line?.1)? else { continue };
                if !answer.take(&record) {
                    break 'read;
                }
            }
        }
        if let ReplayRange::Job { job, position, after } = *range {
            if let Some(first) = answer.in_doubt() {
                answer.settle(self.is_begun_at(job, first, after)?);
            }
            // Gaps matter only to a reader that begins with the job.
            if position == 0 && self.has_gaps(job, after)? {
                answer.settle(false);
            }
        }
        Ok(answer.finish())
    }

    fn compact_step(&mut self) -> Result<bool, JournalError> {
        let is_low = self.is_low();
        let SqliteJournal { database, options, retention, compaction, .. } = self;
        compaction.step(&mut Compacted { database, retention, options, is_low })
    }
}

impl std::fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteJournal")
            .field("path", &self.path)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
