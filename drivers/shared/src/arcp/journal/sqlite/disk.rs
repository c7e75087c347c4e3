//! The file system that a journal is on: its free space, and whether a write-ahead log is safe there.

use std::path::Path;

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// The size of the file system.
    pub size: u64,
    /// What this user may still use.
    pub free: u64,
}

impl DiskSpace {
    /// Returns the space of the file system that a file or folder is on, or `None` if the system does not tell.
    #[cfg(unix)]
    pub fn of(path: &Path) -> Option<DiskSpace> {
        let found = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(DiskSpace { size: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }

    /// Returns the space of the file system that a file or folder is on, or `None` if the system does not tell.
    #[cfg(not(unix))]
    pub fn of(_: &Path) -> Option<DiskSpace> {
        None
    }
}

/// Returns the name of the file system that a file is on if processes on several machines may use it: the write-ahead log of
/// `SQLite` needs memory that all its users share.
#[cfg(target_os = "linux")]
pub(super) fn unsafe_file_system(path: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(path).ok()?;
    name_of(u32::try_from(found.f_type & 0xffff_ffff).ok()?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn unsafe_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// The numbers are those of `statfs(2)`.
#[cfg(target_os = "linux")]
const fn name_of(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0x6969 => "nfs",
        0xff53_4d42 => "cifs",
        0x517b => "smb",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x00c3_6400 => "ceph",
        0x5346_414f => "afs",
        0x0bd0_0bd0 => "lustre",
        0x7461_636f => "ocfs2",
        0x0116_1970 => "gfs2",
        0x786f_4256 => "vboxsf",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known() {
        let (nfs, cifs, plan9, ext4, tmpfs) = (0x6969, 0xff53_4d42, 0x0102_1997, 0xef53, 0x0102_1994);
        assert_eq!([nfs, cifs, plan9].map(name_of), [Some("nfs"), Some("cifs"), Some("9p")]);
        assert_eq!([ext4, tmpfs].map(name_of), [None, None]);
    }

    #[test]
    fn a_file_system_has_a_size() {
        let space = DiskSpace::of(&std::env::temp_dir());
        assert!(space.is_some_and(|space| space.size > 0 && space.free <= space.size), "{space:?}");
    }
}
