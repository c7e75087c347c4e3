//! The configuration file of `nuncio serve`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use serde::Deserialize;

use super::agent::{AgentName, Restart};
use super::ask::Marked;
use super::error::ServeError;
use super::journal::SyncMode;
use super::limits::Limits;
use super::options::{Compat, EndpointPath};
use super::pool::PoolOptions;
use super::security::Security;
use crate::exec::program::{CommandLine, ResultSource};
use crate::logging::{LogFormat, LogLevel};
use crate::time::HumanDuration;

/// The file. Its keys are the names of the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct File {
    pub(super) listen: Option<String>,
    pub(super) path: Option<EndpointPath>,
    pub(super) behind_proxy: bool,
    pub(super) watch: bool,
    pub(super) metrics: Option<String>,
    pub(super) console: Option<String>,
    pub(super) stdio: bool,
    pub(super) shards: Option<NonZeroU32>,
    pub(super) demo_agents: bool,
    pub(super) ask: Vec<Marked>,
    pub(super) no_self_approval: bool,
    pub(super) compat: Option<Compat>,
    pub(super) drain: Option<HumanDuration>,
    pub(super) kill_grace: Option<HumanDuration>,
    pub(super) journal: Option<PathBuf>,
    pub(super) sync: Option<SyncMode>,
    pub(super) retain: Option<HumanDuration>,
    pub(super) journal_max: Option<ByteSize>,
    pub(super) pool: PoolOptions,
    pub(super) security: Security,
    pub(super) limits: Limits,
    pub(super) log_level: Option<LogLevel>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) agents: BTreeMap<AgentName, Agent>,
}

/// A table of `[agents]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a table, such as [agents.report] with command = \"python3 agent.py\""
)]
pub(super) struct Agent {
    pub(super) command: CommandLine,
    #[serde(default = "yes")]
    pub(super) questions: bool,
    #[serde(default)]
    pub(super) pty: bool,
    #[serde(default)]
    pub(super) result: ResultSource,
    #[serde(default)]
    pub(super) default: bool,
    pub(super) max_concurrent: Option<NonZeroU32>,
    pub(super) restart: Option<Restart>,
}

fn yes() -> bool {
    true
}

impl File {
    pub(super) fn read(path: &Path) -> Result<File, ServeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ServeError::FileUnreadable { path: path.to_owned(), error })?;
        toml::from_str(&text)
            .map_err(|error| ServeError::FileInvalid { path: path.to_owned(), complaint: complaint(&text, &error) })
    }

    /// The `max-concurrent` of each agent. It counts for all versions of an agent together.
    pub(super) fn max_concurrent(&self) -> Result<BTreeMap<String, NonZeroU32>, ServeError> {
        let mut limits = BTreeMap::new();
        for (agent, table) in &self.agents {
            let Some(jobs) = table.max_concurrent else { continue };
            if limits.insert(agent.name().to_owned(), jobs).is_some_and(|other| other != jobs) {
                return Err(ServeError::DifferentConcurrency(agent.name().to_owned()));
            }
        }
        Ok(limits)
    }

    /// The `restart` of each agent. It is that of all versions of an agent together.
    pub(super) fn restart(&self) -> Result<BTreeMap<String, Restart>, ServeError> {
        let mut restarts = BTreeMap::new();
        for (agent, table) in &self.agents {
            let Some(restart) = table.restart else { continue };
            if restarts.insert(agent.name().to_owned(), restart).is_some_and(|other| other != restart) {
                return Err(ServeError::DifferentRestart(agent.name().to_owned()));
            }
        }
        Ok(restarts)
    }
}

/// Says what is wrong and what is expected, with an example. A value that may be a secret is left out.
fn sentence(message: &str, is_secret: bool) -> String {
    let (found, expected) = match message.rsplit_once(", expected ") {
        Some((found, expected)) if message.starts_with("invalid") => (found, Some(expected)),
        _ => (message, None),
    };
    let found = if is_secret && found.contains("invalid") { "this value is not valid here" } else { found };
    let form = expected.map(|expected| match expected {
        "a sequence" => "an array, such as [\"...\"]",
        "a map" => "tables, such as [agents.report]",
        "a boolean" => "true or false",
        "a string" => "a text in quotes, such as \"...\"",
        "an integer or string" | "parsable string" => "a size, such as \"64 KiB\"",
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a whole number that is at least 1",
        "u32" | "u64" | "usize" => "a whole number, such as 100",
        other => other,
    });
    let form = form.map(|form| format!(", expected {form}")).unwrap_or_default();
    let example = if found == "missing field `command`" { "; write command = \"python3 agent.py\"" } else { "" };
    format!("{found}{form}{example}")
}

/// Says where a key belongs that is not valid where it is, if another part of the file has it.
fn belongs(message: &str) -> Option<String> {
    let key = message.strip_prefix("unknown field `")?.split('`').next()?;
    let parts = [
        ("in [security]", flags::<Security>()),
        ("in [pool]", flags::<PoolOptions>()),
        ("in [limits]", flags::<Limits>()),
        ("in the table of an agent, such as [agents.report]", keys::<Agent>()),
        ("at the beginning of the file, before the first table", keys::<File>()),
    ];
    let (part, _) = parts.into_iter().find(|(_, keys)| keys.iter().any(|known| known == key))?;
    Some(format!("{key} does not belong here, but {part}"))
}

/// The keys of a table whose keys are flags.
fn flags<T: clap::Args>() -> Vec<String> {
    let command = T::augment_args(clap::Command::new("nuncio"));
    command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}

/// The keys of another part of the file. An unknown key makes `serde` name them.
fn keys<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let Err(error) = toml::from_str::<T>("no-such-key = 0") else { return Vec::new() };
    error.message().split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Describes an error with its line and column. The line itself is left out, and so are values in the table of secrets.
fn complaint(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| text.floor_char_boundary(span.start));
    let before = &text[..at];
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    let line = before.matches('\n').count();
    let table = text.lines().take(line + 1).filter(|line| line.trim_start().starts_with('[')).last();
    let is_secret = [table, text.lines().nth(line)].into_iter().flatten().any(|line| line.contains("security"));
    format!(
        "line {}, column {column}: {}",
        line + 1,
        belongs(error.message()).unwrap_or_else(|| sentence(error.message(), is_secret))
    )
}
