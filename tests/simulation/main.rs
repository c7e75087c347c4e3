//! The simulators over many seeds: `arcp`, `cap` and `caracal`.
//!
//! `NUNCIO_SIM_SEEDS=N` runs N seeds and `NUNCIO_SIM_FROM=N` starts at seed N. `NUNCIO_SIM_SEED=N` replays one seed and
//! prints its transcript; `NUNCIO_SIM_INPUT=FILE` does the same with an input that the fuzz target `simulation`,
//! `cap_simulation` or `caracal_simulation` has found. A filter such as `cap::seeds` selects the simulator.

mod arcp;
mod cap;
mod caracal;

use nuncio_tests::mutations;
use nuncio_tests::seeded::{self, Run};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, but is {text:?}")))
}

/// Runs the seeds or the input that the environment asks for; `default` seeds must cover everything in `seen`.
fn run_seeds(run: Run, default: u64, seen: &[&str]) {
    if let Some(seed) = number("NUNCIO_SIM_SEED") {
        assert!(!seeded::show(run, seed, usize::MAX), "seed {seed} fails");
        return;
    }
    if let Ok(path) = std::env::var("NUNCIO_SIM_INPUT") {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(!seeded::show_bytes(run, &bytes, usize::MAX), "{path} fails");
        return;
    }
    let from = number("NUNCIO_SIM_FROM").unwrap_or(0);
    let seeds = number("NUNCIO_SIM_SEEDS").unwrap_or(default);
    let sweep = seeded::sweep(run, from, seeds).unwrap_or_else(|seed| {
        seeded::show(run, seed, 200);
        panic!("seed {seed} fails");
    });
    println!("{sweep}");
    if from == 0 && seeds >= default {
        for what in seen {
            assert!(sweep.counts.contains_key(what), "no seed covers: {what}");
        }
    }
}

fn same_bytes_lead_to_the_same_run(run: Run) {
    for seed in 0..60 {
        assert_eq!(seeded::seed(run, seed).digest, seeded::seed(run, seed).digest, "seed {seed}");
    }
}

/// Running the mutations takes `cargo run -p nuncio-tests --bin mutations`; this only checks that each of them still
/// applies.
#[test]
fn mutations_still_match() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let differ: Vec<String> = mutations::all().filter_map(|mutation| mutation.apply(&root).err()).collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
