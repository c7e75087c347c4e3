//! Checks of the repository: dependencies, layers, purity of the core, sizes of files, documented items, no cycles, a
//! test of every limit, valid references in pages, and licences.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod circles;
mod deny;
mod layers;
mod limits;
mod limits_caracal;
mod map;
mod pages;
mod source;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A file's text by its path from the root.
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `.rs` file below a folder, as paths from the root.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(folder, "rs")
}

/// Every file with an extension below a folder, as paths from the root.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files = all_files(folder);
    files.retain(|path| path.extension().is_some_and(|own| own == extension));
    assert!(!files.is_empty(), "{folder} has no files with the extension {extension}");
    files
}

/// Every file below a folder that is not made by a build, as paths from the root.
fn all_files(folder: &str) -> Vec<PathBuf> {
    let mut open = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let skipped = ["target", "corpus", "artifacts"].iter().any(|name| path.ends_with(name));
            if !skipped {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else {
            files.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    files.sort();
    files
}

/// Whether a file has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let forms = [format!("fn {name}()"), format!("fn {name}(("), format!("#[test]\n    fn {name}(")];
    forms.iter().any(|form| text.contains(form))
}
