//! What to serve: the flags and the configuration file combined. Flags take precedence.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::agent::{AgentName, NamedCommand, NamedResult, Restart};
use super::ask::Marked;
use super::error::ServeError;
use super::file::Agent;
use super::journal::{JournalOptions, JournalSetting};
use super::limits::Limits;
use super::options::{Compat, EndpointPath, Options};
use super::parse;
use super::pool::PoolSetting;
use super::security::Security;
use super::watch::Stamps;
use crate::exec::program::{CommandLine, ResultSource};
use crate::logging::LogOptions;
use crate::time::HumanDuration;

const LISTEN: &str = "127.0.0.1:7777";
const DRAIN: HumanDuration = HumanDuration::new(Duration::from_secs(10));
const KILL_GRACE: HumanDuration = HumanDuration::new(Duration::from_secs(5));

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Settings {
    pub(super) file: Option<PathBuf>,
    /// `None` if only stdin and stdout are served.
    pub(super) listen: Option<String>,
    pub(super) path: Option<EndpointPath>,
    pub(super) behind_proxy: bool,
    pub(super) metrics: Option<String>,
    pub(super) console: Option<String>,
    pub(super) stdio: bool,
    pub(super) shards: NonZeroU32,
    pub(super) agents: Vec<AgentSetting>,
    pub(super) max_concurrent: BTreeMap<String, NonZeroU32>,
    pub(super) restart: BTreeMap<String, Restart>,
    pub(super) demo_agents: bool,
    /// Whether principals may approve the operations of their own jobs.
    pub(super) self_approval: bool,
    /// What people approve first.
    pub(super) ask: Vec<Marked>,
    pub(super) compat: Compat,
    pub(super) drain: HumanDuration,
    pub(super) kill_grace: HumanDuration,
    pub(super) journal: Option<JournalSetting>,
    pub(super) pool: Option<PoolSetting>,
    pub(super) security: Security,
    /// The part of `security` that was given by flags.
    pub(super) security_of_flags: Security,
    /// The files of `security`, and the configuration file, as they were before they were read.
    pub(super) stamps: Stamps,
    pub(super) watch: bool,
    pub(super) limits: Limits,
    pub(super) logs: LogOptions,
}

/// A program to offer as an agent.
#[derive(Debug)]
pub(super) struct AgentSetting {
    pub(super) agent: AgentName,
    pub(super) command: CommandLine,
    pub(super) questions: bool,
    /// Whether the stdout of the program is a terminal.
    pub(super) pty: bool,
    pub(super) result: ResultSource,
    /// Whether the name without a version means this version.
    pub(super) is_default: bool,
}

impl Settings {
    /// Reads the configuration file, if one is given, and combines it with the flags.
    pub(super) fn new(options: Options) -> Result<Settings, ServeError> {
        let file = options.config.as_deref().map(parse::read).transpose()?.unwrap_or_default();
        let mut max_concurrent = file.max_concurrent()?;
        max_concurrent.extend(options.max_concurrent.into_iter().map(|limit| (limit.name, limit.jobs)));
        let mut restart = file.restart()?;
        restart.extend(options.restart.into_iter().map(|named| (named.name, named.restart)));
        let stdio = options.stdio || file.stdio;
        let listen = options.listen.or(file.listen);
        let shards = options.shards.or(file.shards).unwrap_or(NonZeroU32::MIN);
        let journal = JournalOptions {
            journal: file.journal,
            sync: file.sync,
            retain: file.retain,
            journal_max: file.journal_max,
        };
        let security = options.security.clone().or(file.security);
        let stamps = Stamps::of(&files(&security, options.config.as_ref()));
        Ok(Settings {
            file: options.config,
            listen: if stdio { listen } else { Some(listen.unwrap_or_else(|| LISTEN.to_owned())) },
            path: options.path.or(file.path),
            behind_proxy: options.behind_proxy || file.behind_proxy,
            metrics: options.metrics.or(file.metrics),
            console: options.console.or(file.console),
            stdio,
            shards,
            agents: agents(file.agents, options.agents, &options.pty, &options.results)?,
            max_concurrent,
            restart,
            demo_agents: options.demo_agents || file.demo_agents,
            self_approval: !(options.no_self_approval || file.no_self_approval),
            ask: if options.ask.is_empty() { file.ask } else { options.ask },
            compat: options.compat.or(file.compat).unwrap_or_default(),
            drain: options.drain.or(file.drain).unwrap_or(DRAIN),
            kill_grace: options.kill_grace.or(file.kill_grace).unwrap_or(KILL_GRACE),
            journal: options.journal.or(journal).setting(shards)?,
            pool: options.pool.or(file.pool).setting()?,
            security,
            stamps,
            security_of_flags: options.security,
            watch: options.watch || file.watch,
            limits: options.limits.or(file.limits),
            logs: options.logs.or(LogOptions { log_level: file.log_level, log_format: file.log_format }),
        })
    }

    /// The files that [`stamps`](Settings::stamps) are of.
    pub(super) fn security_files(&self) -> Vec<PathBuf> {
        files(&self.security, self.file.as_ref())
    }
}

/// The files whose contents can be replaced while the server runs.
fn files(security: &Security, config: Option<&PathBuf>) -> Vec<PathBuf> {
    security.files().chain(config).cloned().collect()
}

/// An option names an agent that is not one of these programs.
fn unknown(option: &'static str, name: &str, agents: &[AgentSetting]) -> ServeError {
    let known: Vec<&str> = agents.iter().map(|setting| setting.agent.as_str()).collect();
    ServeError::unknown_agent(option, name, &known)
}

/// The agents of the file, and those of the flags, which replace agents of the same name and version.
fn agents(
    of_file: BTreeMap<AgentName, Agent>,
    of_flags: Vec<NamedCommand>,
    pty: &[String],
    results: &[NamedResult],
) -> Result<Vec<AgentSetting>, ServeError> {
    let mut agents: Vec<AgentSetting> = of_file
        .into_iter()
        .map(|(agent, Agent { command, questions, pty, result, default, .. })| AgentSetting {
            agent,
            command,
            questions,
            pty,
            result,
            is_default: default,
        })
        .collect();
    let mut named = BTreeSet::new();
    for NamedCommand { agent, command } in of_flags {
        if !named.insert(agent.as_str().to_owned()) {
            return Err(ServeError::TwoAgents(agent));
        }
        agents.retain(|other| other.agent != agent);
        let result = ResultSource::default();
        agents.push(AgentSetting { agent, command, questions: true, pty: false, result, is_default: false });
    }
    for NamedResult { name, source } in results {
        let mut named = agents.iter_mut().filter(|setting| setting.agent.is(name)).peekable();
        if named.peek().is_none() {
            return Err(unknown("result", name, &agents));
        }
        named.for_each(|setting| setting.result = *source);
    }
    for name in pty {
        let mut named = agents.iter_mut().filter(|setting| setting.agent.is(name)).peekable();
        if named.peek().is_none() {
            return Err(unknown("pty", name, &agents));
        }
        named.for_each(|setting| setting.pty = true);
    }
    Ok(agents)
}
