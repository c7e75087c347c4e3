//! The unmodified Python client across a runtime that is killed and started again with the same journal, on both drivers:
//! on tokio with four shards and as many journals.

use std::time::Duration;

use nuncio_tests::peers::{example, script, wanted};
use nuncio_tests::temp_dir::TempDir;

use crate::cases::listed;

const SCRIPT: &str = "client_restart";

/// Runs one case; the script starts the server itself.
fn run(driver: &str, case: &str) {
    if !wanted(&format!("{SCRIPT}::{case}")) {
        return;
    }
    let directory = TempDir::new();
    let (server, journal) = (example("interop_agents"), directory.file("journal"));
    // Those of the client are in the last shard.
    let shards = if driver == "tokio" { 4 } else { 1 };
    let server = format!("'{}' --driver {driver} --shards {shards}", server.display());
    let journal = journal.to_str().expect("the path of the temporary directory is UTF-8");
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
fn the_table_has_every_case_of_the_script() {
    let listed = listed(SCRIPT);
    assert!(listed.is_empty() || listed == CASES, "{listed:?}");
}
