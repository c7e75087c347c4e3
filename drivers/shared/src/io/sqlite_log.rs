//! The logs that `SQLite` keeps beside a file.

use std::path::{Path, PathBuf};

/// Returns the log of a file that is missing or empty, if there is one. `SQLite` would delete the log when it creates the file.
pub(crate) fn orphaned_log(path: &Path) -> Option<PathBuf> {
    let length = |path: &Path| path.metadata().ok().map(|metadata| metadata.len());
    let file = resolved(path);
    let (log, rollback) = (beside(&file, "-wal"), beside(&file, "-journal"));
    let logs = match length(&file) {
        None => vec![log, rollback],
        // A process that ends while it creates the file leaves it empty, with a rollback journal.
        Some(0) => vec![log],
        Some(_) => Vec::new(),
    };
    // A process that only reads leaves an empty log.
    logs.into_iter().find(|log| length(log).is_some_and(|bytes| bytes > 0))
}

/// Returns the path of the file that a symbolic link leads to. `SQLite` keeps the logs beside that.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let of_link = || path.read_link().map(|target| path.parent().unwrap_or(Path::new("")).join(target));
    path.canonicalize().or_else(|_| of_link()).unwrap_or_else(|_| path.to_owned())
}

/// Returns the path of a file whose name begins like that of another.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
