//! The lock of a journal.

use std::path::Path;

use crate::arcp::journal::{JournalError, JournalHolder};
use crate::io::file_lock::{FileLock, NotLocked};

/// A locked journal, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: FileLock,
    /// The file `.lock` that earlier versions lock instead, if one of them has left it.
    _earlier: Option<FileLock>,
}

impl Lock {
    /// Locks a file, which is created if it does not exist. Only the user of this process may read it then.
    ///
    /// Errors: [`JournalError::Locked`], with the process that has locked it if the system tells; [`JournalError::Io`].
    pub(super) fn take(path: &Path) -> Result<Lock, JournalError> {
        let fault = |fault| match fault {
            NotLocked::Held(process) => JournalError::Locked(JournalHolder::new(path, process)),
            NotLocked::Io(error) => JournalError::Io(error.to_string()),
        };
        let file = FileLock::take(path).map_err(fault)?;
        Ok(Lock { file, _earlier: earlier(path).map_err(fault)? })
    }

    /// Whether the path still leads to the file. It does not if the file was deleted, moved or replaced.
    pub(super) fn is_at_its_path(&self) -> bool {
        self.file.is_at_its_path()
    }
}

/// Locks the file `.lock` beside a journal, if there is one.
fn earlier(path: &Path) -> Result<Option<FileLock>, NotLocked> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    // Where a lock keeps others from the file, that is the file which is locked now.
    let is_there = cfg!(unix) && Path::new(&beside).try_exists().map_err(NotLocked::Io)?;
    is_there.then(|| FileLock::take(Path::new(&beside))).transpose()
}
