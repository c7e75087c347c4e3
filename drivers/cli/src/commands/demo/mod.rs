//! `nuncio demo`: [`cut`] cuts a connection while a job runs, [`restart`] kills the runtime, [`pool`] a server in front of
//! CAP workers. [`ask`] shows an agent that asks people.

mod ask;
mod cut;
mod error;
mod narration;
mod pool;
mod process;
mod reports;
mod restart;
mod session;
mod stream;

use std::time::Duration;

use clap::Args;

use crate::exit::Exit;
use crate::text::eprint_line;
use error::DemoError;

/// Far longer than a demonstration takes.
const TIMEOUT: Duration = Duration::from_mins(1);

const AFTER_HELP: &str = "\
Examples:
  nuncio demo
  nuncio demo --restart
  nuncio demo --pool
  nuncio demo --ask

If all went well, the last line is OK with what was counted, and the exit code
is 0. Otherwise the last line is an error, and the exit code is 1.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Instead of cutting the connection, kill the runtime while jobs run, and restart it from its journal
    #[arg(long)]
    restart: bool,
    /// Instead, kill a server in front of a pool of CAP workers. The workers continue, and the next server finds their jobs.
    /// No NATS or Redis server is needed
    #[arg(long, conflicts_with = "restart")]
    pool: bool,
    /// Instead, run an agent that asks people to approve or refuse what it wants to do. The demo plays the people. The runtime
    /// is restarted while a question is open
    #[arg(long, conflicts_with_all = ["restart", "pool"])]
    ask: bool,
}

pub(crate) async fn run(options: &Options) -> Exit {
    let demonstration = async {
        match options {
            Options { pool: true, .. } => pool::run().await,
            Options { ask: true, .. } => ask::run().await,
            Options { restart: true, .. } => restart::run().await,
            Options { .. } => cut::run().await,
        }
    };
    match tokio::time::timeout(TIMEOUT, demonstration).await.unwrap_or(Err(DemoError::TimedOut(TIMEOUT))) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprint_line(&format!("nuncio: {error}"));
            Exit::Failed
        }
    }
}
