//! Who depends on whom, as cargo resolves it.

use std::process::Command;

use super::root;

/// The names of the packages that one is built from, without tests.
fn packages(of: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "-p", of, "-e", "normal", "--prefix", "none", "--no-dedupe", "-f", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn assert_free(of: &str, banned: &[&str]) {
    for name in packages(of) {
        assert!(!banned.contains(&name.as_str()), "{of} is built from {name}");
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
fn link_needs_no_runtime() {
    assert_free("nuncio-link", &["tokio", "smol", "async-io", "async-std", "mio"]);
}

#[test]
fn only_the_ends_import_a_driver() {
    assert_free("nuncio-core", &["nuncio-link", "nuncio-tokio", "nuncio-smol", "nuncio-cli", "nuncio-shared"]);
    assert_free("nuncio-link", &["nuncio-tokio", "nuncio-smol", "nuncio-cli", "nuncio-shared"]);
    assert_free("nuncio-tokio", &["nuncio-smol", "nuncio-cli", "smol", "async-io"]);
    assert_free("nuncio-smol", &["nuncio-tokio", "nuncio-cli", "tokio"]);
    assert_free("nuncio-shared", &["nuncio-tokio", "nuncio-smol", "nuncio-cli", "tokio", "smol"]);
}
