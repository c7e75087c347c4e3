use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{Outcome, run_to_end, sources, target_dir};

/// Returns the interpreter of a virtual environment with the packages of `interop/py/requirements.txt`.
///
/// # Panics
/// If there is no Python 3.11 or later, or its packages cannot be installed; the message says what to install.
pub fn python() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let requirements = include_str!("../../interop/py/requirements.txt");
    PATH.get_or_init(|| environment("python", requirements).join("python")).clone()
}

/// A version of the Python SDK of CAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapSdk {
    /// 2.10.0, which this project has to match.
    V2_10,
    /// 2.17.0, the newest.
    V2_17,
}

impl CapSdk {
    /// Both versions.
    pub const ALL: [CapSdk; 2] = [CapSdk::V2_10, CapSdk::V2_17];

    /// Returns the interpreter of a virtual environment with this version, in the same way as [`python`].
    ///
    /// # Panics
    /// As [`python`].
    pub fn python(self) -> PathBuf {
        static PATHS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
        let [older, newer] = &PATHS;
        let (path, name, requirements) = match self {
            CapSdk::V2_10 => (older, "cap-2.10", include_str!("../../interop/cap/py/requirements-2.10.txt")),
            CapSdk::V2_17 => (newer, "cap-2.17", include_str!("../../interop/cap/py/requirements-2.17.txt")),
        };
        path.get_or_init(|| environment(name, requirements).join("python")).clone()
    }
}

/// Runs a script of `interop/py` to its end, for at most `limit`.
pub fn script(name: &str, arguments: &[&str], limit: Duration) -> Outcome {
    let mut command = Command::new(python());
    command.arg("-u").arg(sources().join(name)).args(arguments);
    // The scripts import one another; this keeps compiled files out of the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    run_to_end(command, limit)
}

/// Returns the folder with the programs of a virtual environment that has these packages.
///
/// The environment is created in `target/peers` at first use, with the interpreter named by `NUNCIO_PYTHON` (default
/// `python3`), and again when the requirements have changed. A lock file keeps test processes from creating it at the
/// same time.
pub(super) fn environment(name: &str, requirements: &str) -> PathBuf {
    let peers = target_dir().join("peers");
    fs::create_dir_all(&peers).expect("the target folder is writable");
    let lock = File::create(peers.join(format!("{name}.lock"))).expect("the target folder is writable");
    lock.lock().expect("a file in the target folder can be locked");

    let (home, installed) = (peers.join(name), peers.join(format!("{name}.installed")));
    let programs = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if fs::read_to_string(&installed).is_ok_and(|was| was == requirements) {
        return programs;
    }
    let python3 = std::env::var_os("NUNCIO_PYTHON").unwrap_or_else(|| "python3".into());
    let recent = "import sys; sys.exit(sys.version_info < (3, 11))";
    must(
        Command::new(&python3).args(["-c", recent]),
        "the interop tests need Python 3.11 or later: install it as `python3`, or name it in NUNCIO_PYTHON",
    );
    must(
        Command::new(&python3).args(["-m", "venv", "--clear"]).arg(&home),
        "the interop tests need Python's `venv` module: install it (Debian and Ubuntu: the package python3-venv)",
    );
    let packages = requirements.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    must(
        Command::new(programs.join("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(packages),
        "the interop tests install their peers with pip: a package index must be reachable",
    );
    fs::write(&installed, requirements).expect("the target folder is writable");
    programs
}

/// Runs a step of the installation; panics with the advice and the step's stderr if it fails.
fn must(step: &mut Command, advice: &str) {
    let off = "(NUNCIO_PEERS=off skips these tests)";
    match step.output() {
        Ok(done) if done.status.success() => (),
        Ok(done) => panic!("{advice} {off}\n{}", String::from_utf8_lossy(&done.stderr)),
        Err(error) => panic!("{advice} {off}\n{error}"),
    }
}
