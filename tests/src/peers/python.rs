use std::ffi::{OsStr, OsString};
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

/// A version of the Python SDK of Caracal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaracalSdk {
    /// 0.1.1, which this project has to match.
    V0_1,
    /// 1.0.0, which needs Python 3.12.
    V1_0,
}

impl CaracalSdk {
    /// Returns the interpreter of a virtual environment with this version, or `None` if no Python on this machine is new
    /// enough for it. Python 3.12 is looked for in `NUNCIO_PYTHON_3_12`, in the path, and among the versions of pyenv.
    ///
    /// # Panics
    /// As [`python`].
    pub fn python(self) -> Option<PathBuf> {
        static PATHS: [OnceLock<Option<PathBuf>>; 2] = [OnceLock::new(), OnceLock::new()];
        let [older, newer] = &PATHS;
        let path = match self {
            CaracalSdk::V0_1 => older.get_or_init(|| {
                let requirements = include_str!("../../interop/caracal/py/requirements-0.1.txt");
                Some(environment("caracal-0.1", requirements).join("python"))
            }),
            CaracalSdk::V1_0 => newer.get_or_init(|| {
                let requirements = include_str!("../../interop/caracal/py/requirements-1.0.txt");
                let interpreter = python_3_12()?;
                Some(environment_of(&interpreter, (3, 12), "caracal-1.0", requirements).join("python"))
            }),
        };
        path.clone()
    }
}

/// Returns an interpreter of Python 3.12 or later.
fn python_3_12() -> Option<OsString> {
    let named = std::env::var_os("NUNCIO_PYTHON_3_12");
    let in_path = ["python3", "python3.13", "python3.12"].map(OsString::from);
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| std::env::home_dir().map(|home| home.join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok()).into_iter().flatten();
    let mut versions: Vec<OsString> =
        versions.flatten().map(|version| version.path().join("bin/python").into_os_string()).collect();
    versions.sort();
    let all = named.into_iter().chain(in_path).chain(versions);
    all.into_iter().find(|interpreter| is_recent(interpreter, (3, 12)).is_ok_and(|status| status.success()))
}

/// Asks an interpreter whether it has at least this version.
fn is_recent(interpreter: &OsStr, (major, minor): (u8, u8)) -> std::io::Result<std::process::ExitStatus> {
    Command::new(interpreter)
        .args(["-c", &format!("import sys; sys.exit(sys.version_info < ({major}, {minor}))")])
        .stderr(std::process::Stdio::null())
        .status()
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
    let python3 = std::env::var_os("NUNCIO_PYTHON").unwrap_or_else(|| "python3".into());
    environment_of(&python3, (3, 11), name, requirements)
}

fn environment_of(python3: &OsStr, version: (u8, u8), name: &str, requirements: &str) -> PathBuf {
    let peers = target_dir().join("peers");
    fs::create_dir_all(&peers).expect("the target folder is writable");
    let lock = File::create(peers.join(format!("{name}.lock"))).expect("the target folder is writable");
    lock.lock().expect("a file in the target folder can be locked");

    let (home, installed) = (peers.join(name), peers.join(format!("{name}.installed")));
    let programs = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if fs::read_to_string(&installed).is_ok_and(|was| was == requirements) {
        return programs;
    }
    let recent = format!("import sys; sys.exit(sys.version_info < {version:?})");
    must(
        Command::new(python3).args(["-c", &recent]),
        "the interop tests need Python 3.11 or later: install it as `python3`, or name it in NUNCIO_PYTHON",
    );
    must(
        Command::new(python3).args(["-m", "venv", "--clear"]).arg(&home),
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
