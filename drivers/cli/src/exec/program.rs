//! Programs, as the command line and the configuration file name them.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use tokio::process::Command;

/// The variable that makes Python write what it prints at once.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// The variables by which systemd tells a service how to report to it.
const OF_SERVICE_MANAGER: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A command as words. It is written as a shell command is, but no shell runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine(Vec<String>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the command is empty; write the program and its arguments, such as python3 agent.py")]
    Empty,
    #[error("the command cannot be split into words: {0}")]
    Quotes(#[from] shell_words::ParseError),
}

impl FromStr for CommandLine {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<CommandLine, CommandError> {
        CommandLine::new(shell_words::split(text)?)
    }
}

impl CommandLine {
    fn new(words: Vec<String>) -> Result<CommandLine, CommandError> {
        if words.first().is_none_or(String::is_empty) { Err(CommandError::Empty) } else { Ok(CommandLine(words)) }
    }

    /// The first word.
    pub(crate) fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CommandLine, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a command is a text in quotes or an array of words, such as \"python3 agent.py\" or [\"python3\", \"agent.py\"]"
        )]
        enum Written {
            Line(String),
            Words(Vec<String>),
        }
        match Written::deserialize(deserializer)? {
            Written::Line(line) => line.parse(),
            Written::Words(words) => CommandLine::new(words),
        }
        .map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shell_words::join(&self.0))
    }
}

/// What the result of a job is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResultSource {
    /// The program writes messages to stdout, one per line.
    #[default]
    Messages,
    /// What the program prints is the result, as a text.
    Stdout,
    /// What the program prints is the result, as one JSON value.
    Json,
    /// The exit status is the result.
    Exit,
}

impl FromStr for ResultSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ResultSource, &'static str> {
        match text {
            "messages" => Ok(ResultSource::Messages),
            "stdout" => Ok(ResultSource::Stdout),
            "json" => Ok(ResultSource::Json),
            "exit" => Ok(ResultSource::Exit),
            _ => Err("write messages, stdout, json or exit"),
        }
    }
}

impl std::fmt::Display for ResultSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ResultSource::Messages => "messages",
            ResultSource::Stdout => "stdout",
            ResultSource::Json => "json",
            ResultSource::Exit => "exit",
        })
    }
}

/// A program that was found and can be run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) command: CommandLine,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Whether the program may ask questions, for whose answers its stdin stays open after the input.
    pub(crate) questions: bool,
    /// Whether its stdout is a terminal.
    pub(crate) pty: bool,
    pub(crate) result: ResultSource,
}

impl Program {
    /// Returns the command that runs the program, with the environment of nuncio without what is for nuncio alone: its own
    /// `NUNCIO_*` variables, which may hold tokens, and how to speak to systemd.
    pub(crate) fn to_command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        for (name, _) in std::env::vars_os() {
            let is_own = |name: &str| name.starts_with("NUNCIO_") || OF_SERVICE_MANAGER.contains(&name);
            if name.to_str().is_some_and(is_own) {
                command.env_remove(name);
            }
        }
        // Python writes to a pipe in blocks otherwise, so that events would arrive late and together.
        if std::env::var_os(UNBUFFERED).is_none() {
            command.env(UNBUFFERED, "1");
        }
        // On a terminal many programs write colours otherwise.
        if self.pty {
            command.env("TERM", "dumb");
        }
        command
    }

    /// Finds the program, on `PATH` unless its name contains a slash.
    pub(crate) fn find(command: CommandLine, questions: bool) -> Result<Program, which::Error> {
        let (name, arguments) = command.0.split_first().ok_or(which::Error::CannotFindBinaryPath)?;
        let (path, arguments) = (which::which(name)?, arguments.to_vec());
        Ok(Program { path, arguments, questions, pty: false, result: ResultSource::default(), command })
    }
}
