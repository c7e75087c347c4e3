//! Converts between the types of `SQLite` and those of a journal.

use nuncio_core::arcp::{Record, RecordError};
use rusqlite::ErrorCode;

use crate::arcp::journal::JournalError;

/// Decodes a record. Returns `None` for a kind that a later program has added under the same version; it can be skipped.
pub(super) fn readable(record: &[u8]) -> Result<Option<Record>, JournalError> {
    match Record::decode(record) {
        Ok(record) => Ok(Some(record)),
        Err(RecordError::Unknown(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Converts a number for `SQLite`, which has no unsigned integers.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of map_err")]
pub(super) fn fault(error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Damaged(error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Busy,
        // The numbers of records are given once.
        Some(ErrorCode::ConstraintViolation) => JournalError::Foreign(error.to_string()),
        _ => JournalError::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn errors_of_the_file_are_those_of_the_journal() {
        let of = |code| fault(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(of(ffi::SQLITE_FULL), JournalError::Full));
        assert!(matches!(of(ffi::SQLITE_CORRUPT), JournalError::Damaged(_)));
        assert!(matches!(of(ffi::SQLITE_NOTADB), JournalError::Damaged(_)));
        assert!(matches!(of(ffi::SQLITE_BUSY), JournalError::Busy));
        assert!(matches!(of(ffi::SQLITE_LOCKED), JournalError::Busy));
        assert!(matches!(of(ffi::SQLITE_CONSTRAINT), JournalError::Foreign(_)));
        assert!(matches!(of(ffi::SQLITE_IOERR), JournalError::Io(_)));
        assert!(matches!(fault(rusqlite::Error::InvalidQuery), JournalError::Io(_)));
    }
}
