//! The file of a journal, opened to read, and what can be wrong with it.

use std::path::{Path, PathBuf};

use nuncio_tokio::arcp::journal::{JournalError, SqliteJournal};

/// Opens a journal to read and applies `read` to it. Another process may be using the journal.
pub(crate) fn inspect<T>(
    file: &Path,
    read: impl FnOnce(&SqliteJournal) -> Result<T, JournalError>,
) -> Result<T, JournalFileError> {
    open(file).and_then(|journal| read(&journal).map_err(|error| JournalFileError::new(file, error)))
}

/// Opens a journal to read. Another process may be using the journal.
pub(crate) fn open(file: &Path) -> Result<SqliteJournal, JournalFileError> {
    match file.try_exists() {
        Ok(false) => Err(JournalFileError::Missing(file.to_owned())),
        Ok(true) | Err(_) => SqliteJournal::look(file).map_err(|error| JournalFileError::new(file, error)),
    }
}

/// Why a journal cannot be used, with its file and what to do.
#[derive(Debug)]
pub(crate) enum JournalFileError {
    /// There is no file.
    Missing(PathBuf),
    Unusable {
        file: PathBuf,
        error: JournalError,
    },
}

impl JournalFileError {
    pub(crate) fn new(file: &Path, error: JournalError) -> JournalFileError {
        JournalFileError::Unusable { file: file.to_owned(), error }
    }

    /// Returns whether the file could be read and its contents are wrong.
    pub(crate) fn is_content(&self) -> bool {
        matches!(
            self,
            JournalFileError::Unusable {
                error: JournalError::Damaged(_)
                    | JournalError::Version { .. }
                    | JournalError::Incomplete(_)
                    | JournalError::OtherShard { .. }
                    | JournalError::NewShard(_),
                ..
            }
        )
    }
}

impl std::fmt::Display for JournalFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, error) = match self {
            JournalFileError::Missing(file) => {
                return write!(f, "there is no journal {}; check that the path is right", file.display());
            }
            JournalFileError::Unusable { file, error } => (file.display(), error),
        };
        match error {
            JournalError::Locked(holder) => {
                write!(f, "the journal {file} is in use by another process; stop that process")?;
                if let Some(process) = holder.process() {
                    write!(f, ", whose id is {process}")?;
                }
                f.write_str(", or use another file")
            }
            JournalError::Busy => {
                write!(f, "another process is using the journal {file}; try again when it has finished")
            }
            JournalError::Incomplete(_) => write!(
                f,
                "the journal {file} is not whole: it was in use, and its write-ahead log {file}-wal is missing; put it \
                 beside the journal, or use a copy that was made with nuncio journal backup"
            ),
            JournalError::Gone(_) => write!(
                f,
                "the journal {file} was deleted, moved or replaced while it was in use; restore it from a copy before the \
                 next start"
            ),
            JournalError::Foreign(what) => write!(
                f,
                "another program has written to the journal {file}: {what}; stop that program before the next start, and \
                 restore the journal from a copy"
            ),
            JournalError::Full => write!(f, "the disk of the journal {file} is full; free some space and try again"),
            JournalError::Damaged(what) => write!(
                f,
                "{file} is damaged or not a journal: {what}; if the path is right, restore the file from a copy, or \
                 start a new journal at another path"
            ),
            JournalError::Version { found, known } => write!(
                f,
                "the journal {file} has version {found}, and this nuncio reads version {known}; use the nuncio that \
                 wrote it, or start a new journal at another path"
            ),
            JournalError::OtherShard { found, wanted } => write!(
                f,
                "the journal {file} belongs to {found}, but this server needs it for {wanted}; start nuncio serve with --shards {}, \
                 or begin a new journal at another path",
                found.of
            ),
            JournalError::NewShard(shard) => write!(
                f,
                "the journal of {shard} is new, but other shards of {file} have older journals; restore it from a copy, or begin a \
                 new journal at another path"
            ),
            JournalError::Io(what) => write!(
                f,
                "cannot use the journal {file}: {what}; check that the path is right, that nuncio may read and write \
                 the file and its folder, and that the disk has space"
            ),
        }
    }
}

impl std::error::Error for JournalFileError {}
