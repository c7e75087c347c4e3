//! The files of a journal, one for each shard of its server, opened to read, and what can be wrong with them.

use std::path::{Path, PathBuf};

use nuncio_tokio::arcp::journal::{JournalError, Shard, SqliteJournal};

/// How many files are looked for that may belong to a journal whose first file is missing.
const MOST_SHARDS: u32 = 256;

/// Returns the file of one shard, from 0 on: the first one has the name of the journal, those of the others begin like it.
pub(crate) fn of_shard(journal: &Path, shard: u32) -> PathBuf {
    let mut file = journal.as_os_str().to_owned();
    if shard > 0 {
        file.push(format!(".{shard}"));
    }
    file.into()
}

/// Returns the files of all shards of a journal, in their order. The first file says how many there are.
///
/// Errors: a file of them is missing, or is that of another shard.
pub(crate) fn files(journal: &Path) -> Result<Vec<PathBuf>, JournalFileError> {
    let shard_of = |file: &Path| inspect(file, SqliteJournal::shard).map(|shard| shard.unwrap_or(Shard::ONLY));
    check_first(journal, 1)?;
    let first = shard_of(journal)?;
    if first.number > 0 {
        return Err(JournalFileError::NotFirst { file: journal.to_owned(), shard: first });
    }
    let files: Vec<PathBuf> = (0..first.of).map(|shard| of_shard(journal, shard)).collect();
    for (number, file) in (0..).zip(&files).skip(1) {
        let wanted = Shard { number, of: first.of };
        if is_new(file) {
            check_log(file)?;
            return Err(JournalFileError::MissingShard { file: file.clone(), shard: wanted });
        }
        let found = shard_of(file)?;
        if found != wanted {
            return Err(JournalFileError::new(file, JournalError::OtherShard { found, wanted }));
        }
    }
    Ok(files)
}

/// Checks that the first file is there if one of the shards from `further` on is.
///
/// Errors: [`JournalFileError::MissingShard`].
pub(crate) fn check_first(journal: &Path, further: u32) -> Result<(), JournalFileError> {
    if !is_new(journal) {
        return Ok(());
    }
    check_log(journal)?;
    for other in (further..MOST_SHARDS).map(|shard| of_shard(journal, shard)).filter(|other| !is_new(other)) {
        if let Ok(Some(Shard { of, .. })) = inspect(&other, SqliteJournal::shard) {
            return Err(JournalFileError::MissingShard { file: journal.to_owned(), shard: Shard { number: 0, of } });
        }
    }
    Ok(())
}

/// Opens the files of all shards of a journal to read, in their order. Another process may be using them.
pub(crate) fn open_all(journal: &Path) -> Result<Vec<SqliteJournal>, JournalFileError> {
    files(journal)?.iter().map(|file| open(file)).collect()
}

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
        Ok(false) => check_log(file).and(Err(JournalFileError::Missing(file.to_owned()))),
        Ok(true) | Err(_) => SqliteJournal::look(file).map_err(|error| JournalFileError::new(file, error)),
    }
}

/// Returns whether a server would create a journal. An empty file counts as none.
pub(crate) fn is_new(file: &Path) -> bool {
    file.metadata().map_or_else(|error| error.kind() == std::io::ErrorKind::NotFound, |file| file.len() == 0)
}

/// Checks that a file that is missing or empty has not left its log.
pub(crate) fn check_log(file: &Path) -> Result<(), JournalFileError> {
    match SqliteJournal::look(file) {
        Err(error @ JournalError::Orphaned { .. }) => Err(JournalFileError::new(file, error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Why a journal cannot be used, with its file and what to do.
#[derive(Debug)]
pub(crate) enum JournalFileError {
    /// There is no file.
    Missing(PathBuf),
    /// There is no file of a shard, though there is the first one.
    MissingShard {
        file: PathBuf,
        shard: Shard,
    },
    /// The file is not the first one of the journal, which says how many there are.
    NotFirst {
        file: PathBuf,
        shard: Shard,
    },
    /// There is a file already where a journal was to be restored.
    RestoreExists(String),
    Unusable {
        file: PathBuf,
        error: JournalError,
    },
}

impl JournalFileError {
    pub(crate) fn new(file: &Path, error: JournalError) -> JournalFileError {
        JournalFileError::Unusable { file: file.to_owned(), error }
    }

    /// Returns the error of a restoration, whose copy is the journal that a server will use.
    pub(crate) fn of_restore(self) -> JournalFileError {
        match self {
            JournalFileError::Unusable { error: JournalError::CopyExists(file), .. } => {
                JournalFileError::RestoreExists(file)
            }
            other => other,
        }
    }

    /// Returns whether the file could be read and its contents are wrong.
    pub(crate) fn is_content(&self) -> bool {
        matches!(
            self,
            JournalFileError::MissingShard { .. }
                | JournalFileError::NotFirst { .. }
                | JournalFileError::Unusable {
                    error: JournalError::Damaged(_)
                        | JournalError::Version { .. }
                        | JournalError::Incomplete(_)
                        | JournalError::Orphaned { .. }
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
            JournalFileError::MissingShard { file, shard } => {
                return write!(
                    f,
                    "the journal is not whole: the file of {shard}, {}, is missing or empty; put it back beside the others, or \
                     restore all files from a copy that was made with nuncio journal backup",
                    file.display()
                );
            }
            JournalFileError::RestoreExists(file) => {
                return write!(
                    f,
                    "{file} exists already, and restore does not replace a journal; restore to another path, or stop the nuncio \
                     that uses this journal and move all its files away first"
                );
            }
            JournalFileError::NotFirst { file, shard } => {
                return write!(
                    f,
                    "{} is the file of {shard} of a journal; give the first file, whose name does not end with .{}",
                    file.display(),
                    shard.number
                );
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
            JournalError::Orphaned { .. } => write!(f, "{error}"),
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
            JournalError::OtherShard { found, wanted } if found.of == wanted.of => write!(
                f,
                "the journal {file} is that of {found}, and not that of {wanted}; give each file the name that it had"
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
            JournalError::CopyExists(_) => write!(f, "{error}; give the copy another name"),
            JournalError::Copy { to, fault } => write!(
                f,
                "cannot write the copy {to}: {fault}; check that its folder exists, that nuncio may write there, and that \
                 the disk has space"
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
