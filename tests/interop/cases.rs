//! Turns the cases of the Python scripts in `py/` into tests, for any server.

use std::time::Duration;

use nuncio_tests::peers::{Server, script, wanted};

/// Expands `script { case [flags of the server], … }` to one test per case, and to `TABLE`, which lists the cases.
///
/// The module that invokes it has a function `serve` that starts a server with the flags.
macro_rules! cases {
    ($($script:ident { $($case:ident $flags:tt),+ $(,)? })+) => {
        $(mod $script {
            $(#[test]
            fn $case() {
                crate::cases::run(super::serve, stringify!($script), stringify!($case), &$flags);
            })+
        })+

        const TABLE: &[(&str, &[&str])] = &[$((stringify!($script), &[$(stringify!($case)),+])),+];
    };
}

pub(crate) use cases;

/// Runs one case against a server started for it.
pub(crate) fn run(serve: fn(&[&str]) -> Server, name: &str, case: &str, flags: &[&str]) {
    if !wanted(&format!("{name}::{case}")) {
        return;
    }
    let server = serve(flags);
    let outcome = script(&format!("{name}.py"), &["--url", server.url(), "--case", case], Duration::from_secs(150));
    let checks = outcome.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(outcome.succeeded() && checks > 0, "{}\n--- stderr of the script\n{}", outcome.stdout, outcome.stderr);
}

/// Returns the names of a script's cases, or none with `NUNCIO_PEERS=off`.
pub(crate) fn listed(name: &str) -> Vec<String> {
    if !wanted(&format!("{name} --list")) {
        return Vec::new();
    }
    let outcome = script(&format!("{name}.py"), &["--list"], Duration::from_mins(1));
    assert!(outcome.succeeded(), "{name} --list\n{}", outcome.stderr);
    outcome.stdout.lines().map(str::to_owned).collect()
}
