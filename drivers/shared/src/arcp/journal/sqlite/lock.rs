//! The lock of a journal. It is on the file itself, so a journal is locked whichever path leads to it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::arcp::journal::{JournalError, JournalHolder};

/// A locked file, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    id: FileId,
    _file: File,
    /// The file `.lock` that earlier versions lock instead, if one of them has left it.
    _earlier: Option<File>,
}

impl Lock {
    /// Locks a file, which is created if it does not exist. Only the user of this process may read it then.
    ///
    /// Errors: [`JournalError::Locked`], with the process that has locked it if the system tells; [`JournalError::Io`].
    pub(super) fn take(path: &Path) -> Result<Lock, JournalError> {
        imp::take(path)
    }

    /// Whether the path still leads to the file. It does not if the file was deleted, moved or replaced.
    pub(super) fn is_at_its_path(&self) -> bool {
        match imp::id_of(&self.path) {
            Ok(id) => id == self.id,
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }
}

#[cfg(unix)]
use imp::FileId;

#[cfg(unix)]
mod imp {
    use std::collections::BTreeSet;
    use std::fs::{File, Metadata, OpenOptions, TryLockError};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    use std::path::Path;
    use std::sync::Mutex;

    use super::{JournalError, JournalHolder, Lock};
    use crate::io::sync::lock;

    /// The device and the inode of a file.
    pub(super) type FileId = (u64, u64);

    /// The files that this process has locked. None of them is opened again: closing it would release the locks that `SQLite`
    /// has on it.
    static LOCKED: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

    pub(super) fn take(path: &Path) -> Result<Lock, JournalError> {
        let mut locked = lock(&LOCKED);
        let own = || JournalError::Locked(JournalHolder::new(path, Some(std::process::id())));
        match id_of(path) {
            Ok(id) if locked.contains(&id) => return Err(own()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(&error)),
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|error| fault(&error))?;
        let id = id(&file.metadata().map_err(|error| fault(&error))?);
        if locked.contains(&id) {
            // The path was changed a moment ago. The file stays open, for the reason above.
            std::mem::forget(file);
            return Err(own());
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked(JournalHolder::new(path, holder(id))));
            }
            Err(TryLockError::Error(error)) => return Err(fault(&error)),
        }
        let earlier = earlier(path)?;
        locked.insert(id);
        Ok(Lock { path: path.to_owned(), id, _file: file, _earlier: earlier })
    }

    impl Drop for Lock {
        fn drop(&mut self) {
            lock(&LOCKED).remove(&self.id);
        }
    }

    pub(super) fn id_of(path: &Path) -> io::Result<FileId> {
        path.metadata().map(|metadata| id(&metadata))
    }

    fn id(metadata: &Metadata) -> FileId {
        (metadata.dev(), metadata.ino())
    }

    /// Locks the file `.lock` beside a journal, if there is one.
    fn earlier(path: &Path) -> Result<Option<File>, JournalError> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let file = match OpenOptions::new().write(true).open(&beside) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(&error)),
        };
        let found = file.metadata().map_err(|error| fault(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked(JournalHolder::new(path, holder(id(&found))))),
            Err(TryLockError::Error(error)) => Err(fault(&error)),
        }
    }

    fn fault(error: &io::Error) -> JournalError {
        JournalError::Io(error.to_string())
    }

    /// Returns the process that has locked a file, if the system tells.
    #[cfg(target_os = "linux")]
    fn holder(id: FileId) -> Option<u32> {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| holder_in(line, id))
    }

    #[cfg(not(target_os = "linux"))]
    fn holder(_: FileId) -> Option<u32> {
        None
    }

    /// Returns the process of a line such as `3: FLOCK  ADVISORY  WRITE 4242 fe:00:131 0 EOF`, if it has locked the file.
    #[cfg(target_os = "linux")]
    fn holder_in(line: &str, (device, inode): FileId) -> Option<u32> {
        let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK").skip(3);
        let (process, file) = (words.next()?.parse::<u32>().ok()?, words.next()?);
        let (major, rest) = file.split_once(':')?;
        let (minor, found) = rest.split_once(':')?;
        let is_same = u32::from_str_radix(major, 16).ok()? == rustix::fs::major(device)
            && u32::from_str_radix(minor, 16).ok()? == rustix::fs::minor(device)
            && found.parse::<u64>().ok()? == inode;
        // 0 is a process that cannot be seen from here.
        (is_same && process > 0).then_some(process)
    }

    #[cfg(all(test, target_os = "linux"))]
    mod tests {
        use super::*;

        #[test]
        fn the_system_tells_who_has_locked_a_file() {
            let id = (rustix::fs::makedev(0xfe, 1), 131);
            let line = "3: FLOCK  ADVISORY  WRITE 4242 fe:01:131 0 EOF";
            assert_eq!(holder_in(line, id), Some(4242));
            assert_eq!(holder_in(line, (id.0, 132)), None);
            assert_eq!(holder_in(&line.replace("4242", "0"), id), None);
            assert_eq!(holder_in("4: POSIX  ADVISORY  READ 4242 fe:01:131 128 128", id), None);
            assert_eq!(holder_in("5: -> FLOCK  ADVISORY  WRITE 7 fe:01:131 0 EOF", id), Some(7));
            assert_eq!(holder_in("nonsense", id), None);
        }
    }
}

#[cfg(not(unix))]
use imp::FileId;

/// Elsewhere a lock on the file would keep `SQLite` from it, so the file `.lock` beside it is locked.
#[cfg(not(unix))]
mod imp {
    use std::fs::{File, TryLockError};
    use std::io;
    use std::path::{Path, PathBuf};

    use super::{JournalError, JournalHolder, Lock};

    pub(super) type FileId = PathBuf;

    pub(super) fn take(path: &Path) -> Result<Lock, JournalError> {
        let fault = |error: io::Error| JournalError::Io(error.to_string());
        File::options().write(true).create(true).truncate(false).open(path).map_err(fault)?;
        let id = id_of(path).map_err(fault)?;
        let mut beside = id.as_os_str().to_owned();
        beside.push(".lock");
        let file = File::options().write(true).create(true).truncate(false).open(beside).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { path: path.to_owned(), id, _file: file, _earlier: None }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked(JournalHolder::new(path, None))),
            Err(TryLockError::Error(error)) => Err(fault(error)),
        }
    }

    pub(super) fn id_of(path: &Path) -> io::Result<FileId> {
        path.canonicalize()
    }
}
