//! The `nuncio` command: serve agents, submit jobs, and see both at once in a demonstration.

mod agents;
mod connect;
mod demo;
mod follow;
mod interrupt;
mod logs;
mod serve;
mod show;
mod submit;
mod tail;
mod text;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
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
    /// Serves a few built-in agents on a WebSocket
    Serve(serve::Options),
    /// Submits a job: events on stderr, the result on stdout
    Submit(submit::Options),
    /// Follows a job: what has happened, then what happens, until it ends
    Tail(tail::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    show::colours();
    match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(arguments));
            // A read or write that nobody answers does not keep the command.
            runtime.shutdown_background();
            code
        }
        Err(error) => complain(&error),
    }
}

async fn run(arguments: Arguments) -> ExitCode {
    logs::install(match arguments.command {
        Command::Serve(_) => LevelFilter::WARN,
        // They say themselves what becomes of their connection.
        Command::Demo | Command::Submit(_) | Command::Tail(_) => LevelFilter::ERROR,
    });
    match arguments.command {
        Command::Demo => match demo::run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        },
        Command::Serve(options) => match serve::run(options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        },
        Command::Submit(options) => submit::run(options).await.into(),
        Command::Tail(options) => tail::run(options).await.into(),
    }
}

fn complain(error: &dyn std::error::Error) -> ExitCode {
    text::tell(&format!("nuncio: {error}"));
    ExitCode::FAILURE
}
