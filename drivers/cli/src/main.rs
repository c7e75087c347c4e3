//! The `nuncio` command: serve agents, submit jobs, and see both at once in a demonstration.

mod agents;
mod demo;
mod logs;
mod serve;
mod submit;
mod text;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;

/// Controls long-running agent jobs over ARCP v1.1.
#[derive(Debug, Parser)]
#[command(name = "nuncio", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a runtime and a client in this process, cuts their connection, and checks that nothing is lost
    Demo,
    /// Serves agents, any program among them, on a WebSocket or on stdin and stdout
    Serve(Box<serve::Options>),
    /// Submits a job: events on stderr, the result on stdout
    Submit(submit::Options),
    /// Ends the programs of a nuncio that was killed
    #[cfg(unix)]
    #[command(hide = true)]
    AgentGuard(serve::GuardOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::install(match arguments.command {
        Command::Serve(_) => LevelFilter::WARN,
        // They say themselves what becomes of their connection.
        Command::Demo | Command::Submit(_) => LevelFilter::ERROR,
        #[cfg(unix)]
        Command::AgentGuard(_) => LevelFilter::ERROR,
    });
    match arguments.command {
        Command::Demo => match demo::run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        },
        Command::Serve(options) => serve::run(*options).await,
        Command::Submit(options) => submit::run(options).await,
        #[cfg(unix)]
        Command::AgentGuard(options) => {
            serve::guard(&options);
            ExitCode::SUCCESS
        }
    }
}

fn complain(error: &dyn std::error::Error) -> ExitCode {
    text::tell(&format!("nuncio: {error}"));
    ExitCode::FAILURE
}
