//! Folders of this command that only their owner may read.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Returns the folder `nuncio` in the one that a variable names, or in that folder of the home folder.
pub(crate) fn folder(variable: &str, below_home: &str) -> io::Result<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let parent = named.or_else(|| std::env::home_dir().map(|home| home.join(below_home)));
    Ok(parent.ok_or_else(|| io::Error::other("there is no home folder"))?.join("nuncio"))
}

/// Creates a folder and those above it, if they do not exist yet.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
