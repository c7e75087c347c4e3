//! What `nuncio serve` is told: flags, and a file that the flags win over.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use nuncio_tokio::arcp::Compat;
use serde::Deserialize;

use super::ServeError;
use super::journal::{Durability, JournalSetting, Survives};
use super::limits::Limits;
use super::program::CommandLine;
use super::units::Span;
use crate::security::Security;

/// What `nuncio serve` takes.
#[derive(Args, Debug)]
#[command(
    after_help = include_str!("after.md"),
    after_long_help = concat!(include_str!("after.md"), "
", include_str!("agents.md"), "
", include_str!("file.md")),
)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7777]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The path of the endpoint [default: /arcp]
    #[arg(long, value_name = "PATH", value_parser = endpoint)]
    path: Option<Endpoint>,
    /// Where to serve /metrics for Prometheus, /healthz and /readyz [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// Serves whoever started nuncio on stdin and stdout; listens nowhere unless --listen is given, too
    #[arg(long)]
    stdio: bool,
    /// A program as an agent; may be repeated
    #[arg(long = "agent", value_name = "NAME[@VERSION]=COMMAND")]
    agents: Vec<Offered>,
    /// How many jobs of an agent may run at once; may be repeated
    #[arg(long = "max-concurrent", value_name = "NAME=COUNT")]
    max_concurrent: Vec<Concurrency>,
    /// Offers the agents echo, slow, progress, chunks and fail
    #[arg(long)]
    demo_agents: bool,
    /// How clients are spoken to: by their hello, to the letter, or as the Python SDK 1.1 needs it [default: auto]
    #[arg(long, value_enum)]
    compat: Option<Dialect>,
    /// How long running jobs may go on after SIGINT or SIGTERM [default: 10s]
    #[arg(long, value_name = "DURATION")]
    drain: Option<Span>,
    /// How long a program has from SIGTERM to SIGKILL [default: 5s]
    #[arg(long, value_name = "DURATION")]
    kill_grace: Option<Span>,
    /// A TOML file with all of this; flags win over it
    #[arg(long, value_name = "FILE", env = "NUNCIO_CONFIG")]
    config: Option<PathBuf>,
    /// Checks flags, file and programs, shows what would be served, and serves nothing
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    durability: Durability,
    #[command(flatten)]
    security: Security,
    #[command(flatten)]
    limits: Limits,
}

/// The file. Its names are those of the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    listen: Option<String>,
    path: Option<Endpoint>,
    metrics: Option<String>,
    stdio: bool,
    demo_agents: bool,
    compat: Option<Dialect>,
    drain: Option<Span>,
    kill_grace: Option<Span>,
    journal: Option<PathBuf>,
    sync: Option<Survives>,
    retain: Option<Span>,
    journal_max: Option<ByteSize>,
    security: Security,
    limits: Limits,
    agents: BTreeMap<AgentName, Entry>,
}

/// An agent in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    command: CommandLine,
    #[serde(default = "yes")]
    questions: bool,
    #[serde(default)]
    default: bool,
    max_concurrent: Option<NonZeroU32>,
}

fn yes() -> bool {
    true
}

/// `NAME` or `NAME@VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct AgentName(String);

impl TryFrom<String> for AgentName {
    type Error = String;

    fn try_from(text: String) -> Result<AgentName, String> {
        // The runtime knows the characters of a name; here it is only told from its version.
        let (name, version) = text.split_once('@').unwrap_or((&text, "1"));
        if name.is_empty() || version.is_empty() {
            return Err(format!("{text:?} is no agent: write NAME or NAME@VERSION"));
        }
        Ok(AgentName(text))
    }
}

impl AgentName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn name(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(name, _)| name)
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, version)| version)
    }
}

#[derive(Clone, Debug)]
struct Offered {
    agent: AgentName,
    command: CommandLine,
}

impl FromStr for Offered {
    type Err = String;

    fn from_str(text: &str) -> Result<Offered, String> {
        let (agent, command) = text.split_once('=').ok_or("write it as NAME=COMMAND, or NAME@VERSION=COMMAND")?;
        let agent = AgentName::try_from(agent.to_owned())?;
        Ok(Offered { agent, command: command.parse::<CommandLine>().map_err(|error| error.to_string())? })
    }
}

#[derive(Clone, Debug)]
struct Concurrency {
    name: String,
    jobs: NonZeroU32,
}

impl FromStr for Concurrency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Concurrency, &'static str> {
        const HOW: &str = "write it as NAME=COUNT, with a count of at least 1";
        let (name, jobs) = text.split_once('=').ok_or(HOW)?;
        Ok(Concurrency { name: name.to_owned(), jobs: jobs.parse().map_err(|_| HOW)? })
    }
}

/// A path on the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Endpoint(pub(crate) String);

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Endpoint, &'static str> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if text.starts_with('/') && plain { Ok(Endpoint(text)) } else { Err("a path begins with / and has no spaces") }
    }
}

fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    Endpoint::try_from(text.to_owned())
}

/// [`Compat`] as it is written.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Dialect {
    Auto,
    Spec,
    #[serde(rename = "python-1.1")]
    #[value(name = "python-1.1")]
    Python11,
}

/// Flags and file in one.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) file: Option<PathBuf>,
    /// `None`: nowhere, for it is served on stdin and stdout.
    pub(crate) listen: Option<String>,
    pub(crate) path: Option<Endpoint>,
    pub(crate) metrics: Option<String>,
    pub(crate) stdio: bool,
    pub(crate) agents: Vec<AgentSetting>,
    pub(crate) max_concurrent: BTreeMap<String, NonZeroU32>,
    pub(crate) demo_agents: bool,
    pub(crate) compat: Compat,
    pub(crate) drain: Span,
    pub(crate) kill_grace: Span,
    pub(crate) journal: Option<JournalSetting>,
    pub(crate) security: Security,
    pub(crate) limits: Limits,
}

impl Settings {
    /// How clients are spoken to, as the flag has it.
    pub(super) fn compat_name(&self) -> &'static str {
        match self.compat {
            Compat::Auto => "auto",
            Compat::Spec => "spec",
            Compat::Python11 => "python-1.1",
        }
    }
}

/// A program as an agent.
#[derive(Debug)]
pub(crate) struct AgentSetting {
    pub(crate) agent: AgentName,
    pub(crate) command: CommandLine,
    pub(crate) questions: bool,
    /// What the bare name means.
    pub(crate) default: bool,
}

impl Options {
    /// Reads the file, if there is one, and lets the flags win.
    pub(super) fn settle(self) -> Result<Settings, ServeError> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let stdio = self.stdio || file.stdio;
        let listen = self.listen.or(file.listen);
        let mut max_concurrent = concurrency(&file.agents)?;
        max_concurrent.extend(self.max_concurrent.into_iter().map(|limit| (limit.name, limit.jobs)));
        let mut agents: Vec<AgentSetting> = file
            .agents
            .into_iter()
            .map(|(agent, Entry { command, questions, default, .. })| AgentSetting {
                agent,
                command,
                questions,
                default,
            })
            .collect();
        for Offered { agent, command } in self.agents {
            agents.retain(|other| other.agent != agent);
            agents.push(AgentSetting { agent, command, questions: true, default: false });
        }
        let compat = match self.compat.or(file.compat) {
            None | Some(Dialect::Auto) => Compat::Auto,
            Some(Dialect::Spec) => Compat::Spec,
            Some(Dialect::Python11) => Compat::Python11,
        };
        let kept =
            Durability { journal: file.journal, sync: file.sync, retain: file.retain, journal_max: file.journal_max };
        Ok(Settings {
            file: self.config,
            listen: if stdio { listen } else { Some(listen.unwrap_or_else(|| "127.0.0.1:7777".to_owned())) },
            path: self.path.or(file.path),
            metrics: self.metrics.or(file.metrics),
            stdio,
            agents,
            max_concurrent,
            demo_agents: self.demo_agents || file.demo_agents,
            compat,
            drain: self.drain.or(file.drain).unwrap_or(Span(Duration::from_secs(10))),
            kill_grace: self.kill_grace.or(file.kill_grace).unwrap_or(Span(Duration::from_secs(5))),
            journal: self.durability.or(kept).settle()?,
            security: self.security.or(file.security),
            limits: self.limits.or(file.limits),
        })
    }
}

fn read(path: &Path) -> Result<File, ServeError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ServeError::Unreadable { path: path.to_owned(), error })?;
    toml::from_str(&text)
        .map_err(|error| ServeError::File { path: path.to_owned(), complaint: complaint(&text, &error) })
}

/// Where the mistake is and what: without the line itself, and in the part with the secrets without the value.
fn complaint(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| text.floor_char_boundary(span.start));
    let before = &text[..at];
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    let line = before.matches('\n').count();
    let table = text.lines().take(line + 1).filter(|line| line.trim_start().starts_with('[')).last();
    let is_secret = [table, text.lines().nth(line)].into_iter().flatten().any(|line| line.contains("security"));
    let what = error.message();
    let what = if is_secret && what.contains("invalid") { "this is not what may stand here" } else { what };
    format!("line {}, column {column}: {what}", line + 1)
}

/// A limit counts for all versions of an agent together.
fn concurrency(agents: &BTreeMap<AgentName, Entry>) -> Result<BTreeMap<String, NonZeroU32>, ServeError> {
    let mut limits = BTreeMap::new();
    for (agent, entry) in agents {
        let Some(jobs) = entry.max_concurrent else { continue };
        if limits.insert(agent.name().to_owned(), jobs).is_some_and(|other| other != jobs) {
            return Err(ServeError::Concurrency(agent.name().to_owned()));
        }
    }
    Ok(limits)
}
