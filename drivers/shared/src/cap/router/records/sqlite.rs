//! Records in an `SQLite` file.

use std::path::{Path, PathBuf};

use nuncio_core::cap::{RecordKind, RouterRecord};
use rusqlite::params;

use super::{Records, RecordsError};
use crate::io::sqlite::{Form, Opened};

const FORM: Form = Form {
    // `NunR`
    application: 0x4e75_6e52,
    version: 1,
    content: "a router's records",
    schema: "
        CREATE TABLE records (
            job TEXT NOT NULL, kind INTEGER NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (job, kind)
        ) WITHOUT ROWID, STRICT;
    ",
};

/// Records in an `SQLite` file (feature `sqlite`), which one router at a time uses. A commit has reached the disk when it
/// returns. Only the user of this process may read the file, because requests may have secrets in their environment.
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

    fn write(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), rusqlite::Error> {
        let transaction = self.file.connection.transaction()?;
        for (number, record) in records {
            for kind in KEPT {
                if record.replaces(kind) {
                    let mut delete = transaction.prepare_cached("DELETE FROM records WHERE job = ? AND kind = ?")?;
                    delete.execute(params![record.job_id(), column(kind)])?;
                }
            }
            if !record.kind().is_removal() {
                let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)")?;
                let number = i64::try_from(*number).unwrap_or(i64::MAX);
                insert.execute(params![record.job_id(), column(record.kind()), number, record.encode()])?;
            }
        }
        transaction.commit()
    }
}

/// The kinds that are in a file.
const KEPT: [RecordKind; 4] = [RecordKind::Accepted, RecordKind::Moved, RecordKind::Ended, RecordKind::Trusted];

/// The value of a kind in the file, which never changes.
const fn column(kind: RecordKind) -> i64 {
    match kind {
        RecordKind::Accepted => 1,
        RecordKind::Moved => 2,
        RecordKind::Ended => 3,
        RecordKind::Forgotten => 4,
        RecordKind::Trusted => 5,
        RecordKind::Distrusted => 6,
    }
}

impl Records for SqliteRecords {
    fn load(&mut self) -> Result<Vec<(u64, RouterRecord)>, RecordsError> {
        let rows = self.rows().map_err(|error| self.wrong(&error))?;
        let decoded = rows.into_iter().map(|(number, bytes)| {
            let number = u64::try_from(number).unwrap_or(0);
            let record = RouterRecord::decode(&bytes).map_err(|error| RecordsError::Record { number, error })?;
            Ok((number, record))
        });
        decoded.collect()
    }

    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError> {
        self.write(records).map_err(|error| self.wrong(&error))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_refused_and_not_changed() {
        let path = std::env::temp_dir().join(format!("nuncio-records-{}", std::process::id()));
        std::fs::write(&path, "not a database, but longer than a header of one hundred bytes. ".repeat(4)).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(SqliteRecords::open(&path), Err(RecordsError::File { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }
}
