//! What may be wrong with a journal, and what to do about it.

use std::path::{Path, PathBuf};

use nuncio_tokio::arcp::journal::JournalError;

/// A journal that cannot be used: a sentence that says what to do, too.
#[derive(Debug)]
pub(crate) struct Unusable {
    file: PathBuf,
    error: JournalError,
}

impl Unusable {
    pub(crate) fn new(file: &Path, error: JournalError) -> Unusable {
        Unusable { file: file.to_owned(), error }
    }

    /// Whether it could be read, and is not what it should be.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self.error, JournalError::Damaged(_) | JournalError::Version { .. })
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.file.display();
        match &self.error {
            JournalError::Locked(_) => {
                write!(f, "the journal {file} is in use by another process; stop that one first, or use another file")
            }
            JournalError::Full => write!(f, "the disk of the journal {file} is full; make room there and try again"),
            JournalError::Damaged(what) => write!(
                f,
                "the journal {file} is damaged, or is none: {what}; if the path is right, restore it from a copy, or begin a new one elsewhere"
            ),
            JournalError::Version { found, known } => write!(
                f,
                "the journal {file} has the version {found}, this nuncio reads version {known}; \
                 use the nuncio that wrote it, or move it away to begin a new one"
            ),
            JournalError::Io(what) => write!(
                f,
                "the journal {file} cannot be used: {what}; is it there, is there room, and may nuncio use its folder?"
            ),
        }
    }
}

impl std::error::Error for Unusable {}
