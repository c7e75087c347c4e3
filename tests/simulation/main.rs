//! The simulator over many seeds.
//!
//! `NUNCIO_SIM_SEEDS=N` runs N seeds and `NUNCIO_SIM_FROM=N` starts at seed N. `NUNCIO_SIM_SEED=N` replays one seed and
//! prints its transcript; `NUNCIO_SIM_INPUT=FILE` does the same with an input that the fuzz target `simulation` has
//! found.

use nuncio_tests::{mutations, sim};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, but is {text:?}")))
}

#[test]
fn seeds() {
    if let Some(seed) = number("NUNCIO_SIM_SEED") {
        assert!(!sim::show(seed, usize::MAX), "seed {seed} fails");
        return;
    }
    if let Ok(path) = std::env::var("NUNCIO_SIM_INPUT") {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(!sim::show_bytes(&bytes, usize::MAX), "{path} fails");
        return;
    }
    let from = number("NUNCIO_SIM_FROM").unwrap_or(0);
    let seeds = number("NUNCIO_SIM_SEEDS").unwrap_or(2_000);
    let sweep = sim::sweep(from, seeds).unwrap_or_else(|seed| {
        sim::show(seed, 200);
        panic!("seed {seed} fails");
    });
    println!("{sweep}");
    if from == 0 && seeds >= 2_000 {
        for what in SEEN {
            assert!(sweep.counts.contains_key(what), "no seed covers: {what}");
        }
    }
}

/// What 2 000 seeds must cover; otherwise the simulator no longer tests it.
const SEEN: [&str; 46] = [
    "BUDGET_EXHAUSTED",
    "LEASE_EXPIRED",
    "PERMISSION_DENIED",
    "ack",
    "attack",
    "authorized",
    "blocked",
    "cancel",
    "cancelled",
    "child",
    "client closed",
    "client restarted",
    "clock jumped",
    "crashed",
    "cut",
    "delegated",
    "delegation refused",
    "emitted",
    "error",
    "half open",
    "host silent",
    "interrupted",
    "job lost in a crash",
    "journal recovered",
    "journal stalled",
    "minted",
    "numbered",
    "old events pruned",
    "refused",
    "refused while stalled",
    "replay truncated",
    "replayed",
    "replayed from disk",
    "restored",
    "resumed",
    "revoked after a crash",
    "rotated",
    "session closed",
    "spent",
    "streamed",
    "submitted",
    "subscribe",
    "success",
    "timed_out",
    "torn tail",
    "unblocked",
];

#[test]
fn deterministic_same_bytes_same_outputs() {
    for seed in 0..60 {
        assert_eq!(sim::seed(seed).digest, sim::seed(seed).digest, "seed {seed}");
    }
}

/// Running the mutations takes `cargo run -p nuncio-tests --bin mutations`; this only checks that each of them still
/// applies.
#[test]
fn mutations_still_match() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for mutation in &mutations::MUTATIONS {
        mutation.apply(&root).unwrap_or_else(|error| panic!("{error}"));
    }
}
