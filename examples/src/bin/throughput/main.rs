//! How fast is it? Events per second of one job to one client over a loopback WebSocket, and echo jobs per second, each
//! next to its floor: bare tungstenite that carries the same frames, byte for byte, and parses them with structs of the
//! same shape. Nuncio and floor take turns; the medians of all rounds are shown.
//!
//! `cargo run --release -p nuncio-examples --bin throughput`

mod floor;
mod nuncio;
mod recorded;

use std::error::Error;
use std::time::Duration;

use clap::Parser;

/// Measures Nuncio next to bare tungstenite
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
}

/// What is measured in one round, of one side.
#[derive(Clone, Copy)]
struct Round {
    /// All events.
    events: Duration,
    /// The median of one echo.
    echo: Duration,
    /// All echoes, [`IN_FLIGHT`] at a time.
    echoes: Duration,
}

/// Jobs in flight, and frames in a flush of the floor.
const IN_FLIGHT: u32 = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: only a release build says anything about speed");
    }
    let nuncio = nuncio::Nuncio::start().await?;
    let url = nuncio.url().to_owned();
    let frames = tokio::task::spawn_blocking(move || recorded::Frames::record(&url))
        .await?
        .map_err(|error| error.to_string())?;
    let floor = floor::Floor::start(frames)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..flags.rounds.max(1) {
        theirs.push(floor.round(&flags)?);
        ours.push(nuncio.round(&flags).await.map_err(|error| error.to_string())?);
    }
    println!("medians of {} rounds; events of {} bytes", ours.len(), floor.event_bytes());
    let per_second = |count: u64, took: Duration| to_f64(count) / took.as_secs_f64();
    let line = |what: &str, ours: f64, theirs: f64| {
        println!("{what:<28} {ours:>12.0}   floor {theirs:>12.0}   ratio {:.2}", ours / theirs);
    };
    let events = |round: &Round| per_second(flags.events, round.events);
    line("events/s", median(&ours, events), median(&theirs, events));
    let echo = |round: &Round| round.echo.as_secs_f64() * 1e6;
    line("echo, one by one, p50 in us", median(&ours, echo), median(&theirs, echo));
    let echoes = |round: &Round| per_second(flags.echoes, round.echoes);
    line("echo jobs/s, 64 in flight", median(&ours, echoes), median(&theirs, echoes));
    nuncio.stop().await;
    Ok(())
}

fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn middle(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a count of what is done in seconds")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
