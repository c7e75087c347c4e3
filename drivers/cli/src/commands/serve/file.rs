//! The configuration file of `nuncio serve`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

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
