//! The `nuncio` command: serve agents, submit jobs, and see both at once in a demonstration.

mod agents;
mod cancel;
mod connect;
mod demo;
mod follow;
mod interrupt;
mod jobs;
mod journal;
mod kept;
mod logs;
mod man;
mod replay;
mod security;
#[cfg(test)]
mod security_tests;
mod serve;
mod show;
mod signals;
mod submit;
mod tail;
mod text;
mod times;
mod verdict;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::Builder;
use tracing::level_filters::LevelFilter;
use verdict::{Trouble, Verdict};

/// Controls long-running agent jobs over ARCP v1.1.
#[derive(Debug, Parser)]
#[command(name = "nuncio", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a runtime and a client, cuts their connection or kills the runtime, and checks that nothing is lost
    Demo(demo::Options),
    /// Serves agents, any program among them, on a WebSocket or on stdin and stdout
    Serve(Box<serve::Options>),
    /// Submits a job: events on stderr, the result on stdout
    Submit(submit::Options),
    /// Follows a job: what has happened, then what happens, until it ends
    Tail(tail::Options),
    /// Lists jobs
    Jobs(jobs::Options),
    /// Cancels a job
    Cancel(cancel::Options),
    /// Prints what a session was sent, from a journal
    Replay(replay::Options),
    /// Checks a journal, tells what is in it, makes it smaller
    Journal(journal::Options),
    /// Prints a script that completes this command's arguments in a shell
    Completions(man::Completions),
    /// Writes man pages
    Man(man::Man),
    /// Ends the programs of a nuncio that was killed
    #[cfg(unix)]
    #[command(hide = true)]
    AgentGuard(serve::GuardOptions),
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
        #[cfg(unix)]
        Command::AgentGuard(_) => LevelFilter::ERROR,
        Command::Demo(_)
        | Command::Submit(_)
        | Command::Tail(_)
        | Command::Jobs(_)
        | Command::Cancel(_)
        | Command::Replay(_)
        | Command::Journal(_)
        | Command::Completions(_)
        | Command::Man(_) => LevelFilter::ERROR,
    });
    match arguments.command {
        Command::Demo(options) => match demo::run(&options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        },
        Command::Serve(options) => serve::run(*options).await,
        Command::Submit(options) => submit::run(options).await.into(),
        Command::Tail(options) => tail::run(options).await.into(),
        Command::Jobs(options) => jobs::run(options).await.into(),
        Command::Cancel(options) => cancel::run(options).await.into(),
        Command::Replay(options) => told(replay::run(options).await),
        Command::Journal(options) => told(journal::run(&options)),
        Command::Completions(options) => told(options.run(Arguments::command())),
        Command::Man(options) => told(options.run(Arguments::command())),
        #[cfg(unix)]
        Command::AgentGuard(options) => {
            serve::guard(&options);
            ExitCode::SUCCESS
        }
    }
}

fn told(done: Result<Verdict, Trouble>) -> ExitCode {
    let verdict = done.unwrap_or_else(|trouble| {
        text::tell(&format!("nuncio: {trouble}"));
        trouble.verdict()
    });
    verdict.into()
}

fn complain(error: &dyn std::error::Error) -> ExitCode {
    text::tell(&format!("nuncio: {error}"));
    ExitCode::FAILURE
}
