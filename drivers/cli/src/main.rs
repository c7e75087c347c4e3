//! The `nuncio` command: serve agents, submit jobs, and see both at once in a demonstration.

mod agents;
mod demo;
mod logs;
#[cfg_attr(not(test), expect(dead_code, reason = "serve and submit flatten it"))]
mod security;
#[cfg(test)]
mod security_tests;
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
    /// Serves a few built-in agents on a WebSocket
    Serve(serve::Options),
    /// Submits a job: events on stderr, the result on stdout
    Submit(submit::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::install(match arguments.command {
        Command::Serve(_) => LevelFilter::WARN,
        // They say themselves what becomes of their connection.
        Command::Demo | Command::Submit(_) => LevelFilter::ERROR,
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
        Command::Submit(options) => submit::run(options).await,
    }
}

fn complain(error: &dyn std::error::Error) -> ExitCode {
    text::tell(&format!("nuncio: {error}"));
    ExitCode::FAILURE
}
