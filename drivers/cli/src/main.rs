//! The `nuncio` command: serves agents, submits and follows jobs, and inspects journals.
//!
//! Each subcommand is a module of [`commands`], with its options beside it. The other modules are shared by the
//! subcommands.

mod arguments;
mod commands;
mod connection;
mod detached;
mod error;
mod exec;
mod exit;
mod follow;
mod journal_file;
mod logging;
mod output;
mod private;
mod prompts;
mod signals;
mod size;
mod text;
mod time;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};
use tokio::runtime::Builder;

use commands::{
    agents, answer, cancel, cap, caracal, completions, conformance, context, demo, describe, jobs, journal, man,
    questions, replay, serve, submit, tail, top, wait,
};
use error::Error;
use exit::Exit;
use output::terminal;

const AFTER_HELP: &str = "\
Examples:
  nuncio demo
  nuncio serve --token s3cret=me --demo-agents
  nuncio submit echo --token s3cret --input 42

`nuncio COMMAND --help` describes a command, with examples and exit codes.
RUST_LOG sets what is logged on stderr: debug, or warn,nuncio_shared=trace.
Commands that serve have --log-level and --log-format, too.";

/// Control long-running agent jobs over ARCP v1.1
#[derive(Debug, Parser)]
#[command(name = "nuncio", version, propagate_version = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    #[arg(help = "When to print in colour: always, never, or auto, which does on a terminal unless NO_COLOR is set")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show that jobs survive a lost connection or a killed runtime
    Demo(demo::Options),
    /// Serve agents over WebSocket, or over stdin and stdout
    Serve(Box<serve::Options>),
    /// Submit a job and follow it to its end
    Submit(submit::Options),
    /// Follow a job that is already submitted
    Tail(tail::Options),
    /// List jobs
    Jobs(jobs::Options),
    /// Show the jobs that run, again and again
    Top(top::Options),
    /// Show all that is known of a job
    Describe(describe::Options),
    /// Wait until jobs have ended
    Wait(wait::Options),
    /// List the agents that a runtime offers
    Agents(agents::Options),
    /// Cancel a job
    Cancel(cancel::Options),
    /// List the questions of agents that wait for an answer
    Questions(questions::Options),
    /// Answer a question of an agent
    Answer(answer::Options),
    /// Save the URLs and tokens of runtimes
    Context(context::Options),
    /// Run workers, routers and clients of CAP, on NATS
    Cap(Box<cap::Options>),
    /// Run a coordinator of Caracal, and explain the headers of its agents
    Caracal(Box<caracal::Options>),
    /// Print the frames that a session was sent, from a journal
    Replay(replay::Options),
    /// Inspect, check or compact a journal
    Journal(journal::Options),
    /// Judge a runtime or a client by the rules of ARCP
    Conformance(Box<conformance::Options>),
    /// Print a completion script for a shell
    Completions(completions::Options),
    /// Write man pages
    Man(man::Options),
    /// End the programs of a nuncio process that was killed
    #[cfg(unix)]
    #[command(hide = true)]
    AgentGuard(exec::guard::GuardOptions),
    /// Run a command as the first process of a container does
    #[cfg(unix)]
    #[command(hide = true)]
    AgentInit(exec::init::InitOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::try_parse()
        .unwrap_or_else(|error| arguments::without_secrets(error, &mut Arguments::command()).exit());
    terminal::enable_colors(arguments.color);
    #[cfg(unix)]
    if matches!(arguments.command, Command::Serve(_) | Command::Cap(_)) && exec::init::is_needed() {
        return ended(exec::init::run(std::env::args_os().skip(1).collect()));
    }
    #[cfg(unix)]
    if let Command::AgentInit(options) = &arguments.command {
        return ended(exec::init::as_if_first(options));
    }
    let exit = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(run(arguments.command));
            // Does not wait for a blocking read of stdin, or write to stdout, that may never return.
            runtime.shutdown_background();
            exit
        }
        Err(error) => output::report(&Error::System(error)),
    };
    exit.into()
}

/// Ends with the exit code of a child process.
#[cfg(unix)]
fn ended(code: Result<u8, Error>) -> ExitCode {
    code.map_or_else(|error| output::report(&error).into(), ExitCode::from)
}

async fn run(command: Command) -> Exit {
    let of_server = match &command {
        // It starts its log by itself, as its configuration file says.
        Command::Serve(_) => None,
        Command::Cap(options) => Some(options.logs()),
        Command::Caracal(options) => Some(options.logs()),
        _ => Some(None),
    };
    match of_server {
        Some(Some(options)) => logging::install_for_server(options),
        Some(None) => logging::install_for_client(),
        None => {}
    }
    match command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Serve(options) => Box::pin(serve::run(*options)).await,
        Command::Submit(options) => submit::run(options).await,
        Command::Tail(options) => tail::run(options).await,
        Command::Jobs(options) => jobs::run(options).await,
        Command::Top(options) => top::run(options).await,
        Command::Describe(options) => describe::run(options).await,
        Command::Wait(options) => wait::run(options).await,
        Command::Agents(options) => agents::run(options).await,
        Command::Cancel(options) => cancel::run(options).await,
        Command::Questions(options) => questions::run(options).await,
        Command::Answer(options) => answer::run(options).await,
        Command::Context(options) => context::run(options),
        Command::Cap(options) => cap::run(*options).await,
        Command::Caracal(options) => caracal::run(*options).await,
        Command::Replay(options) => replay::run(options).await,
        Command::Journal(options) => journal::run(&options),
        Command::Conformance(options) => conformance::run(*options).await,
        Command::Completions(options) => completions::run(&options, Arguments::command()),
        Command::Man(options) => man::run(&options, Arguments::command()),
        #[cfg(unix)]
        Command::AgentGuard(options) => exec::guard::guard(&options),
        // Handled before there is a runtime, as the process has one of its own.
        #[cfg(unix)]
        Command::AgentInit(_) => Exit::Usage,
    }
}
