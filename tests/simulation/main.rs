//! The simulator over many seeds.
//!
//! `NUNCIO_SIM_SEEDS=N` runs more of them, `NUNCIO_SIM_FROM=N` begins elsewhere, `NUNCIO_SIM_SEED=N` replays one and shows
//! what happened.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arbitrary::Unstructured;
use nuncio_tests::sim::{self, Report};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

fn run(seed: u64) -> Report {
    sim::run(&mut Unstructured::new(&sim::bytes_of(seed)))
}

/// Runs a seed again and shows everything.
fn show(seed: u64) {
    sim::record();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
    let transcript = sim::recorded();
    println!("seed {seed}, {} lines:", transcript.len());
    let skipped = if number("NUNCIO_SIM_SEED").is_some() { 0 } else { transcript.len().saturating_sub(200) };
    for line in &transcript[skipped..] {
        println!("{line}");
    }
    println!("replay it whole: NUNCIO_SIM_SEED={seed} cargo test -p nuncio-tests --test simulation -- --nocapture seeds");
    assert!(outcome.is_ok(), "seed {seed} fails");
}

#[test]
fn seeds() {
    if let Some(seed) = number("NUNCIO_SIM_SEED") {
        return show(seed);
    }
    let from = number("NUNCIO_SIM_FROM").unwrap_or(0);
    let seeds = number("NUNCIO_SIM_SEEDS").unwrap_or(2_000);
    let next = AtomicU64::new(from);
    let totals = Mutex::new((0_u64, BTreeMap::<&'static str, u64>::new()));
    let failed = Mutex::new(Vec::new());
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while failed.lock().is_ok_and(|failed| failed.is_empty()) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        Ok(report) => {
                            let mut totals = totals.lock().expect("no panic within");
                            totals.0 += report.steps;
                            for (what, count) in report.counts {
                                *totals.1.entry(what).or_default() += count;
                            }
                        }
                        Err(_) => failed.lock().expect("no panic within").push(seed),
                    }
                }
            });
        }
    });
    if let Some(seed) = failed.lock().expect("no panic within").first() {
        show(*seed);
    }
    let (steps, counts) = totals.into_inner().expect("no panic within");
    let seconds = begin.elapsed().as_secs_f64();
    println!("{seeds} seeds, {steps} steps in {seconds:.1} s: {:.0} steps per second", rate(steps, seconds));
    println!("{counts:#?}");
    if from == 0 && seeds >= 2_000 {
        for what in SEEN {
            assert!(counts.contains_key(what), "no seed came to: {what}");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
fn rate(steps: u64, seconds: f64) -> f64 {
    steps as f64 / seconds
}

/// What 2 000 seeds must come to, or the simulator has gone blind.
const SEEN: [&str; 34] = [
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
    "cut",
    "delegated",
    "delegation refused",
    "emitted",
    "error",
    "half open",
    "host silent",
    "minted",
    "numbered",
    "refused",
    "replayed",
    "resumed",
    "rotated",
    "session closed",
    "spent",
    "streamed",
    "submitted",
    "subscribe",
    "success",
    "timed_out",
    "unblocked",
];

#[test]
fn deterministic_same_bytes_same_outputs() {
    for seed in 0..60 {
        assert_eq!(run(seed).digest, run(seed).digest, "seed {seed}");
    }
}
