//! The simulator over many seeds.
//!
//! `NUNCIO_SIM_SEEDS=N` runs more of them, `NUNCIO_SIM_FROM=N` begins elsewhere, `NUNCIO_SIM_SEED=N` replays one and shows
//! what happened. `NUNCIO_SIM_INPUT=FILE` does the same with what the fuzz target `simulation` found.

use nuncio_tests::{mutations, sim};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
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
            assert!(sweep.counts.contains_key(what), "no seed came to: {what}");
        }
    }
}

/// What 2 000 seeds must come to, or the simulator has gone blind.
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
    "journal healed",
    "journal stuck",
    "minted",
    "numbered",
    "old events let go",
    "refused",
    "refused while stuck",
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

/// The mutations are run by `cargo run -p nuncio-tests --bin mutations`; here only that each can still be made.
#[test]
fn mutations_still_match() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for mutation in &mutations::MUTATIONS {
        mutation.apply(&root).unwrap_or_else(|error| panic!("{error}"));
    }
}
