use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{profile_dir, target_dir};

/// The path of the `interop_agents` binary.
///
/// It is `NUNCIO_INTEROP_AGENTS` if that is set. Otherwise `cargo build` brings `interop_agents` of `nuncio-examples` up to
/// date once per test process, with the profile and target folder of the running test: cargo builds the binaries of a
/// package only beside that package's own tests, and an old binary would be worse than none.
///
/// # Panics
/// If cargo cannot build it; its output says why.
pub fn interop_agents() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os("NUNCIO_INTEROP_AGENTS").map_or_else(build, PathBuf::from)).clone()
}

fn build() -> PathBuf {
    let profile = profile_dir();
    let name = match profile.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--package", "nuncio-examples", "--bin", "interop_agents", "--profile", name])
        .arg("--target-dir")
        .arg(target_dir())
        .output()
        .expect("cargo can be run");
    assert!(
        built.status.success(),
        "cargo could not build interop_agents of nuncio-examples:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    // A test for another target triple lies in target/<triple>/<profile>; the server is built for the host.
    let folder = profile.file_name().unwrap_or_default();
    target_dir().join(folder).join(format!("interop_agents{}", std::env::consts::EXE_SUFFIX))
}
