//! Dependencies between packages, as cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{all_files, root};

/// The packages of the workspace, each with the packages of the workspace that it may depend on. Only the command, the
/// tests and the examples import a driver.
const MEMBERS: [(&str, &[&str]); 9] = [
    ("nuncio-core", &[]),
    ("nuncio-link", &["nuncio-core"]),
    ("nuncio-shared", &["nuncio-core", "nuncio-link"]),
    ("nuncio-tokio", &["nuncio-core", "nuncio-link", "nuncio-shared"]),
    ("nuncio-smol", &["nuncio-core", "nuncio-link", "nuncio-shared"]),
    ("nuncio-cli", &["nuncio-core", "nuncio-tokio"]),
    ("nuncio-tests", &["nuncio-core", "nuncio-link"]),
    ("nuncio-examples", &["nuncio-core", "nuncio-link", "nuncio-shared", "nuncio-tokio", "nuncio-smol"]),
    ("nuncio-fuzz", &["nuncio-core", "nuncio-link", "nuncio-tests"]),
];

/// Returns the output of a subcommand of cargo.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo).args(arguments).arg("--offline").current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the names of the packages that a package depends on with all its features, without tests.
fn packages(of: &str) -> BTreeSet<String> {
    let text =
        cargo(&["tree", "-p", of, "--all-features", "-e", "normal", "--prefix", "none", "--no-dedupe", "-f", "{p}"]);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn assert_free(of: &str, banned: &[&str]) {
    let packages = packages(of);
    for name in banned {
        assert!(!packages.contains(*name), "{of} is built from {name}");
    }
}

#[test]
fn core_needs_no_operating_system() {
    assert_free(
        "nuncio-core",
        &["getrandom", "libc", "rand", "tokio", "smol", "async-io", "log", "mio", "windows-sys"],
    );
}

#[test]
fn link_and_shared_need_no_runtime() {
    for of in ["nuncio-link", "nuncio-shared"] {
        assert_free(of, &["tokio", "smol", "async-io", "async-std", "async-executor", "mio"]);
    }
}

#[test]
fn a_driver_brings_its_own_runtime_only() {
    assert_free("nuncio-tokio", &["smol", "async-io"]);
    assert_free("nuncio-smol", &["tokio", "hyper"]);
}

#[test]
fn packages_depend_only_on_the_layers_below() {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut members: BTreeMap<&str, &[&str]> = MEMBERS.into();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let allowed = members.remove(name).unwrap_or_else(|| panic!("{name} has no row in this test"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let in_tests = dependency["kind"] == "dev";
            assert!(!on.starts_with("nuncio-") || in_tests || allowed.contains(&on), "{name} depends on {on}");
        }
    }
    assert!(members.is_empty(), "there is no package {members:?}");
}

#[test]
fn no_tool_has_left_a_file() {
    for folder in ["core", "drivers", "fuzz", "tests", "examples"] {
        for path in all_files(folder) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let left = [".orig", ".rej", ".bak", ".swp", "~"].iter().any(|end| name.ends_with(end));
            assert!(!left && !name.starts_with(".#"), "{} was left by a patch or an editor", path.display());
        }
    }
}
