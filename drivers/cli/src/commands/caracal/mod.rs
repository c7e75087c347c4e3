//! `nuncio caracal`: a coordinator of agent sessions and delegation edges, and the headers that carry them.
//!
//! [`applications`] has the options that name applications and their secrets; the other modules are one subcommand each.

mod applications;
mod coordinator;
mod inspect_headers;

use clap::{Args, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::exit::Exit;
use crate::output;

const AFTER_HELP: &str = "\
Example:
  nuncio caracal coordinator --listen 127.0.0.1:4000 --zone my-zone \\
      --application my-app=s3cret --store caracal.db
  nuncio caracal inspect-headers \\
      'baggage: caracal.agent_session=s1,caracal.hop=2'

`nuncio caracal COMMAND --help` describes a command, with examples and exit
codes.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open sessions and create edges for applications, and issue their tokens
    Coordinator(Box<coordinator::Options>),
    /// Explain the headers of a request: who acts, for whom, in which trace
    InspectHeaders(inspect_headers::Options),
}

impl Options {
    /// What is logged unless `RUST_LOG` says otherwise: a coordinator has only its log to report trouble.
    pub(crate) fn log_level(&self) -> LevelFilter {
        match self.command {
            Command::Coordinator(_) => LevelFilter::WARN,
            Command::InspectHeaders(_) => LevelFilter::ERROR,
        }
    }
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(match options.command {
        Command::Coordinator(options) => coordinator::run(&options).await,
        Command::InspectHeaders(options) => inspect_headers::run(&options),
    })
}
