//! Builds the server that the settings describe.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use nuncio_tokio::arcp::{BuildError, Config, Server, ServerBuilder, Shutdown};
use nuncio_tokio::auth::{BoxVerifier, Claim, Rejection, ReplaceableVerifier, StaticTokens, Verifier};
use nuncio_tokio::bridge::Pool;

use super::demo_agents;
use super::error::ServeError;
use super::journal::JournalSetting;
use super::settings::{AgentSetting, Settings};
#[cfg(unix)]
use crate::exec::host::Host;
use crate::exec::program::Program;

/// The principal of clients of a server for which no way to authenticate is given.
pub(super) const LOCAL_PRINCIPAL: &str = "local";

/// A server with all of its agents, which does not listen yet.
pub(super) struct Service {
    pub(super) server: Server,
    /// The token that was generated, because none was given.
    pub(super) generated_token: Option<String>,
    /// Whether the files of the journal were created.
    pub(super) is_journal_new: bool,
    pub(super) verifier: ReplaceableVerifier,
    pub(super) mandates: Option<BoxVerifier>,
    /// The agents that are programs, by name and version.
    pub(super) programs: Vec<(String, Program)>,
    #[cfg(unix)]
    host: Option<Host>,
}

impl Service {
    /// Builds the server. With `check_only`, the journal is only inspected, and not created.
    pub(super) fn build(settings: &Settings, pool: Option<&Pool>, check_only: bool) -> Result<Service, ServeError> {
        let mut config = Config::default();
        config.dialect = settings.compat.0;
        config.operators.extend(settings.security.operators().iter().cloned());
        config.approvers.extend(settings.security.approvers().iter().cloned());
        config.ask_first = super::ask::lease(&settings.ask).map_err(ServeError::Ask)?;
        config.self_approval = settings.self_approval;
        if !settings.self_approval && settings.security.approvers().is_empty() {
            return Err(ServeError::NoApprover);
        }
        settings.limits.apply(&mut config)?;
        let max_line = config.limits.frame_bytes;
        let programs = find_programs(&settings.agents)?;
        if programs.is_empty() && !settings.demo_agents && settings.pool.is_none() {
            return Err(ServeError::NoAgents);
        }
        refuse_doubles(settings)?;
        let mut builder = Server::builder().config(config).shards(settings.shards.get());
        if settings.demo_agents {
            builder = demo_agents::add(builder);
        }
        if let (Some(setting), Some(pool)) = (&settings.pool, pool) {
            builder = setting.add(pool, builder)?;
        }
        for setting in &settings.agents {
            if let Some(version) = setting.agent.version().filter(|_| setting.is_default) {
                builder = builder.default_version(setting.agent.name(), version);
            }
        }
        for (name, jobs) in &settings.max_concurrent {
            check_offered(settings, name, "max-concurrent")?;
            builder = builder.max_concurrent(name, jobs.get());
        }
        for (name, restart) in &settings.restart {
            check_offered(settings, name, "restart")?;
            builder = builder.on_restart(name, restart.on_restart());
        }
        #[cfg(unix)]
        let (builder, host) = with_programs(builder, &programs, settings, max_line)?;
        #[cfg(not(unix))]
        if !programs.is_empty() {
            return Err(ServeError::Platform);
        }
        let mandates = settings.security.mandates()?.map(Verifier::boxed);
        let (verifier, generated_token) = verifier(settings, mandates.clone())?;
        let mut builder = builder.verifier(verifier.clone());
        let is_journal_new = settings.journal.as_ref().is_some_and(JournalSetting::is_new);
        match &settings.journal {
            Some(journal) if check_only => journal.check()?,
            Some(journal) => builder = builder.journals(journal.open()?),
            None => {}
        }
        let server = builder.build().map_err(|error| match (error, &settings.journal) {
            // The server reads the whole journal, and so finds damage that opening it does not.
            (BuildError::Journal(error), Some(journal)) => journal.error(error),
            (error, _) => ServeError::Build(error),
        })?;
        Ok(Service {
            server,
            generated_token,
            is_journal_new,
            verifier,
            mandates,
            programs,
            #[cfg(unix)]
            host,
        })
    }

    /// Shuts down: lets running jobs end until `drain` has passed, then ends them. Returns when no program runs any
    /// more.
    pub(super) async fn shutdown(&self, drain: Duration) -> Shutdown {
        let outcome = self.server.shutdown(drain).await;
        #[cfg(unix)]
        if let Some(host) = &self.host {
            host.idle().await;
        }
        outcome
    }

    /// Shuts down at once and kills every program, within a few seconds.
    pub(super) async fn kill(&self) {
        const TIMEOUT: Duration = Duration::from_secs(2);
        // First, so that the jobs that go on after a restart do not fail with their programs.
        drop(tokio::time::timeout(TIMEOUT, self.server.shutdown(Duration::ZERO)).await);
        #[cfg(unix)]
        if let Some(host) = &self.host {
            host.kill_all();
            drop(tokio::time::timeout(TIMEOUT, host.idle()).await);
        }
    }
}

fn find_programs(agents: &[AgentSetting]) -> Result<Vec<(String, Program)>, ServeError> {
    let find = |setting: &AgentSetting| {
        let agent = setting.agent.as_str().to_owned();
        match Program::find(setting.command.clone(), setting.questions) {
            Ok(program) => Ok((agent, Program { pty: setting.pty, result: setting.result, ..program })),
            Err(_) => Err(ServeError::Program { agent, program: setting.command.program().to_owned() }),
        }
    };
    agents.iter().map(find).collect()
}

/// Refuses a program, or the workers of a pool, with the name of a built-in agent or of each other.
fn refuse_doubles(settings: &Settings) -> Result<(), ServeError> {
    let pool = settings.pool.iter().flat_map(|pool| &pool.agents).map(|agent| &agent.agent);
    let mut names = BTreeSet::new();
    if settings.demo_agents {
        names.extend(demo_agents::NAMES);
    }
    let mut others = settings.agents.iter().map(|setting| &setting.agent).chain(pool);
    match others.find(|agent| !names.insert(agent.as_str())) {
        Some(agent) => Err(ServeError::TwoAgents(agent.clone())),
        None => Ok(()),
    }
}

/// Checks that an option for all versions of an agent names one that is offered.
fn check_offered(settings: &Settings, name: &str, option: &'static str) -> Result<(), ServeError> {
    let is_offered = |name: &str| {
        settings.agents.iter().any(|setting| setting.agent.name() == name)
            || settings.pool.iter().flat_map(|pool| &pool.agents).any(|agent| agent.agent.name() == name)
            || settings.demo_agents && demo_agents::NAMES.contains(&name)
    };
    match name.split_once('@') {
        _ if is_offered(name) => Ok(()),
        Some((name, _)) if is_offered(name) => Err(ServeError::OneForAllVersions { option, name: name.to_owned() }),
        Some(_) | None => {
            let pool = settings.pool.iter().flat_map(|pool| &pool.agents).map(|agent| agent.agent.as_str());
            let names = settings.agents.iter().map(|setting| setting.agent.as_str()).chain(pool);
            let built_in = demo_agents::NAMES.into_iter().filter(|_| settings.demo_agents);
            Err(ServeError::unknown_agent(option, name, &names.chain(built_in).collect::<Vec<_>>()))
        }
    }
}

#[cfg(unix)]
fn with_programs(
    mut builder: ServerBuilder,
    programs: &[(String, Program)],
    settings: &Settings,
    max_line: usize,
) -> Result<(ServerBuilder, Option<Host>), ServeError> {
    if programs.is_empty() {
        return Ok((builder, None));
    }
    let host = Host::start(settings.kill_grace.get(), max_line)?;
    for (agent, program) in programs {
        builder = builder.agent_type(agent, super::exec::agent(program.clone(), host.clone()));
    }
    Ok((builder, Some(host)))
}

/// Returns the verifier of the settings. If they have no way to authenticate, a token is generated and returned. If only stdin
/// and stdout are served, and no console, any token is accepted instead: only the process that started this one can reach them.
fn verifier(
    settings: &Settings,
    mandates: Option<BoxVerifier>,
) -> Result<(ReplaceableVerifier, Option<String>), ServeError> {
    // Built in any case, because it finds options that are missing others.
    let verifier = settings.security.verifier(mandates)?;
    if !settings.security.is_empty() {
        return Ok((ReplaceableVerifier::new(verifier), None));
    }
    if settings.listen.is_none() && settings.console.is_none() {
        let anyone = |_: Claim| std::future::ready(Ok::<_, Rejection>(LOCAL_PRINCIPAL.to_owned()));
        return Ok((ReplaceableVerifier::new(anyone), None));
    }
    let token = random_token()?;
    let tokens = StaticTokens::new().with(&token, LOCAL_PRINCIPAL);
    Ok((ReplaceableVerifier::new(tokens), Some(token)))
}

/// 192 random bits in hexadecimal.
fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}
