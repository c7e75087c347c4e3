//! Measures the events per second of one job to one client over a loopback WebSocket, and echo jobs per second. Each is
//! compared with a baseline (`floor`): tungstenite alone, which carries the same frames, byte for byte, and parses them
//! into structs of the same shape. Nuncio and the baseline take turns, and the medians of all rounds are printed.
//!
//! `cargo run --release -p nuncio-examples --bin throughput`
//!
//! With `--journal DIR` it measures the cost of durability instead: without a journal, with one in DIR that survives a
//! crash of the process (`normal`), and with one that survives a power failure (`full`).

mod floor;
mod journal;
mod nuncio;
mod recorded;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures Nuncio and compares it with tungstenite alone
#[derive(Debug, Parser)]
struct Flags {
    /// Events in a round
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Echo jobs in a round, one after another, and as many with 64 in flight
    #[arg(long, default_value_t = 5_000)]
    echoes: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Measures journals on the disk of this directory
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// A Python interpreter with the package agentruntimecontrolprotocol, whose event log is measured as well
    #[arg(long, value_name = "PYTHON", requires = "journal")]
    python: Option<PathBuf>,
}

/// The measurements of one round of one side.
#[derive(Clone, Copy)]
struct Round {
    /// The time for all events.
    events: Duration,
    /// The median time of one echo job.
    echo: Duration,
    /// The time for all echo jobs, [`IN_FLIGHT`] at once.
    echoes: Duration,
}

/// The number of jobs in flight, and of events in a flush of the baseline.
const IN_FLIGHT: u32 = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build, whose numbers are not representative; use --release");
    }
    if let Some(folder) = &flags.journal {
        return journal::measure(&flags, folder).await;
    }
    let nuncio = nuncio::Nuncio::start(None).await?;
    let floor = floor::Floor::start(nuncio.record().await?)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..flags.rounds.max(1) {
        theirs.push(floor.round(&flags)?);
        ours.push(nuncio.round(&flags).await.map_err(|error| error.to_string())?);
    }
    println!("medians of {} rounds; events of {} bytes", ours.len(), floor.event_bytes());
    for (what, value) in MEASURES {
        let (ours, theirs) = (median(&ours, &flags, value), median(&theirs, &flags, value));
        println!("{what:<28} {ours:>12.0}   floor {theirs:>12.0}   ratio {:.2}", ours / theirs);
    }
    nuncio.stop().await;
    Ok(())
}

type Measure = fn(&Round, &Flags) -> f64;

const MEASURES: [(&str, Measure); 3] = [
    ("events/s", |round, flags| per_second(flags.events, round.events)),
    ("echo, one by one, p50 in us", |round, _| round.echo.as_secs_f64() * 1e6),
    ("echo jobs/s, 64 in flight", |round, flags| per_second(flags.echoes, round.echoes)),
];

fn per_second(count: u64, took: Duration) -> f64 {
    to_f64(count) / took.as_secs_f64()
}

fn median(rounds: &[Round], flags: &Flags, value: Measure) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(|round| value(round, flags)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn middle(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "the counts are small enough to be exact")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
