//! Programs as agents, as the command line and the configuration file name them.

use std::num::NonZeroU32;
use std::str::FromStr;

use nuncio_tokio::arcp::OnRestart;
use serde::Deserialize;

use crate::exec::program::{CommandError, CommandLine, ResultSource};

/// `NAME` or `NAME@VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AgentName(String);

impl TryFrom<String> for AgentName {
    type Error = String;

    /// Splits the name from the version. The characters of both are checked when the server is built.
    fn try_from(text: String) -> Result<AgentName, String> {
        let (name, version) = text.split_once('@').unwrap_or((&text, "1"));
        if name.is_empty() || version.is_empty() {
            return Err(format!("{text:?} is not an agent; write NAME or NAME@VERSION"));
        }
        Ok(AgentName(text))
    }
}

impl AgentName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn name(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(name, _)| name)
    }

    /// Whether an option means this agent: it names this version, or all versions.
    pub(super) fn is(&self, named: &str) -> bool {
        self.name() == named || self.0 == named
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, version)| version)
    }
}

/// The value of `--agent`: `NAME[@VERSION]=COMMAND`.
#[derive(Clone, Debug)]
pub(super) struct NamedCommand {
    pub(super) agent: AgentName,
    pub(super) command: CommandLine,
}

impl FromStr for NamedCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<NamedCommand, String> {
        let (agent, command) = text.split_once('=').ok_or("write it as NAME=COMMAND, or NAME@VERSION=COMMAND")?;
        let agent = AgentName::try_from(agent.to_owned())?;
        Ok(NamedCommand { agent, command: command.parse().map_err(|error: CommandError| error.to_string())? })
    }
}

/// The value of `--max-concurrent`: `NAME=COUNT`.
#[derive(Clone, Debug)]
pub(super) struct Concurrency {
    pub(super) name: String,
    pub(super) jobs: NonZeroU32,
}

impl FromStr for Concurrency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Concurrency, &'static str> {
        const FORMAT: &str = "write it as NAME=COUNT, with a count of at least 1";
        let (name, jobs) = text.split_once('=').ok_or(FORMAT)?;
        Ok(Concurrency { name: name.to_owned(), jobs: jobs.parse().map_err(|_| FORMAT)? })
    }
}

/// What becomes of a running job when the server is restarted from its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Restart {
    /// It ends with an error.
    Fail,
    /// Its agent is run again.
    Rerun,
}

impl std::fmt::Display for Restart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Restart::Fail => "fail",
            Restart::Rerun => "rerun",
        })
    }
}

impl Restart {
    pub(super) const fn on_restart(self) -> OnRestart {
        match self {
            Restart::Fail => OnRestart::Fail,
            Restart::Rerun => OnRestart::Rerun,
        }
    }
}

/// The value of `--restart`: `NAME=fail` or `NAME=rerun`.
#[derive(Clone, Debug)]
pub(super) struct NamedRestart {
    pub(super) name: String,
    pub(super) restart: Restart,
}

impl FromStr for NamedRestart {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<NamedRestart, &'static str> {
        const FORMAT: &str = "write it as NAME=fail or NAME=rerun";
        let (name, restart) = text.split_once('=').ok_or(FORMAT)?;
        let restart = match restart {
            "fail" => Restart::Fail,
            "rerun" => Restart::Rerun,
            _ => return Err(FORMAT),
        };
        Ok(NamedRestart { name: name.to_owned(), restart })
    }
}

/// The value of `--result`: `NAME=stdout` and the like.
#[derive(Clone, Debug)]
pub(super) struct NamedResult {
    pub(super) name: String,
    pub(super) source: ResultSource,
}

impl FromStr for NamedResult {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<NamedResult, &'static str> {
        const FORMAT: &str = "write it as NAME=messages, NAME=stdout, NAME=json or NAME=exit";
        let (name, source) = text.split_once('=').ok_or(FORMAT)?;
        Ok(NamedResult { name: name.to_owned(), source: source.parse().map_err(|_| FORMAT)? })
    }
}
