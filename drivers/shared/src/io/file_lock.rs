//! The lock of a file that one process at a time uses. It is on the file itself, so the file is locked whichever path leads
//! to it.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A locked file, until it is dropped. Connections of `SQLite` to the file are dropped before: closing the file releases
/// their locks.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    id: FileId,
    _file: File,
}

/// Why a file is not locked.
#[derive(Debug)]
pub(crate) enum NotLocked {
    /// A process has locked it: the one with this id, if the system tells.
    Held(Option<u32>),
    /// It cannot be opened or locked.
    Io(io::Error),
}

impl FileLock {
    /// Locks a file, which is created if it does not exist. Only the user of this process may read it then.
    pub(crate) fn take(path: &Path) -> Result<FileLock, NotLocked> {
        imp::take(path)
    }

    /// Whether the path still leads to the file. It does not if the file was deleted, moved or replaced.
    pub(crate) fn is_at_its_path(&self) -> bool {
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
    use std::fs::{Metadata, OpenOptions, TryLockError};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    use std::path::Path;
    use std::sync::Mutex;

    use super::{FileLock, NotLocked};
    use crate::io::sync::lock;

    /// The device and the inode of a file.
    pub(super) type FileId = (u64, u64);

    /// The files that this process has locked. None of them is opened again: closing it would release the locks that `SQLite`
    /// has on it.
    static LOCKED: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

    pub(super) fn take(path: &Path) -> Result<FileLock, NotLocked> {
        let mut locked = lock(&LOCKED);
        let own = || NotLocked::Held(Some(std::process::id()));
        match id_of(path) {
            Ok(id) if locked.contains(&id) => return Err(own()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(NotLocked::Io(error)),
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(NotLocked::Io)?;
        let id = id(&file.metadata().map_err(NotLocked::Io)?);
        if locked.contains(&id) {
            // The path was changed a moment ago. The file stays open, for the reason above.
            std::mem::forget(file);
            return Err(own());
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotLocked::Held(holder(id))),
            Err(TryLockError::Error(error)) => return Err(NotLocked::Io(error)),
        }
        locked.insert(id);
        Ok(FileLock { path: path.to_owned(), id, _file: file })
    }

    impl Drop for FileLock {
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

    use super::{FileLock, NotLocked};

    pub(super) type FileId = PathBuf;

    pub(super) fn take(path: &Path) -> Result<FileLock, NotLocked> {
        File::options().write(true).create(true).truncate(false).open(path).map_err(NotLocked::Io)?;
        let id = id_of(path).map_err(NotLocked::Io)?;
        let mut beside = id.as_os_str().to_owned();
        beside.push(".lock");
        let file = File::options().write(true).create(true).truncate(false).open(beside).map_err(NotLocked::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(FileLock { path: path.to_owned(), id, _file: file }),
            Err(TryLockError::WouldBlock) => Err(NotLocked::Held(None)),
            Err(TryLockError::Error(error)) => Err(NotLocked::Io(error)),
        }
    }

    pub(super) fn id_of(path: &Path) -> io::Result<FileId> {
        path.canonicalize()
    }
}
