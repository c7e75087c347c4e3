//! Folders of this command that only their owner may read.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::text::eprint_line;

/// Returns the folder `nuncio` in the one that a variable names, or in that folder of the home folder.
pub(crate) fn folder(variable: &str, below_home: &str) -> io::Result<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let parent = named.or_else(|| std::env::home_dir().map(|home| home.join(below_home)));
    Ok(parent.ok_or_else(|| io::Error::other("there is no home folder"))?.join("nuncio"))
}

/// Says on stderr that other users can read a file with a token in it, if they can.
pub(crate) fn warn_of_readers(path: &Path) {
    if is_open_to_others(path) {
        let name = path.display();
        eprint_line(&format!("nuncio: warning: other users can read the token file {name}; run `chmod 600 {name}`"));
    }
}

/// Returns whether it is a file that others than its owner may read.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}

/// Creates a folder and those above it, if they do not exist yet.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
