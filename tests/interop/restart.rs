//! The unchanged Python client across a runtime that is killed and started again with the same journal, on both drivers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nuncio_tests::peers::{example, script, wanted};

use crate::cases::listed;

const SCRIPT: &str = "client_restart";

/// A folder for one case's journal.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the target folder is writable");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in the target folder.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn run(driver: &str, case: &str) {
    if !wanted(&format!("{SCRIPT}::{case}")) {
        return;
    }
    let folder = Folder::new(&format!("{driver}-{case}"));
    let (server, journal) = (example("interop_agents"), folder.0.join("journal"));
    let server = format!("'{}' --driver {driver}", server.display());
    let journal = journal.to_str().expect("the target folder is text");
    let arguments = ["--server", &server, "--journal", journal, "--case", case];
    let outcome = script(&format!("{SCRIPT}.py"), &arguments, Duration::from_secs(150));
    let checks = outcome.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(outcome.succeeded() && checks > 0, "{}\n--- stderr of the script\n{}", outcome.stdout, outcome.stderr);
}

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        mod tokio {
            $(#[test]
            fn $case() {
                super::run("tokio", stringify!($case));
            })+
        }

        mod smol {
            $(#[test]
            fn $case() {
                super::run("smol", stringify!($case));
            })+
        }

        const CASES: &[&str] = &[$(stringify!($case)),+];
    };
}

cases! {
    resume_after_a_restart, resume_with_a_key_after_a_restart, resume_after_many_restarts,
    a_wrong_token_is_refused_after_a_restart,
}

#[test]
fn they_are_all_the_cases_of_the_script() {
    let listed = listed(SCRIPT);
    assert!(listed.is_empty() || listed == CASES, "{listed:?}");
}
