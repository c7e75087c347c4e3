use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{Outcome, run_to_end, sources, target_dir};

/// Returns the interpreter of a virtual environment with the packages of `interop/py/requirements.txt`.
///
/// The environment is created in `target/peers/python` at first use, with the interpreter named by `NUNCIO_PYTHON`
/// (default `python3`), and again when the requirements have changed. A lock file keeps test processes from creating it
/// at the same time.
///
/// # Panics
/// If there is no Python 3.11 or later, or its packages cannot be installed; the message says what to install.
pub fn python() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| install(&target_dir().join("peers"))).clone()
}

/// Runs a script of `interop/py` to its end, for at most `limit`.
pub fn script(name: &str, arguments: &[&str], limit: Duration) -> Outcome {
    let mut command = Command::new(python());
    command.arg("-u").arg(sources().join(name)).args(arguments);
    // The scripts import one another; this keeps compiled files out of the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    run_to_end(command, limit)
}

fn install(peers: &Path) -> PathBuf {
    let requirements = fs::read_to_string(sources().join("requirements.txt")).expect("the requirements are readable");
    fs::create_dir_all(peers).expect("the target folder is writable");
    let lock = File::create(peers.join("python.lock")).expect("the target folder is writable");
    lock.lock().expect("a file in the target folder can be locked");

    let (home, installed) = (peers.join("python"), peers.join("python.installed"));
    let interpreter = home.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if fs::read_to_string(&installed).is_ok_and(|was| was == requirements) {
        return interpreter;
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
    must(
        Command::new(&interpreter)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(sources().join("requirements.txt")),
        "the interop tests install their Python peer with pip: a package index must be reachable",
    );
    fs::write(&installed, requirements).expect("the target folder is writable");
    interpreter
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
