//! Records in an `SQLite` file.

use std::path::{Path, PathBuf};

use nuncio_core::caracal::{CoordinatorRecord, Secret};
use rusqlite::{OptionalExtension as _, params};

use super::{Records, RecordsError};
use crate::io::sqlite::{Form, Opened};

const FORM: Form = Form {
    // `NunC`
    application: 0x4e75_6e43,
    version: 1,
    content: "a coordinator's records",
    schema: "
        CREATE TABLE records (number INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
        CREATE TABLE signing_key (one INTEGER PRIMARY KEY CHECK (one = 1), pkcs8 TEXT NOT NULL) STRICT;
    ",
};

/// Records in an `SQLite` file (feature `sqlite`), which one coordinator at a time uses. A commit has reached the disk when
/// it returns. Only the user of this process may read the file, because it holds the key that signs tokens.
#[derive(Debug)]
pub struct SqliteRecords {
    path: PathBuf,
    file: Opened,
}

impl SqliteRecords {
    /// Opens a file, and creates it if it does not exist.
    ///
    /// Errors: it cannot be read or written, is in use by another process, or is a file of another kind or a later version.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteRecords, RecordsError> {
        let path = path.as_ref().to_owned();
        let file = FORM.open(&path).map_err(|fault| RecordsError::File { path: path.clone(), fault })?;
        Ok(SqliteRecords { path, file })
    }

    fn wrong(&self, error: &rusqlite::Error) -> RecordsError {
        RecordsError::File { path: self.path.clone(), fault: error.to_string() }
    }

    fn rows(&self) -> Result<Vec<(i64, Vec<u8>)>, rusqlite::Error> {
        let mut statement = self.file.connection.prepare("SELECT number, record FROM records ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    fn write(&mut self, records: &[(u64, CoordinatorRecord)]) -> Result<(), rusqlite::Error> {
        let transaction = self.file.connection.transaction()?;
        for (number, record) in records {
            let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO records VALUES (?, ?)")?;
            insert.execute(params![column(*number), record.encode()])?;
        }
        transaction.commit()
    }

    fn delete_others(&mut self, needed: &[u64]) -> Result<(), rusqlite::Error> {
        let transaction = self.file.connection.transaction()?;
        let mut after = -1;
        for number in needed.iter().copied().map(column).chain([i64::MAX]) {
            let mut delete = transaction.prepare_cached("DELETE FROM records WHERE number > ? AND number < ?")?;
            delete.execute(params![after, number])?;
            drop(delete);
            after = number;
        }
        transaction.commit()
    }

    fn key(&mut self, new: &Secret) -> Result<Secret, rusqlite::Error> {
        let transaction = self.file.connection.transaction()?;
        let kept =
            transaction.query_row("SELECT pkcs8 FROM signing_key", [], |row| row.get::<_, String>(0)).optional()?;
        let key = match kept {
            Some(key) => Secret::new(key),
            None => {
                transaction.execute("INSERT INTO signing_key VALUES (1, ?)", params![new.expose()])?;
                new.clone()
            }
        };
        transaction.commit()?;
        Ok(key)
    }
}

fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Records for SqliteRecords {
    fn load(&mut self) -> Result<Vec<(u64, CoordinatorRecord)>, RecordsError> {
        let rows = self.rows().map_err(|error| self.wrong(&error))?;
        let decoded = rows.into_iter().map(|(number, bytes)| {
            let number = u64::try_from(number).unwrap_or(0);
            let record = CoordinatorRecord::decode(&bytes).map_err(|error| RecordsError::Record { number, error })?;
            Ok((number, record))
        });
        decoded.collect()
    }

    fn commit(&mut self, records: &[(u64, CoordinatorRecord)]) -> Result<(), RecordsError> {
        self.write(records).map_err(|error| self.wrong(&error))
    }

    fn keep_only(&mut self, needed: &[u64]) -> Result<(), RecordsError> {
        self.delete_others(needed).map_err(|error| self.wrong(&error))
    }

    fn signing_key(&mut self, new: Secret) -> Result<Secret, RecordsError> {
        self.key(&new).map_err(|error| self.wrong(&error))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("nuncio-coordinator-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_not_changed() {
        let path = path("other");
        std::fs::write(&path, "not a database, but longer than a header of one hundred bytes. ".repeat(4)).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(SqliteRecords::open(&path), Err(RecordsError::File { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_key_is_made_once_and_only_the_user_reads_it() {
        let path = path("key");
        let key = |new: &str| SqliteRecords::open(&path).unwrap().signing_key(Secret::new(new)).unwrap();
        assert_eq!(key("first").expose(), "first");
        assert_eq!(key("second").expose(), "first");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
