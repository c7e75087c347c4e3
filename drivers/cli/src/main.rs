//! The `nuncio` command: serves agents, submits and follows jobs, and inspects journals.
//!
//! Each subcommand is a module of [`commands`], with its options beside it. The other modules are shared by the
//! subcommands.

mod arguments;
mod commands;
mod connection;
mod descriptors;
mod detached;
mod document;
mod error;
mod exec;
mod exit;
mod files;
mod follow;
mod identity;
mod journal_file;
mod logging;
mod output;
mod private;
mod prompts;
mod signals;
mod similar;
mod size;
mod text;
mod time;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches as _, Parser, Subcommand};
use tokio::runtime::Builder;

use commands::{
    agents, answer, cancel, cap, caracal, completions, conformance, context, demo, describe, jobs, journal, man,
    questions, replay, serve, sessions, status, submit, tail, top, wait,
};
use error::Error;
use exit::Exit;
use mimalloc::MiMalloc;
use output::terminal;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const AFTER_HELP: &str = "\
Examples:
  nuncio demo
  nuncio serve --token s3cret=me --demo-agents
  nuncio submit echo --token s3cret --input 42

`nuncio COMMAND --help` describes a command, with examples and exit codes.
RUST_LOG selects what is logged on stderr, such as debug, or
warn,nuncio_shared=trace. Commands that serve also have --log-level and
--log-format.";

/// Control long-running agent jobs over ARCP v1.1
#[derive(Debug, Parser)]
#[command(name = "nuncio", version, propagate_version = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    #[arg(help = "When to print in colour: always, never, or auto (on a terminal, unless NO_COLOR is set)")]
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
    /// Show the jobs that have not ended, and refresh the list
    Top(top::Options),
    /// Show the details of a job
    Describe(describe::Options),
    /// Wait until jobs have ended
    Wait(wait::Options),
    /// List the agents that a runtime offers
    Agents(agents::Options),
    /// Show the state of a runtime to its operators: memory, journal, pool
    Status(status::Options),
    /// List the sessions of a runtime
    Sessions(sessions::Options),
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
    /// Test a runtime or a client against the rules of ARCP
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

/// The command line.
fn command_line() -> clap::Command {
    time::explain_durations(Arguments::command())
}

fn main() -> ExitCode {
    let parsed = command_line().try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = parsed.unwrap_or_else(|error| arguments::exit(error, &mut command_line()));
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
        Command::Status(options) => status::run(options).await,
        Command::Sessions(options) => sessions::run(options).await,
        Command::Cancel(options) => cancel::run(options).await,
        Command::Questions(options) => questions::run(options).await,
        Command::Answer(options) => answer::run(options).await,
        Command::Context(options) => context::run(options),
        Command::Cap(options) => cap::run(*options).await,
        Command::Caracal(options) => caracal::run(*options).await,
        Command::Replay(options) => replay::run(options).await,
        Command::Journal(options) => journal::run(&options),
        Command::Conformance(options) => conformance::run(*options).await,
        Command::Completions(options) => completions::run(&options, command_line()),
        Command::Man(options) => man::run(&options, command_line()),
        #[cfg(unix)]
        Command::AgentGuard(options) => exec::guard::guard(&options),
        // Handled before there is a runtime, as the process has one of its own.
        #[cfg(unix)]
        Command::AgentInit(_) => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command, CommandFactory as _};

    use super::{Arguments, arguments};
    use crate::text::is_active;
    use crate::time::is_duration;

    /// An option that takes a value, and the words that come before it.
    type Place = (Vec<String>, Arg);

    fn options(command: &Command, path: &[String]) -> Vec<Place> {
        let has_value = |arg: &&Arg| arg.get_action().takes_values() && arg.get_long().is_some();
        let own = command.get_arguments().filter(has_value).map(|arg| (path.to_vec(), arg.clone()));
        let below = command
            .get_subcommands()
            .flat_map(|below| options(below, &[path, &[below.get_name().to_owned()]].concat()));
        own.chain(below).collect()
    }

    /// Returns what is said of an option with this value; nothing if it is not refused.
    fn said(command: &mut Command, (path, arg): &Place, value: &str) -> String {
        let option = format!("--{}={value}", arg.get_long().unwrap_or_default());
        let words = [&path[..], &[option]].concat();
        let refused = command.try_get_matches_from_mut(&words).err();
        refused.map_or_else(String::new, |error| arguments::message(error, command, &words))
    }

    #[test]
    fn no_value_of_an_option_forges_a_line_or_acts_on_the_terminal() {
        let mut command = Arguments::command();
        let options = options(&command, &["nuncio".to_owned()]);
        assert!(options.len() > 200, "only {} options were found", options.len());
        for place in options {
            for value in ["x\u{1b}[2J\u{202e}\nnuncio: all is well", "=\u{1b}]0;\u{7}\nnuncio: all is well=\u{9b}2J"] {
                let message = said(&mut command, &place, value);
                assert!(message.lines().all(|line| !line.starts_with("nuncio:")), "{place:?}: {message}");
                assert!(!message.contains(|next| next != '\n' && is_active(next)), "{place:?}: {message:?}");
            }
        }
    }

    /// A bare number must not surprise anybody.
    #[test]
    fn a_duration_without_a_unit_is_seconds_as_the_help_of_every_command_says() {
        let mut command = super::command_line();
        let durations: Vec<Place> =
            options(&command, &["nuncio".to_owned()]).into_iter().filter(|(_, arg)| is_duration(arg)).collect();
        assert!(durations.len() > 30, "only {} durations were found", durations.len());
        for place in durations {
            let refused = said(&mut command, &place, "5 parsecs");
            assert!(refused.contains("a number without a unit is seconds"), "{place:?}: {refused}");
            let names = place.0.iter().skip(1);
            let owner = names.fold(&command, |command, name| command.find_subcommand(name).unwrap_or(command));
            for help in [owner.get_after_help(), owner.get_after_long_help()].into_iter().flatten() {
                let help = help.to_string();
                assert_eq!(help.matches("Write durations as").count(), 1, "{place:?}: {help}");
                assert!(help.lines().filter(|line| line.starts_with("Write ")).count() <= 2, "{help}");
            }
            assert!(owner.get_after_help().is_some(), "{place:?}");
        }
    }

    #[test]
    fn no_message_repeats_a_token_or_a_secret() {
        let mut command = Arguments::command();
        let mut secrets = 0;
        for place in options(&command, &["nuncio".to_owned()]) {
            let mut names = place.1.get_value_names().unwrap_or_default().iter().map(clap::builder::Str::as_str);
            let is_secret = names.any(|name| ["TOKEN", "SECRET", "PASSWORD"].iter().any(|part| name.contains(part)));
            let logins = ["x://u:s3cret@h", "x://s3cret@h/"];
            let alone = ["s3cret", "s3cret=", "=s3cret", "a=b,s3cret", "s3cret\u{1b}"];
            for value in logins.into_iter().chain(alone.into_iter().filter(|_| is_secret)) {
                let message = said(&mut command, &place, value);
                assert!(!message.contains("s3cret"), "{place:?}: {message}");
            }
            secrets += usize::from(is_secret);
        }
        assert!(secrets > 10, "only {secrets} options hold secrets");
    }
}
