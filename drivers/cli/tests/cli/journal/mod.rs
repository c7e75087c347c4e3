//! The journal of `nuncio serve`, and the commands that read it.
//!
//! - [`serving`]: a server that is killed and restarted, and every reason for which one does not start.
//! - [`losing`]: a journal that is used twice, lost, copied, or on a full disk.
//! - [`replaying`]: `nuncio replay`. [`inspecting`]: `nuncio journal`.

mod inspecting;
mod losing;
mod replaying;
mod serving;
mod shards;

use std::path::PathBuf;
use std::process::Output;

use crate::support::{Serving, stderr};

/// A temporary folder of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A path in the folder, as an argument.
    fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn serve(journal: &str) -> Serving {
    Serving::start(&["--token", "t=me", "--journal", journal])
}

/// The id of the job that `nuncio submit` has printed.
fn accepted(output: &Output) -> String {
    let line = stderr(output).lines().find(|line| line.starts_with("accepted"));
    let id = line.and_then(|line| line.split_whitespace().find(|word| word.starts_with("job_")));
    id.unwrap_or_else(|| panic!("no job in {}", stderr(output))).to_owned()
}
