//! The journal in a file: `SQLite` with a write-ahead log.
//!
//! A row of `batches` holds up to some hundred records, one line `number TAB record` each, as they were committed
//! together and compressed: a record of its own row would cost several times as much. Where the events of a session or job are is in
//! `session_spans` and `job_spans`. `SQLite` does not notice when a disk changes what was written; `sum` does.

mod batch;
mod read;
mod tend;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nuncio_core::arcp::{Record, ReplayRange};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use self::batch::Batch;
pub use self::read::{Committed, JournalContents};
use self::tend::Tending;
use super::living::Living;
use super::memory::Answer;
use super::{Journal, JournalError, Replayed};
use crate::io::clock::wall;

/// "Nunc", in the header of the file.
const APPLICATION: i64 = 0x4e75_6e63;
const VERSION: i64 = 1;
/// How long another process's look at the file is waited for.
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE batches (
        first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, sum INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT;
    CREATE TABLE session_spans (
        session TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, batch INTEGER NOT NULL,
        PRIMARY KEY (session, low)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE job_spans (
        job TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
        low_number INTEGER NOT NULL, high_number INTEGER NOT NULL, batch INTEGER NOT NULL,
        PRIMARY KEY (job, low)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX session_spans_batch ON session_spans (batch);
    CREATE INDEX job_spans_batch ON job_spans (batch);
";

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The end of the process, and of the machine: every commit waits for the disk.
    #[default]
    Full,
    /// The end of the process. When the machine loses power the last moments may be missing; never anything before what
    /// is there.
    Normal,
}

/// How a journal is kept in a file.
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// What a commit survives. Default: [`Sync::Full`].
    pub sync: Sync,
    /// How long events are kept for those who may ask for them again: sessions that have not acknowledged them,
    /// subscriptions. Default 24 h.
    pub retain: Duration,
    /// Bytes of the file beyond which the oldest events go before their time. What is no event stays. Default: no limit.
    pub max_bytes: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions { sync: Sync::Full, retain: Duration::from_hours(24), max_bytes: None }
    }
}

/// What a journal file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Records.
    pub records: u64,
    /// The number of the first one; 0 if there is none.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// Bytes in use, without the write-ahead log.
    pub bytes: u64,
}

/// A journal in an `SQLite` file, with `-wal`, `-shm` and `.lock` beside it. One process uses it at a time; others may
/// [look](SqliteJournal::look).
pub struct SqliteJournal {
    path: PathBuf,
    db: Connection,
    options: SqliteOptions,
    living: Living,
    tending: Tending,
    /// Held for as long as the journal is.
    _lock: Option<File>,
}

impl SqliteJournal {
    /// Opens a journal, or begins a new one, for the owner of the process alone: events may be nobody else's business.
    ///
    /// Errors: [`JournalError::Locked`], [`JournalError::Version`], [`JournalError::Damaged`] for a file that is no
    /// journal, [`JournalError::Full`], [`JournalError::Io`]. Damage inside shows when it is loaded.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<SqliteJournal, JournalError> {
        let path = path.as_ref().to_owned();
        let lock = lock(&path)?;
        // Never one that is there: closing it would take the locks of this process away from it.
        match private().create_new(true).open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(JournalError::Io(error.to_string())),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
        let mut journal = SqliteJournal::of(path, db, options, Some(lock));
        journal.prepare()?;
        Ok(journal)
    }

    /// Opens a journal that another process may be using, to look at it: [`load`](Journal::load),
    /// [`after`](SqliteJournal::after), [`replay`](Journal::replay), [`stats`](SqliteJournal::stats) and the like work,
    /// commits fail.
    pub fn look(path: impl AsRef<Path>) -> Result<SqliteJournal, JournalError> {
        let path = path.as_ref().to_owned();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags).map_err(fault)?;
        let journal = SqliteJournal::of(path, db, SqliteOptions::default(), None);
        journal.db.busy_timeout(BUSY).map_err(fault)?;
        journal.check_form()?;
        Ok(journal)
    }

    fn of(path: PathBuf, db: Connection, options: SqliteOptions, lock: Option<File>) -> SqliteJournal {
        SqliteJournal { path, db, options, living: Living::default(), tending: Tending::default(), _lock: lock }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    pub fn stats(&self) -> Result<JournalStats, JournalError> {
        let mut stats = JournalStats { bytes: self.bytes()?, ..JournalStats::default() };
        self.batches(&mut |batch| {
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

    /// Reads all of the file, its structure and every record.
    ///
    /// Errors: [`JournalError::Damaged`], which says what is wrong first.
    pub fn check(&self) -> Result<JournalStats, JournalError> {
        let verdict: String = self.db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fault)?;
        if verdict != "ok" {
            return Err(JournalError::Damaged(verdict));
        }
        let mut last = 0;
        self.batches(&mut |batch| {
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

    /// Lets go of everything that is not needed any more and gives the room back to the system. It takes its time: a
    /// running server does the same a little at a time.
    pub fn compact(&mut self) -> Result<JournalStats, JournalError> {
        self.learn()?;
        // What ends something goes after what began it: the second time.
        for _ in 0..2 {
            self.tending = Tending::now();
            while self.tend()? {}
        }
        self.db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").map_err(fault)?;
        self.stats()
    }

    fn prepare(&mut self) -> Result<(), JournalError> {
        self.db.busy_timeout(BUSY).map_err(fault)?;
        if self.is_empty()? {
            self.db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL").map_err(fault)?;
            let begin = format!(
                "BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {SCHEMA} COMMIT"
            );
            self.db.execute_batch(&begin).map_err(fault)?;
        }
        self.check_form()?;
        let sync = match self.options.sync {
            Sync::Full => "FULL",
            Sync::Normal => "NORMAL",
        };
        let pragmas = format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {sync}");
        self.db.execute_batch(&pragmas).map_err(fault)
    }

    fn is_empty(&self) -> Result<bool, JournalError> {
        let tables: i64 =
            self.db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
        Ok(tables == 0)
    }

    /// Whether the file is a journal of this version.
    fn check_form(&self) -> Result<(), JournalError> {
        if self.is_empty()? {
            return Err(JournalError::Io("nothing was ever written to it".to_owned()));
        }
        let pragma = |name: &str| self.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        if pragma("application_id").map_err(fault)? != APPLICATION {
            return Err(JournalError::Damaged("the file is a database of another program".to_owned()));
        }
        match pragma("user_version").map_err(fault)? {
            VERSION => Ok(()),
            found => {
                let found = u64::try_from(found).unwrap_or(0);
                Err(JournalError::Version { found, known: VERSION.unsigned_abs() })
            }
        }
    }

    /// Bytes in use.
    fn bytes(&self) -> Result<u64, JournalError> {
        let pragma = |name: &str| self.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let used = pragma("page_count").map_err(fault)? - pragma("freelist_count").map_err(fault)?;
        let page = pragma("page_size").map_err(fault)?;
        Ok(u64::try_from(used.saturating_mul(page)).unwrap_or(0))
    }

    fn batches(&self, each: &mut dyn FnMut(&Batch) -> Result<bool, JournalError>) -> Result<(), JournalError> {
        let mut rows = self.db.prepare("SELECT first, at, sum, data FROM batches ORDER BY first").map_err(fault)?;
        let mut rows = rows.query([]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            if !each(&Batch::of(row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// Finds out what is needed.
    fn learn(&mut self) -> Result<(), JournalError> {
        let mut living = Living::default();
        self.batches(&mut |batch| {
            for line in batch.lines() {
                let (seq, record) = line?;
                if let Some(record) = readable(record)? {
                    living.note(seq, &record);
                }
            }
            Ok(true)
        })?;
        self.living = living;
        Ok(())
    }
}

impl Journal for SqliteJournal {
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        let mut living = Living::default();
        self.batches(&mut |batch| {
            for line in batch.lines() {
                let (seq, record) = line?;
                let Some(record) = readable(record)? else { continue };
                living.note(seq, &record);
                if !each(seq, record) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        self.living = living;
        // How much of it was written since the last look nobody knows: servers that never run for long must tidy up, too.
        self.tending = Tending::now();
        Ok(())
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        let batches = Batch::cut(records, wall());
        self.make_room(batches.len())?;
        let transaction = self.db.transaction().map_err(fault)?;
        let mut bytes = 0;
        for batch in batches {
            bytes += batch.insert(&transaction).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        for (seq, record) in records {
            self.living.note(*seq, record);
        }
        self.tending.grown(bytes);
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
        let (low, high) = (signed(low), signed(high));
        let mut rows = self.db.prepare(sql).map_err(fault)?;
        let mut rows = rows.query(params![name, low, high]).map_err(fault)?;
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
            // Further on nobody looks at what is missing.
            if position == 0 && self.has_gaps(job, after)? {
                answer.settle(false);
            }
        }
        Ok(answer.finish())
    }

    fn tend(&mut self) -> Result<bool, JournalError> {
        self.tend_a_little()
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

/// `None` for a kind that came later under the same version, which can be passed over.
fn readable(record: &[u8]) -> Result<Option<Record>, JournalError> {
    match Record::decode(record) {
        Ok(record) => Ok(Some(record)),
        Err(nuncio_core::arcp::RecordError::Unknown(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// To write a file that is its owner's alone if it has to be made.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = private().create(true).truncate(false).open(beside);
    let file = file.map_err(|error| JournalError::Io(error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(JournalError::Io(error.to_string())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn fault(error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Damaged(error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Locked("file".to_owned()),
        _ => JournalError::Io(error.to_string()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk_where_it_is_to() {
        let path = std::env::temp_dir().join(format!("nuncio-sync-{}", std::process::id()));
        for (sync, level) in [(Sync::Full, 2), (Sync::Normal, 1), (Sync::Full, 2)] {
            let journal = SqliteJournal::open(&path, SqliteOptions { sync, ..SqliteOptions::default() }).unwrap();
            let pragma = |name: &str| journal.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(pragma("synchronous"), level, "{sync:?}");
            let mode: String = journal.db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
        for suffix in ["", ".lock"] {
            std::fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
        }
    }
}
