//! The ids of revoked mandates, in a file that changes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use nuncio_tokio::caracal::Mandate;
use tracing::{info, warn};

/// A file of ids, which is read again when it has changed. While it cannot be read, the ids that were read before count.
pub(super) struct RevokedIds {
    path: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    ids: BTreeSet<String>,
    stamp: Option<Stamp>,
}

/// The modification time and length of a file: they change with its contents.
type Stamp = (Option<SystemTime>, u64);

impl RevokedIds {
    pub(super) fn open(path: &Path) -> io::Result<RevokedIds> {
        let stamp = stamp(path);
        let held = Mutex::new(Held { ids: read(path)?, stamp });
        Ok(RevokedIds { path: path.to_owned(), held })
    }

    /// Returns whether an id of a mandate is in the file.
    pub(super) fn holds_one_of(&self, mandate: &Mandate) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if stamp != held.stamp {
            held.stamp = stamp;
            let path = self.path.display();
            match read(&self.path) {
                Ok(ids) => {
                    info!(%path, ids = ids.len(), "the ids of revoked mandates were read again");
                    held.ids = ids;
                }
                Err(error) => {
                    warn!(%path, %error, "the ids of revoked mandates could not be read again; the previous ones count");
                }
            }
        }
        mandate.anchors().chain([&*mandate.id]).any(|id| held.ids.contains(id))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|found| (found.modified().ok(), found.len()))
}

fn read(path: &Path) -> io::Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(ToOwned::to_owned).collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    /// A file has comments and blank lines, and an id of a mandate may be any text.
    #[test]
    fn only_lines_that_are_ids_revoke_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked");
        std::fs::write(&path, "# stolen\n\n  s-1  \n\t#s-2\ns-3#\n").unwrap();
        let ids = read(&path).unwrap();
        assert_eq!(ids.iter().collect::<Vec<_>>(), ["s-1", "s-3#"]);
    }
}
