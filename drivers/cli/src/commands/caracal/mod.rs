//! `nuncio caracal`: a coordinator of agent sessions and delegation edges, its clients, and the headers that carry them.
//!
//! [`applications`] has the options that name applications and their secrets, [`connection`] those of a client, and
//! [`listing`] fetches sessions and edges; the other modules are subcommands.

mod applications;
mod connection;
mod coordinator;
mod delegate;
mod demo;
mod inspect_headers;
mod list;
mod listing;
mod refusals;
mod spawn;
mod token;
mod tree;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::output;

const AFTER_HELP: &str = "\
Examples:
  nuncio caracal demo
  nuncio caracal coordinator --listen 127.0.0.1:4000 --zone my-zone \\
      --application my-app=s3cret --store caracal.db
  nuncio caracal tree
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
    /// Show a delegation, the calls that it allows, and a revocation that stops them
    Demo(demo::Options),
    /// Print a token of an application
    Token(token::Options),
    /// Open a session
    Spawn(spawn::SpawnOptions),
    /// End a session and the sessions below it
    Terminate(spawn::TerminateOptions),
    /// Create an edge from one session to another
    Delegate(delegate::DelegateOptions),
    /// Revoke an edge and the edges that follow it
    Revoke(delegate::RevokeOptions),
    /// List sessions or edges
    List(list::Options),
    /// Print the sessions as a tree, with the edges into them
    Tree(tree::Options),
    /// Explain the headers of a request: who acts, for whom, in which trace
    InspectHeaders(inspect_headers::Options),
}

impl Options {
    /// What a command that serves logs; `None` for the other commands.
    pub(crate) fn logs(&self) -> Option<LogOptions> {
        match &self.command {
            Command::Coordinator(options) => Some(options.logs),
            _ => None,
        }
    }
}

pub(crate) async fn run(options: Options) -> Exit {
    match options.command {
        Command::Coordinator(options) => output::finish(coordinator::run(&options).await),
        Command::Demo(options) => output::finish(demo::run(&options).await),
        Command::Token(options) => token::run(&options).await,
        Command::Spawn(options) => spawn::spawn(&options).await,
        Command::Terminate(options) => spawn::terminate(&options).await,
        Command::Delegate(options) => delegate::delegate(&options).await,
        Command::Revoke(options) => delegate::revoke(&options).await,
        Command::List(options) => list::run(&options).await,
        Command::Tree(options) => tree::run(&options).await,
        Command::InspectHeaders(options) => output::finish(inspect_headers::run(&options)),
    }
}
