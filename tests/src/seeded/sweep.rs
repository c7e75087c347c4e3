//! Runs many seeds on two threads, or one seed with a transcript.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arbitrary::Unstructured;

use super::{Report, Run, bytes_of, record, recorded};

/// Runs a seed.
pub fn seed(run: Run, seed: u64) -> Report {
    run(&mut Unstructured::new(&bytes_of(seed)))
}

/// The outcome of a sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The number of seeds.
    pub seeds: u64,
    /// The number of steps in all runs.
    pub steps: u64,
    /// The duration in seconds.
    pub seconds: f64,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Runs `seeds` seeds, beginning with `from`.
///
/// # Errors
/// The number of a seed that fails.
///
/// # Panics
/// If a lock is poisoned.
pub fn sweep(run: Run, from: u64, seeds: u64) -> Result<Sweep, u64> {
    let next = AtomicU64::new(from);
    let totals = Mutex::new((0_u64, BTreeMap::<&'static str, u64>::new()));
    let failed = Mutex::new(None);
    let begin = Instant::now();
    let work = || {
        while failed.lock().expect("no thread panics while it holds the lock").is_none() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= from + seeds {
                break;
            }
            if let Ok(report) = catch_unwind(AssertUnwindSafe(|| seed(run, at))) {
                let mut totals = totals.lock().expect("no thread panics while it holds the lock");
                totals.0 += report.steps;
                for (what, count) in report.counts {
                    *totals.1.entry(what).or_default() += count;
                }
            } else {
                *failed.lock().expect("no thread panics while it holds the lock") = Some(at);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let (steps, counts) = totals.into_inner().expect("no thread panics while it holds the lock");
    match failed.into_inner().expect("no thread panics while it holds the lock") {
        Some(seed) => Err(seed),
        None => Ok(Sweep { seeds, steps, seconds: begin.elapsed().as_secs_f64(), counts }),
    }
}

impl fmt::Display for Sweep {
    #[expect(clippy::cast_precision_loss, reason = "the rate is only printed")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.steps as f64 / self.seconds;
        writeln!(f, "{} seeds, {} steps in {:.1} s: {rate:.0} a second", self.seeds, self.steps, self.seconds)?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>9} {what}")?;
        }
        Ok(())
    }
}

/// Runs a seed again and prints the last lines of its transcript; returns whether it fails.
pub fn show(run: Run, at: u64, lines: usize) -> bool {
    let failed = show_bytes(run, &bytes_of(at), lines);
    println!("NUNCIO_SIM_SEED={at} shows the whole transcript");
    failed
}

/// Runs an input and prints the last lines of its transcript; returns whether it fails.
pub fn show_bytes(run: Run, bytes: &[u8], lines: usize) -> bool {
    record();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut Unstructured::new(bytes))));
    let transcript = recorded();
    println!("the last of {} lines:", transcript.len());
    for line in transcript.iter().skip(transcript.len().saturating_sub(lines)) {
        println!("{line}");
    }
    outcome.is_err()
}
