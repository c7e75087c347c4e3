//! The database file: its lock, its form, and its batches.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction};

use super::batch::Batch;
use super::convert::fault;
use super::options::Sync;
use crate::arcp::journal::JournalError;

/// "Nunc", in the header of the file.
const APPLICATION: i64 = 0x4e75_6e63;
const VERSION: i64 = 1;
/// How long to wait for another process that is reading the file.
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

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    /// Locked for as long as the database is open for writing.
    _lock: Option<File>,
}

impl Database {
    /// Opens a database for writing, and creates it if it does not exist. Only the user of this process may read it.
    pub(super) fn open(path: &Path, sync: Sync) -> Result<Database, JournalError> {
        let lock = lock(path)?;
        // An existing file is not opened here: closing it would release the locks that this process has on it.
        match private().create_new(true).open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(JournalError::Io(error.to_string())),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let database = Database::connect(path, flags, Some(lock))?;
        if database.is_empty()? {
            database.execute("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL")?;
            database.execute(&format!(
                "BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {SCHEMA} COMMIT"
            ))?;
        }
        database.check_form()?;
        let sync = match sync {
            Sync::Full => "FULL",
            Sync::Normal => "NORMAL",
        };
        database.execute(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {sync}"))?;
        Ok(database)
    }

    /// Opens a database for reading; another process may be writing it.
    pub(super) fn look(path: &Path) -> Result<Database, JournalError> {
        let database = Database::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, None)?;
        database.check_form()?;
        Ok(database)
    }

    fn connect(path: &Path, flags: OpenFlags, lock: Option<File>) -> Result<Database, JournalError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        connection.busy_timeout(BUSY).map_err(fault)?;
        Ok(Database { connection, _lock: lock })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn transaction(&mut self) -> Result<Transaction<'_>, JournalError> {
        self.connection.transaction().map_err(fault)
    }

    pub(super) fn execute(&self, statements: &str) -> Result<(), JournalError> {
        self.connection.execute_batch(statements).map_err(fault)
    }

    /// Returns the number of bytes in use, without the write-ahead log.
    pub(super) fn bytes(&self) -> Result<u64, JournalError> {
        let used = self.pragma("page_count")? - self.pragma("freelist_count")?;
        let page = self.pragma("page_size")?;
        Ok(u64::try_from(used.saturating_mul(page)).unwrap_or(0))
    }

    /// Visits all batches in their order, until `each` returns false.
    pub(super) fn batches(
        &self,
        each: &mut dyn FnMut(&Batch) -> Result<bool, JournalError>,
    ) -> Result<(), JournalError> {
        let sql = "SELECT first, at, sum, data FROM batches ORDER BY first";
        let mut rows = self.connection.prepare(sql).map_err(fault)?;
        let mut rows = rows.query([]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            if !each(&Batch::of(row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// Checks the structure of the file.
    ///
    /// Errors: [`JournalError::Damaged`], with the first fault that `SQLite` finds.
    pub(super) fn check_structure(&self) -> Result<(), JournalError> {
        let sql = "PRAGMA integrity_check(1)";
        let verdict: String = self.connection.query_row(sql, [], |row| row.get(0)).map_err(fault)?;
        if verdict == "ok" { Ok(()) } else { Err(JournalError::Damaged(verdict)) }
    }

    /// Checks that the file is a journal of this version.
    fn check_form(&self) -> Result<(), JournalError> {
        if self.is_empty()? {
            return Err(JournalError::Io("nothing was ever written to it".to_owned()));
        }
        if self.pragma("application_id")? != APPLICATION {
            return Err(JournalError::Damaged("the file is a database of another program".to_owned()));
        }
        match self.pragma("user_version")? {
            VERSION => Ok(()),
            found => {
                let found = u64::try_from(found).unwrap_or(0);
                Err(JournalError::Version { found, known: VERSION.unsigned_abs() })
            }
        }
    }

    fn is_empty(&self) -> Result<bool, JournalError> {
        let sql = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = self.connection.query_row(sql, [], |row| row.get(0)).map_err(fault)?;
        Ok(tables == 0)
    }

    fn pragma(&self, name: &str) -> Result<i64, JournalError> {
        self.connection.pragma_query_value(None, name, |row| row.get(0)).map_err(fault)
    }
}

/// Options to write a file that only its owner may read if it is created.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Locks the file `.lock` beside a journal.
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk_if_it_is_to_survive_the_machine() {
        let path = std::env::temp_dir().join(format!("nuncio-sync-{}", std::process::id()));
        for (sync, level) in [(Sync::Full, 2), (Sync::Normal, 1), (Sync::Full, 2)] {
            let database = Database::open(&path, sync).unwrap();
            assert_eq!(database.pragma("synchronous").unwrap(), level, "{sync:?}");
            let mode = database.connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
            assert_eq!(mode.unwrap(), "wal");
        }
        for suffix in ["", ".lock"] {
            std::fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
        }
    }
}
