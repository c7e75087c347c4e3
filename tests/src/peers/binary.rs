use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::{profile_dir, target_dir};

/// Returns the path of a binary of `nuncio-examples`, such as `interop_agents` or `own_loop`.
///
/// `cargo build` brings it up to date once per test process, with the profile and target folder of the running test.
/// Cargo builds binaries only for the tests of their own package, and an outdated binary would be worse than none.
///
/// # Panics
/// If cargo cannot build it; the message contains cargo's output.
pub fn example(name: &str) -> PathBuf {
    binary("nuncio-examples", name)
}

/// Returns the path of a binary of any package of the workspace, in the same way.
///
/// # Panics
/// If cargo cannot build it; the message contains cargo's output.
pub fn binary(package: &str, name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // If a build fails, the next test tries it again.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(name.to_owned()).or_insert_with(|| build(package, name)).clone()
}

fn build(package: &str, name: &str) -> PathBuf {
    let folder = profile_dir();
    let profile = match folder.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--package", package, "--bin", name, "--profile", profile])
        .arg("--target-dir")
        .arg(target_dir())
        .output()
        .expect("cargo can be run");
    assert!(
        built.status.success(),
        "cargo could not build {name} of {package}:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    // With an explicit target triple the test lies in target/<triple>/<profile>, but the binary is built for the host.
    target_dir().join(folder.file_name().unwrap_or_default()).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
