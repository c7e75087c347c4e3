//! The database file: its lock, its form, and its batches.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction};
use tracing::warn;

use super::batch::Batch;
use super::convert::fault;
use super::disk::unsafe_file_system;
use super::lock::Lock;
use super::options::Sync;
use crate::arcp::journal::{JournalError, Shard};
use crate::io::Sanitized;
use crate::io::sqlite_log::{beside, orphaned_log, resolved};

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

/// Whether the journal is in use, so that the file is not whole without its write-ahead log. Journals of earlier versions do
/// not have the table.
const USE: &str = "CREATE TABLE IF NOT EXISTS in_use (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER) STRICT;
    INSERT OR REPLACE INTO in_use VALUES (1, 1)";
const NO_USE: &str = "UPDATE in_use SET value = 0";

/// The shard whose records the journal has, from 0 on, and how many there are. A journal without the table is that of a server
/// without shards.
const SHARD: &str = "CREATE TABLE IF NOT EXISTS shard (
        one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, number_of_all INTEGER NOT NULL
    ) STRICT";

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    /// Held for as long as the database is open for writing. It is dropped after the connection: closing the file releases the
    /// locks of `SQLite`.
    lock: Option<Lock>,
    /// Whether the file says that it is in use.
    is_in_use: bool,
}

impl Database {
    /// Opens a database for writing, and creates it if it does not exist. Only the user of this process may read it.
    pub(super) fn open(path: &Path, sync: Sync) -> Result<Database, JournalError> {
        check_file(path)?;
        check_log(path)?;
        let lock = Lock::take(path)?;
        check_whole(path)?;
        if let Some(kind) = unsafe_file_system(path) {
            warn!(
                journal = ?path,
                "the journal is on a file system of the kind {kind}, which other machines may use as well; it can be damaged \
                 there, so keep it on a local disk"
            );
        }
        let mut database = Database::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Some(lock))?;
        if database.is_empty()? {
            // Before there is a write-ahead log, so that the file is either empty or whole.
            database.execute(&format!(
                "PRAGMA auto_vacuum = INCREMENTAL;
                 BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {SCHEMA} COMMIT"
            ))?;
        }
        database.check_form()?;
        let sync = match sync {
            Sync::Full => "FULL",
            Sync::Normal => "NORMAL",
        };
        // The log stays beside the file until `close`, whatever happens before.
        database.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fault)?;
        database.execute(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {sync}; {USE}"))?;
        database.is_in_use = true;
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")?;
        Ok(database)
    }

    /// Opens a database for reading; another process may be writing it.
    pub(super) fn look(path: &Path) -> Result<Database, JournalError> {
        check_file(path)?;
        check_log(path)?;
        check_whole(path)?;
        let database = Database::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, None)?;
        database.check_form()?;
        Ok(database)
    }

    fn connect(path: &Path, flags: OpenFlags, lock: Option<Lock>) -> Result<Database, JournalError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        connection.busy_timeout(BUSY).map_err(fault)?;
        Ok(Database { path: path.to_owned(), connection, lock, is_in_use: false })
    }

    /// Errors: [`JournalError::Gone`] if the file was deleted, moved or replaced.
    pub(super) fn check_place(&self) -> Result<(), JournalError> {
        match &self.lock {
            Some(lock) if !lock.is_at_its_path() => Err(JournalError::Gone(self.path.display().to_string())),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that the file is whole without its write-ahead log, into which nothing is written any more.
    fn close(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(NO_USE)?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
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

    /// Returns the shard whose records the journal has. It is not known of one without records that was never one of several.
    pub(super) fn shard(&self) -> Result<Option<Shard>, JournalError> {
        let number = |sql: &str| self.connection.query_row(sql, [], |row| row.get::<_, u32>(0)).map_err(fault);
        if number("SELECT count(*) FROM sqlite_schema WHERE name = 'shard'")? > 0 {
            let shard =
                Shard { number: number("SELECT number FROM shard")?, of: number("SELECT number_of_all FROM shard")? };
            return Ok(Some(shard));
        }
        let is_new = number("SELECT NOT EXISTS (SELECT 1 FROM batches)")? == 1;
        Ok((!is_new).then_some(Shard::ONLY))
    }

    /// Notes the shard whose records the journal has from now on. It has none yet.
    pub(super) fn set_shard(&mut self, shard: Shard) -> Result<(), JournalError> {
        let transaction = self.transaction()?;
        transaction.execute_batch(SHARD).map_err(fault)?;
        transaction.execute("INSERT INTO shard VALUES (1, ?1, ?2)", (shard.number, shard.of)).map_err(fault)?;
        transaction.commit().map_err(fault)
    }

    /// Returns the number of bytes in use, without the write-ahead log.
    pub(super) fn bytes(&self) -> Result<u64, JournalError> {
        let used = self.pragma("page_count")? - self.pragma("freelist_count")?;
        let page = self.pragma("page_size")?;
        Ok(u64::try_from(used.saturating_mul(page)).unwrap_or(0))
    }

    /// Returns the number of bytes in the file that are not in use.
    pub(super) fn unused(&self) -> Result<u64, JournalError> {
        let bytes = self.pragma("freelist_count")?.saturating_mul(self.pragma("page_size")?);
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Writes everything that was committed to another file, which must not exist. The file is whole by itself, and has its
    /// name once `check` has not found a fault in it. Returns what that has found.
    pub(super) fn copy_to<T>(
        &self,
        to: &Path,
        check: impl FnOnce(&Path) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let beside = beside(to, suffix);
            if beside.exists() {
                return Err(JournalError::CopyExists(beside.display().to_string()));
            }
        }
        let part = beside(to, ".part");
        let not_written = |error: JournalError| JournalError::not_copied(to, error);
        let written = self.write_to(&part).map_err(not_written).and_then(|()| check(&part)).and_then(|found| {
            let io = |error: std::io::Error| not_written(JournalError::Io(error.to_string()));
            std::fs::rename(&part, to).map_err(io)?;
            let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
            Ok(found)
        });
        if written.is_err() {
            // What cannot be removed is written over by the next attempt.
            drop(std::fs::remove_file(&part));
        }
        written
    }

    fn write_to(&self, part: &Path) -> Result<(), JournalError> {
        let io = |error: std::io::Error| JournalError::Io(error.to_string());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        drop(options.open(part).map_err(io)?);
        let name = part.to_str().ok_or_else(|| JournalError::Io("the name of the copy is not UTF-8".to_owned()))?;
        self.connection.execute("VACUUM INTO ?1", [name]).map_err(fault)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let copy = Connection::open_with_flags(part, flags).map_err(fault)?;
        copy.execute_batch("PRAGMA journal_mode = DELETE").map_err(fault)?;
        let has_mark = "SELECT count(*) FROM sqlite_schema WHERE name = 'in_use'";
        if copy.query_row(has_mark, [], |row| row.get::<_, i64>(0)).map_err(fault)? > 0 {
            copy.execute_batch(NO_USE).map_err(fault)?;
        }
        copy.close().map_err(|(_, error)| fault(error))?;
        OpenOptions::new().read(true).open(part).and_then(|file| file.sync_all()).map_err(io)
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

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_in_use
            && self.check_place().is_ok()
            && let Err(error) = self.close()
        {
            warn!(error = %Sanitized(&error), "the journal keeps its write-ahead log, because it could not be closed");
        }
    }
}

/// Checks that a path is not that of a folder, of which `SQLite` would say that reading it fails.
///
/// Errors: [`JournalError::Io`].
fn check_file(path: &Path) -> Result<(), JournalError> {
    if path.is_dir() { Err(JournalError::Io("it is a folder, and not a file".to_owned())) } else { Ok(()) }
}

/// Checks that there is no log without its file, because `SQLite` would delete it.
///
/// Errors: [`JournalError::Orphaned`].
fn check_log(path: &Path) -> Result<(), JournalError> {
    let orphaned =
        |log: PathBuf| JournalError::Orphaned { file: path.display().to_string(), log: log.display().to_string() };
    orphaned_log(path).map_or(Ok(()), |log| Err(orphaned(log)))
}

/// Checks that a file is whole: that it was closed, or that its write-ahead log is beside it.
///
/// Errors: [`JournalError::Incomplete`].
fn check_whole(path: &Path) -> Result<(), JournalError> {
    let log = beside(&resolved(path), "-wal");
    let has_log = || log.exists();
    if has_log() || path.metadata().map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(());
    }
    // Reads the file alone, and does not make a log.
    let uri = format!("file:{}?immutable=1", escaped(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let alone = Connection::open_with_flags(uri, flags).map_err(fault)?;
    let number = |sql: &str| alone.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(fault);
    // One of an earlier version that has nothing but its log.
    let is_bare = number("SELECT count(*) FROM sqlite_schema")? == 0;
    let is_marked = number("SELECT count(*) FROM sqlite_schema WHERE name = 'in_use'")? > 0;
    // A server may have made the log in the meantime.
    if (is_bare || is_marked && number("SELECT coalesce(max(value), 0) FROM in_use")? == 1) && !has_log() {
        return Err(JournalError::Incomplete(path.display().to_string()));
    }
    Ok(())
}

/// Returns a path for a URI of `SQLite`.
fn escaped(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing into a string cannot fail.
            let _infallible = write!(text, "%{byte:02X}");
        }
        text
    })
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
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_journal_of_a_version_that_did_not_mark_its_use_is_copied() {
        let path = std::env::temp_dir().join(format!("nuncio-unmarked-{}", std::process::id()));
        let copy = beside(&path, ".copy");
        drop(Database::open(&path, Sync::Normal).unwrap());
        Connection::open(&path).unwrap().execute_batch("DROP TABLE in_use").unwrap();
        Database::look(&path).unwrap().copy_to(&copy, |part| Database::look(part)?.check_structure()).unwrap();
        Database::look(&copy).unwrap().check_structure().unwrap();
        for file in [&path, &copy] {
            std::fs::remove_file(file).unwrap();
        }
    }
}
