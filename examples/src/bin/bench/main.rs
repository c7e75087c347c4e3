//! Measures ARCP over WebSocket on this machine: Nuncio, a floor, and with `--peer` the Python SDK 1.1.3. Every server and
//! every client is a process of its own.
//!
//! `cargo run --release -p nuncio-examples --bin bench -- --peer target/peers/python/bin/python`
//!
//! The floor is tungstenite alone: it carries the same frames, byte for byte, and parses them into structs of the same
//! shape. The sides take turns, and the median, the least and the most of all rounds are printed with the ratios.

mod floor;
mod measure;
mod nuncio;
mod python;
mod raw;
mod recorded;
mod report;
mod side;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use mimalloc::MiMalloc;

use crate::measure::Measure;
use crate::report::Report;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures Nuncio, tungstenite alone, and the Python SDK
#[derive(Debug, Parser)]
struct Flags {
    /// What is measured [default: everything but long]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Measure>,
    /// The driver of Nuncio's server and client
    #[arg(long, value_enum, default_value_t)]
    driver: Runtime,
    /// A Python interpreter with the package agentruntimecontrolprotocol 1.1.3, which is measured as well
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Measures Nuncio with journals on the disk of this directory as well
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Measures Nuncio over TLS as well
    #[arg(long)]
    tls: bool,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measures less in each round, in per cent
    #[arg(long, default_value_t = 100, value_name = "PERCENT")]
    scale: u64,
    /// Writes the numbers to a file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a plot of the ratios to a file as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(subcommand)]
    process: Option<Process>,
}

/// The processes that the program starts of itself
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Process {
    /// Serves the agents that are measured
    Serve {
        #[arg(long, value_enum)]
        driver: Runtime,
        #[arg(long)]
        journal: Option<PathBuf>,
        #[arg(long)]
        full: bool,
        /// Where a certificate and its key are, for TLS
        #[arg(long)]
        tls: Option<PathBuf>,
    },
    /// Runs jobs on a server
    Drive {
        #[arg(long, value_enum)]
        driver: Runtime,
        #[arg(long)]
        tls: Option<PathBuf>,
        url: String,
    },
    /// Sends recorded frames
    FloorServe { frames: PathBuf },
    /// Reads recorded frames
    FloorDrive { frames: PathBuf, url: String },
}

/// An async runtime
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Runtime {
    #[default]
    Tokio,
    Smol,
}

impl Runtime {
    fn name(self) -> &'static str {
        match self {
            Runtime::Tokio => "tokio",
            Runtime::Smol => "smol",
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    match &flags.process {
        None => measure(&flags),
        Some(Process::FloorServe { frames }) => floor::serve(frames).await,
        Some(Process::FloorDrive { frames, url }) => floor::drive(frames, url).await,
        Some(Process::Serve { driver, journal, full, tls }) => {
            let journal = journal.as_deref().map(|file| (file, *full));
            match driver {
                Runtime::Tokio => nuncio::serve::<nuncio_tokio::Tokio>(journal, tls.as_deref()).await,
                Runtime::Smol => nuncio::serve::<nuncio_smol::Smol>(journal, tls.as_deref()).await,
            }
        }
        Some(Process::Drive { driver, tls, url }) => match driver {
            Runtime::Tokio => nuncio::drive::<nuncio_tokio::Tokio>(url, tls.as_deref()).await,
            Runtime::Smol => nuncio::drive::<nuncio_smol::Smol>(url, tls.as_deref()).await,
        },
    }
}

/// Measures everything that was asked for, side by side.
fn measure(flags: &Flags) -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build, whose numbers are not representative; use --release");
    }
    nuncio_shared::io::raise_descriptor_limit()?;
    let folder = Folder::new(flags.journal.as_deref())?;
    let mut sides = side::all(flags, &folder.0)?;
    let most = || Measure::value_variants().iter().copied().filter(|measure| *measure != Measure::Long).collect();
    let wanted: Vec<Measure> = if flags.only.is_empty() { most() } else { flags.only.clone() };
    let mut report = Report::new(sides.iter().map(|side| side.name.clone()).collect());
    for measure in wanted {
        for round in 0..=flags.rounds.max(1) {
            for (number, side) in sides.iter_mut().enumerate() {
                let scale = if round == 0 { flags.scale.div_ceil(10) } else { flags.scale };
                let values = side.measure(measure, scale)?;
                // The first round warms caches and connections.
                if round > 0 {
                    report.add(number, measure, &values);
                }
            }
        }
        report.print(measure);
    }
    flags.json.as_deref().map_or(Ok(()), |file| report.write_json(file))?;
    flags.plot.as_deref().map_or(Ok(()), |file| report.write_plot(file))
}

/// A directory for frames and journals. It is removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: Option<&std::path::Path>) -> Result<Folder> {
        let parent = parent.map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = parent.join(format!("nuncio-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} cannot be removed: {error}", self.0.display());
        }
    }
}
