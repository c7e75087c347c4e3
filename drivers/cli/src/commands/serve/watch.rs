//! Recognises files that have changed.

use std::fs::{self, Metadata};
use std::path::PathBuf;
use std::time::SystemTime;

/// What changes with the contents of some files, in their order; `None` for one that cannot be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<Stamp>>);

/// The modification time and the length of a file, and which file it is.
type Stamp = (Option<SystemTime>, u64, u64);

impl Stamps {
    pub(super) fn of(files: &[PathBuf]) -> Stamps {
        let stamp = |found: Metadata| (found.modified().ok(), found.len(), identity(&found));
        Stamps(files.iter().map(|file| fs::metadata(file).ok().map(stamp)).collect())
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> u64 {
    0
}

/// Says when files have changed and are no longer being written: they looked the same twice.
#[derive(Debug)]
pub(super) struct Watch {
    /// As they were when they were read.
    read: Stamps,
    last: Stamps,
}

impl Watch {
    pub(super) fn new(read: Stamps) -> Watch {
        Watch { last: read.clone(), read }
    }

    /// Takes the next look at the files.
    pub(super) fn have_changed(&mut self, now: Stamps) -> bool {
        let changed = now != self.read && now == self.last;
        self.last = now;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(length: u64) -> Stamps {
        Stamps(vec![Some((None, length, 1)), None])
    }

    #[test]
    fn a_file_has_changed_once_it_is_the_same_twice() {
        let mut watch = Watch::new(stamps(1));
        assert!(!watch.have_changed(stamps(1)));
        assert!(!watch.have_changed(stamps(2)), "it may still be written");
        assert!(!watch.have_changed(stamps(3)));
        assert!(watch.have_changed(stamps(3)));
    }

    #[test]
    fn a_file_that_is_as_before_has_not_changed() {
        let mut watch = Watch::new(stamps(1));
        assert!(!watch.have_changed(stamps(2)));
        assert!(!watch.have_changed(stamps(1)));
        assert!(!watch.have_changed(stamps(1)));
    }

    #[test]
    fn a_file_that_is_replaced_or_removed_has_another_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        let other = folder.path().join("other");
        fs::write(&path, "a=b").expect("a file");
        fs::write(&other, "b=a").expect("a file");
        let files = [path.clone()];
        let before = Stamps::of(&files);
        assert_eq!(before, Stamps::of(&files));
        fs::rename(other, &path).expect("it is renamed");
        let replaced = Stamps::of(&files);
        assert_ne!(before, replaced);
        fs::remove_file(path).expect("it is removed");
        assert_ne!(Stamps::of(&files), replaced);
    }
}
