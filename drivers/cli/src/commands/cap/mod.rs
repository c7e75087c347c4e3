//! `nuncio cap`: workers, routers and clients of CAP, the Cordum Agent Protocol.
//!
//! [`servers`] has the options of NATS and Redis, [`keys`] those of identity and signatures, and [`production`] those of the
//! production profile; the other modules are one subcommand each.

mod bus;
mod demo;
pub(crate) mod keygen;
pub(crate) mod keys;
mod label;
pub(crate) mod production;
mod router;
pub(crate) mod servers;
mod submit;
pub(crate) mod topic;
mod watch;
#[cfg(unix)]
mod worker;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::output;

const AFTER_HELP: &str = "\
Example, with `nuncio cap bus` in place of a nats-server and a Redis server:
  for id in router-1 worker-1 client-1; do nuncio cap keygen $id --dir keys
  done
  nuncio cap bus
  nuncio cap router --id router-1 --keys keys --store jobs.db
  nuncio cap worker --id worker-1 --keys keys \\
      --topic 'job.count=jq -c {result:length}'
  nuncio cap submit job.count --id client-1 --keys keys --input '[\"to\", \"be\"]'
  nuncio cap watch --keys keys

`nuncio cap COMMAND --help` describes a command, with examples and exit codes.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run programs as the handlers of a worker
    #[cfg(unix)]
    Worker(Box<worker::Options>),
    /// Send submitted jobs to workers, and make sure that each ends
    Router(Box<router::Options>),
    /// Submit a job and wait for its result
    Submit(Box<submit::Options>),
    /// Print every packet on the bus, decoded and verified
    Watch(Box<watch::Options>),
    /// Serve a bus and a blob store in memory, for development
    Bus(bus::Options),
    /// Make the key pair of a component
    Keygen(keygen::Options),
    /// Show that no job is lost when a worker is killed
    Demo(demo::Options),
}

impl Options {
    /// What a command that serves logs; `None` for the other commands.
    pub(crate) fn logs(&self) -> Option<LogOptions> {
        match &self.command {
            #[cfg(unix)]
            Command::Worker(options) => Some(options.logs),
            Command::Router(options) => Some(options.logs),
            Command::Bus(options) => Some(options.logs),
            Command::Submit(_) | Command::Watch(_) | Command::Keygen(_) | Command::Demo(_) => None,
        }
    }
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(match options.command {
        #[cfg(unix)]
        Command::Worker(options) => worker::run(&options).await,
        Command::Submit(options) => submit::run(&options).await,
        Command::Watch(options) => watch::run(&options).await,
        Command::Router(options) => router::run(&options).await,
        Command::Bus(options) => bus::run(&options).await,
        Command::Keygen(options) => keygen::run(&options),
        Command::Demo(options) => demo::run(&options).await,
    })
}
