//! `SQLite` files, which one process at a time uses.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::file_lock::{FileLock, NotLocked};
use super::sqlite_log::orphaned_log;

/// How long another program, which does not lock the file, may take to leave it.
const BUSY: Duration = Duration::from_secs(1);

/// What a file holds.
pub(crate) struct Form {
    /// The application, in the header of the file.
    pub(crate) application: i64,
    /// The version of the schema.
    pub(crate) version: i64,
    /// What is in the file, such as "a router's records".
    pub(crate) content: &'static str,
    /// The statements that create its tables.
    pub(crate) schema: &'static str,
}

impl Form {
    /// Opens a file, and creates it if it does not exist. A commit has reached the disk when it returns. Only the user of this
    /// process may read a file that is created.
    ///
    /// Errors: a sentence that says that the file cannot be read or written, is in use by another process, or has another form.
    pub(crate) fn open(&self, path: &Path) -> Result<Opened, String> {
        if path.is_dir() {
            return Err("it is a folder; give a file".to_owned());
        }
        if let Some(log) = orphaned_log(path) {
            return Err(format!(
                "the file is missing, although its log {} is there; put the file back beside its log, or move the log away to \
                 begin a new file",
                log.display()
            ));
        }
        let lock = FileLock::take(path).map_err(|fault| match fault {
            NotLocked::Held(process) => in_use(process),
            NotLocked::Io(error) => {
                format!("{error}; check that its folder exists, and that this user may read and write the file there")
            }
        })?;
        let Form { application, version, content, schema } = self;
        let connection = Connection::open(path).map_err(fault)?;
        connection.busy_timeout(BUSY).map_err(fault)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fault);
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").map_err(fault)?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
        if tables == 0 && number("application_id")? == 0 {
            let form = format!("PRAGMA application_id = {application}; PRAGMA user_version = {version}; {schema}");
            connection.execute_batch(&form).map_err(fault)?;
        }
        if number("application_id")? != *application {
            return Err(format!("this is not a file of {content}; give another file"));
        }
        let found = number("user_version")?;
        if found != *version {
            return Err(format!("the file has the version {found}, and this program reads version {version}"));
        }
        connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").map_err(fault)?;
        Ok(Opened { connection, _lock: lock })
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    /// It is dropped after the connection.
    _lock: FileLock,
}

/// Says that a process has the file open, and what to do.
fn in_use(process: Option<u32>) -> String {
    let process = process.map(|process| format!(", whose id is {process}")).unwrap_or_default();
    format!("the file is in use by another process; stop that process{process}, or use another file")
}

/// Says what is wrong with a file.
#[expect(clippy::needless_pass_by_value, reason = "it is a function for errors that are mapped")]
fn fault(error: rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => in_use(None),
        Some(ErrorCode::NotADatabase) => "this is not a file of nuncio; give another file".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;
    use crate::io::sqlite_log::beside;

    const FORM: Form =
        Form { application: 7, version: 1, content: "a test", schema: "CREATE TABLE t (n INTEGER) STRICT;" };

    #[test]
    fn what_is_no_file_of_this_form_is_refused_with_what_to_do() {
        let folder = std::env::temp_dir();
        assert_eq!(FORM.open(&folder).unwrap_err(), "it is a folder; give a file");
        let path = folder.join(format!("nuncio-other-{}", std::process::id()));
        std::fs::write(&path, "x".repeat(1_000)).unwrap();
        assert_eq!(FORM.open(&path).unwrap_err(), "this is not a file of nuncio; give another file");
        assert_eq!(std::fs::read(&path).unwrap().len(), 1_000, "it is left as it is");
        std::fs::remove_file(&path).unwrap();
        let refused = FORM.open(&path.join("file")).unwrap_err();
        assert!(
            refused.ends_with("check that its folder exists, and that this user may read and write the file there"),
            "{refused}"
        );
    }

    #[test]
    fn a_log_without_its_file_is_refused_and_left_as_it_is() {
        let path = std::env::temp_dir().join(format!("nuncio-orphan-{}", std::process::id()));
        for suffix in ["-wal", "-journal"] {
            let log = beside(&path, suffix);
            std::fs::write(&log, "records").unwrap();
            let refused = FORM.open(&path).unwrap_err();
            assert!(refused.contains("the file is missing, although its log"), "{refused}");
            assert_eq!((std::fs::read(&log).unwrap(), path.exists()), (b"records".to_vec(), false));
            std::fs::remove_file(&log).unwrap();
        }
        drop(FORM.open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}
