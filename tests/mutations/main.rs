//! Shows that the tests find mistakes: applies each of `nuncio_tests::mutations` to a copy of the workspace, where the
//! simulators, the conformance tests, the tests of core, or those that a mistake in the drivers names must then fail.
//!
//! `cargo run -p nuncio-tests --bin mutations [-- NAME…]` runs all mutations, or those whose name contains a NAME. The
//! copy and its build are below `target/mutations/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nuncio_tests::mutations::{self, Mutation, Tests};
use nuncio_tests::seeded::{self, Run};
use nuncio_tests::{cap_sim, caracal_sim, sim};

/// The number of seeds within which a mistake has to be found.
const SEEDS: u64 = 2_000;
/// The same for a mistake in CAP.
const CAP_SEEDS: u64 = 1_000;
/// The same for a mistake in Caracal.
const CARACAL_SEEDS: u64 = 600;
/// What a sweep says before the seed that fails.
const FOUND: &str = "FOUND by seed ";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match wanted.first().map(String::as_str) {
        Some("--sweep") => return sweep(sim::run, SEEDS),
        Some("--sweep-cap") => return sweep(cap_sim::run, CAP_SEEDS),
        Some("--sweep-caracal") => return sweep(caracal_sim::run, CARACAL_SEEDS),
        _ => {}
    }
    match run(&wanted) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("{missed} mistakes were not found");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn sweep(run: Run, seeds: u64) -> ExitCode {
    match seeded::sweep(run, 0, seeds) {
        Ok(_) => ExitCode::SUCCESS,
        Err(seed) => {
            seeded::show(run, seed, 1);
            println!("{FOUND}{seed}");
            ExitCode::FAILURE
        }
    }
}

/// Applies every wanted mutation; returns how many were not found.
fn run(wanted: &[String]) -> Result<usize, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let place = root.join("target/mutations");
    let tree = place.join("tree");
    let copied = copy(&root, &tree).map_err(|error| format!("the workspace cannot be copied: {error}"));
    copied?;
    let mut missed = 0;
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str()));
    let wanted: Vec<&Mutation> = mutations::all().filter(|mutation| is_wanted(mutation.name)).collect();
    let mut sound: Vec<Suite> = Vec::new();
    for suite in wanted.iter().map(|mutation| suites(mutation)[0]) {
        if sound.contains(&suite) {
            continue;
        }
        if failure(&tree, &place, suite).is_some() {
            return Err(format!("{suite:?} fails without a mutation"));
        }
        sound.push(suite);
    }
    for mutation in wanted {
        let by = find(mutation, &root, &tree, &place)?;
        println!("{:<56} {}", mutation.name, by.as_deref().unwrap_or("NOT FOUND"));
        missed += usize::from(by.is_none());
    }
    Ok(missed)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suite {
    Simulation,
    CapSimulation,
    CaracalSimulation,
    Conformance,
    CapTests,
    CaracalTests,
    Tests(Tests),
}

/// Returns the suites that may find a mistake, the fastest first.
fn suites(mutation: &Mutation) -> Vec<Suite> {
    match mutation.suite {
        mutations::Suite::Tests(tests) => vec![Suite::Tests(tests)],
        mutations::Suite::Core if mutation.file.starts_with("cap/") => vec![Suite::CapSimulation, Suite::CapTests],
        mutations::Suite::Core if mutation.file.starts_with("caracal/") => {
            vec![Suite::CaracalSimulation, Suite::CaracalTests]
        }
        mutations::Suite::Core => vec![Suite::Simulation, Suite::Conformance],
    }
}

/// Returns the name of the suite that fails with the mutation, if one does, and the seed of a simulation.
fn find(mutation: &Mutation, root: &Path, tree: &Path, place: &Path) -> Result<Option<String>, String> {
    let text = mutation.apply(root)?;
    let write = |text: &str| {
        let path = tree.join(mutation.path());
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write(&text)?;
    if !built(tree, place, mutation) {
        return Err(format!("mutation {:?} does not compile", mutation.name));
    }
    let by = suites(mutation).iter().find_map(|suite| failure(tree, place, *suite));
    let original = fs::read_to_string(root.join(mutation.path())).map_err(|error| error.to_string())?;
    write(&original)?;
    Ok(by)
}

fn cargo(tree: &Path, place: &Path) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.current_dir(tree).env("CARGO_TARGET_DIR", place.join("build")).env("RUST_BACKTRACE", "0");
    command
}

/// Builds what runs the first suite of a mutation; returns whether it compiles.
fn built(tree: &Path, place: &Path, mutation: &Mutation) -> bool {
    let mut command = cargo(tree, place);
    match mutation.suite {
        mutations::Suite::Core => command.args(["build", "-q", "-p", "nuncio-tests", "--bin", "mutations"]),
        mutations::Suite::Tests(tests) => command.args(arguments(tests)).arg("--no-run"),
    };
    command.status().is_ok_and(|status| status.success())
}

/// The arguments of cargo that run tests, without their filter.
fn arguments(tests: Tests) -> Vec<&'static str> {
    let mut arguments = vec!["test", "-q", "-p", tests.package];
    match tests.target {
        "" => arguments.push("--lib"),
        target => arguments.extend(["--test", target]),
    }
    // The other packages' tests enable what they need of the drivers themselves.
    if matches!(tests.package, "nuncio-core" | "nuncio-link" | "nuncio-shared" | "nuncio-tokio") {
        arguments.push("--all-features");
    }
    arguments
}

/// Returns what a suite says if it fails.
fn failure(tree: &Path, place: &Path, suite: Suite) -> Option<String> {
    let sweep = |which| vec!["run", "-q", "-p", "nuncio-tests", "--bin", "mutations", "--", which];
    let arguments = match suite {
        Suite::Simulation => sweep("--sweep"),
        Suite::CapSimulation => sweep("--sweep-cap"),
        Suite::CaracalSimulation => sweep("--sweep-caracal"),
        Suite::CaracalTests => vec!["test", "-q", "-p", "nuncio-core", "--all-features", "--test", "caracal"],
        Suite::CapTests => vec!["test", "-q", "-p", "nuncio-core", "--all-features", "--test", "cap"],
        Suite::Conformance => vec!["test", "-q", "-p", "nuncio-tests", "--test", "conformance"],
        Suite::Tests(tests) => [arguments(tests), vec!["--", tests.filter]].concat(),
    };
    let output = match cargo(tree, place).args(arguments).output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => return Some(format!("{suite:?} cannot be run: {error}")),
    };
    let seed = output.lines().find_map(|line| line.strip_prefix(FOUND)).unwrap_or("?");
    Some(match suite {
        Suite::Simulation | Suite::CapSimulation | Suite::CaracalSimulation => format!("simulation, seed {seed}"),
        Suite::Conformance => "conformance".into(),
        Suite::CapTests | Suite::CaracalTests => "tests of core".into(),
        Suite::Tests(tests) => [tests.package, tests.target, tests.filter].join(" ").trim_end().to_owned(),
    })
}

/// Copies the sources, without build results.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut open: Vec<PathBuf> = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        fs::create_dir_all(to.join(&folder))?;
        for entry in fs::read_dir(from.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let skipped = ["target", ".git", "corpus", "artifacts"].iter().any(|name| entry.file_name() == *name);
            if skipped {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read(entry.path())?;
            // Unchanged files are not written, so that cargo does not rebuild everything.
            if fs::read(to.join(&path)).ok().as_ref() != Some(&text) {
                fs::write(to.join(&path), text)?;
            }
        }
    }
    Ok(())
}
