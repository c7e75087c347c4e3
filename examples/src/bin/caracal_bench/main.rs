//! Measures Caracal: headers that are made of a context and contexts that are read from headers, and sessions that are
//! opened and terminated at a coordinator, which is a process of its own. With `--peer PYTHON` the same is measured with
//! caracalai-sdk 0.1.1, at the same coordinator. A baseline shows what the http crate and the sockets cost alone. The sides
//! take turns, and the medians of all rounds are printed.
//!
//! Headers are made up to the texts of their values: neither side sets them on a request. Ours checks meanwhile that the token
//! has not expired, which the SDK does not. A context that was read is bound, and looked up once, on both sides.
//!
//! `cargo run --release -p nuncio-examples --bin caracal_bench -- --peer target/peers/caracal-0.1/bin/python`

mod floor;
mod nuncio;

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use nuncio_examples::bench::{Talker, median};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures contexts and sessions of Caracal, and compares them with those of the Python SDK
#[derive(Debug, Parser)]
struct Flags {
    /// For how long the headers are measured in a round, in milliseconds for each direction
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Sessions in a round, one after another
    #[arg(long, default_value_t = 1_000)]
    single: usize,
    /// Sessions in a round, 32 at a time
    #[arg(long, default_value_t = 2_000)]
    sessions: usize,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A Python interpreter with caracalai-sdk 0.1.1, which is measured as well
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    #[command(subcommand)]
    process: Option<Process>,
}

/// The processes that the program starts of itself
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Process {
    Coordinator,
    Client,
    Floor,
}

/// The number of sessions at a time.
const AT_A_TIME: usize = 32;

/// What is measured, each per second.
const COLUMNS: [&str; 4] = ["headers made/s", "headers read/s", "sessions/s", "one by one/s"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let flags = Flags::parse();
    match &flags.process {
        Some(Process::Coordinator) => nuncio::coordinator().await,
        Some(Process::Client) => nuncio::client().await,
        Some(Process::Floor) => floor::client().await,
        None => measure(&flags),
    }
}

/// The client that uses the Python SDK.
const PEER: &str = include_str!("peer.py");

/// A client and what it has measured.
struct Side {
    name: &'static str,
    client: Talker,
    rounds: Vec<[f64; 4]>,
}

impl Side {
    /// Starts a client, whose settings are those of the SDK's environment.
    fn start(name: &'static str, mut command: Command, place: &str) -> Result<Side, Box<dyn Error + Send + Sync>> {
        let (url, token) = place.split_once(' ').ok_or_else(|| format!("the coordinator has failed: {place:?}"))?;
        command.env("CARACAL_COORDINATOR_URL", url).env("CARACAL_SUBJECT_TOKEN", token);
        command.env("CARACAL_ZONE_ID", "z1").env("CARACAL_APPLICATION_ID", nuncio::APPLICATION);
        Ok(Side { name, client: Talker::start(command)?, rounds: Vec::new() })
    }

    fn round(&mut self, flags: &Flags) -> Result<[f64; 4], Box<dyn Error + Send + Sync>> {
        let Flags { millis, single, sessions, .. } = flags;
        let line = self.client.ask(&format!("{millis} {sessions} {AT_A_TIME} {single}"))?;
        let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        let numbers = numbers.ok().and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
        numbers.ok_or_else(|| format!("the client of {} has failed: {line:?}", self.name).into())
    }

    fn medians(&self) -> [f64; 4] {
        std::array::from_fn(|column| median(self.rounds.iter().map(|round| round[column])))
    }
}

fn measure(flags: &Flags) -> Result<(), Box<dyn Error + Send + Sync>> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build, whose numbers are not representative; use --release");
    }
    let this = std::env::current_exe()?;
    let process = |name: &str| {
        let mut command = Command::new(&this);
        command.arg(name);
        command
    };
    let mut coordinator = Talker::start(process("coordinator"))?;
    let place = coordinator.ask("where")?;
    let mut sides =
        vec![Side::start("nuncio", process("client"), &place)?, Side::start("baseline", process("floor"), &place)?];
    if let Some(python) = &flags.peer {
        let mut command = Command::new(python);
        command.args(["-c", PEER]);
        sides.push(Side::start("python", command, &place)?);
    }
    // Everything is started, and every cache is warm.
    let warm = Flags { millis: flags.millis.min(100), single: flags.single.min(50), sessions: 50, ..Flags::parse() };
    for side in &mut sides {
        side.round(&warm)?;
    }
    for _ in 0..flags.rounds.max(1) {
        for side in &mut sides {
            let round = side.round(flags)?;
            side.rounds.push(round);
        }
    }
    println!("medians of {} rounds; {AT_A_TIME} sessions at a time", flags.rounds.max(1));
    let [made, read, sessions, single] = COLUMNS;
    println!("{:<18} {made:>16} {read:>16} {sessions:>16} {single:>16}", "");
    for side in &sides {
        let [made, read, sessions, single] = side.medians();
        println!("{:<18} {made:>16.0} {read:>16.0} {sessions:>16.0} {single:>16.0}", side.name);
    }
    if let [ours, others @ ..] = &sides[..] {
        for other in others {
            let (ours, theirs) = (ours.medians(), other.medians());
            let [made, read, sessions, single]: [f64; 4] = std::array::from_fn(|column| ours[column] / theirs[column]);
            let name = format!("nuncio to {}", other.name);
            println!("{name:<18} {made:>16.2} {read:>16.2} {sessions:>16.2} {single:>16.2}");
        }
    }
    Ok(())
}
