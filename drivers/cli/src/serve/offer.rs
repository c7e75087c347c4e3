//! The server that the settings ask for.

use std::fmt::Write as _;

use nuncio_tokio::arcp::{BuildError, Config, Server, ServerBuilder};
use nuncio_tokio::auth::{Claim, Rejection};

use super::options::{AgentSetting, Settings};
use super::program::Program;
use super::{ServeError, show};
use crate::agents;

/// A server that offers everything and serves nobody yet.
pub(super) struct Offer {
    pub(super) server: Server,
    /// The token that was made up because none was given.
    pub(super) generated: Option<String>,
    programs: Vec<(String, Program)>,
    #[cfg(unix)]
    host: Option<super::exec::Host>,
}

impl Offer {
    /// With its journal, unless it is only to be `checked`.
    pub(super) fn new(settings: &Settings, checked: bool) -> Result<Offer, ServeError> {
        let mut config = Config::default();
        config.compat = settings.compat;
        settings.limits.apply(&mut config)?;
        let frame_bytes = config.limits.frame_bytes;
        let programs = find(&settings.agents)?;
        if programs.is_empty() && !settings.demo_agents {
            return Err(ServeError::NoAgents);
        }
        let mut builder = Server::builder().config(config);
        if settings.demo_agents {
            builder = agents::offer(builder);
        }
        for agent in &settings.agents {
            if let Some(version) = agent.agent.version().filter(|_| agent.default) {
                builder = builder.default_version(agent.agent.name(), version);
            }
        }
        for (name, jobs) in &settings.max_concurrent {
            if !is_offered(settings, name) {
                return Err(ServeError::Unknown(name.clone()));
            }
            builder = builder.max_concurrent(name, jobs.get());
        }
        #[cfg(unix)]
        let (builder, host) = with_programs(builder, &programs, settings, frame_bytes)?;
        #[cfg(not(unix))]
        if !programs.is_empty() {
            return Err(ServeError::Platform);
        }
        let (mut builder, generated) = admitting(builder, settings)?;
        match &settings.journal {
            Some(journal) if checked => journal.look()?,
            Some(journal) => builder = builder.journal(journal.open()?),
            None => {}
        }
        let server = builder.build().map_err(|error| match (error, &settings.journal) {
            // What is wrong inside shows when all of it is read.
            (BuildError::Journal(error), Some(journal)) => journal.unusable(error),
            (error, _) => ServeError::Build(error),
        })?;
        Ok(Offer {
            server,
            generated,
            programs,
            #[cfg(unix)]
            host,
        })
    }

    /// Shows what would be served.
    pub(super) fn summarize(&self, settings: &Settings) {
        let mut lines = Vec::new();
        let mut line = |name: &str, text: String| lines.push(format!("{name:<8} {text}"));
        if let Some(file) = &settings.file {
            line("file", file.display().to_string());
        }
        if let Some(address) = &settings.listen {
            line("listen", format!("{address}, path {}", settings.path.as_ref().map_or("/arcp", |path| &path.0)));
        }
        if let Some(address) = &settings.metrics {
            line("metrics", address.clone());
        }
        if settings.stdio {
            line("stdio", "serves whoever starts it".to_owned());
        }
        if let Some(journal) = &settings.journal {
            line("journal", journal.summary());
        }
        line("compat", settings.compat_name().to_owned());
        line(
            "admits",
            if settings.security.is_open() {
                "a token that it makes up".to_owned()
            } else {
                settings.security.summary()
            },
        );
        if settings.demo_agents {
            line("agents", format!("{} (built in)", agents::NAMES.join(", ")));
        }
        for (agent, program) in &self.programs {
            let mut text = format!("{agent}: {}", program.command);
            if !program.questions {
                text.push_str(" (asks nothing)");
            }
            line("agent", text);
        }
        for (name, jobs) in &settings.max_concurrent {
            line("at once", format!("{jobs} of {name}"));
        }
        for limit in settings.limits.given() {
            line("limit", limit);
        }
        line("stopping", format!("drain {}, from SIGTERM to SIGKILL {}", settings.drain, settings.kill_grace));
        lines.push("valid: it would be served".to_owned());
        for line in &lines {
            show(line);
        }
    }

    /// Waits until no program runs any more.
    #[cfg(unix)]
    pub(super) async fn programs_are_gone(&self) {
        if let Some(host) = &self.host {
            host.idle().await;
        }
    }

    #[cfg(not(unix))]
    pub(super) async fn programs_are_gone(&self) {}

    /// Kills every program.
    #[cfg(unix)]
    pub(super) async fn end_at_once(&self) {
        /// It takes the system a moment at most.
        const LONGEST: std::time::Duration = std::time::Duration::from_secs(2);
        if let Some(host) = &self.host {
            host.end_at_once();
            // Without drain: this ends the jobs, and with them the programs.
            let ending = async {
                self.server.shutdown(std::time::Duration::ZERO).await;
                host.idle().await;
            };
            drop(tokio::time::timeout(LONGEST, ending).await);
        }
    }

    #[cfg(not(unix))]
    pub(super) async fn end_at_once(&self) {}
}

fn find(agents: &[AgentSetting]) -> Result<Vec<(String, Program)>, ServeError> {
    let find = |setting: &AgentSetting| {
        let agent = setting.agent.as_str().to_owned();
        match Program::find(setting.command.clone(), setting.questions) {
            Ok(program) => Ok((agent, program)),
            Err(error) => Err(ServeError::Program { agent, program: setting.command.name().to_owned(), error }),
        }
    };
    agents.iter().map(find).collect()
}

fn is_offered(settings: &Settings, name: &str) -> bool {
    settings.agents.iter().any(|agent| agent.agent.name() == name)
        || settings.demo_agents && agents::NAMES.contains(&name)
}

#[cfg(unix)]
fn with_programs(
    mut builder: ServerBuilder,
    programs: &[(String, Program)],
    settings: &Settings,
    frame_bytes: usize,
) -> Result<(ServerBuilder, Option<super::exec::Host>), ServeError> {
    if programs.is_empty() {
        return Ok((builder, None));
    }
    let host = super::exec::Host::start(settings.kill_grace.0, frame_bytes)?;
    for (agent, program) in programs {
        builder = builder.agent_object(agent, host.agent(program.clone()));
    }
    Ok((builder, Some(host)))
}

/// Lets in whom the settings say; without any, whoever is given a token that is made up. On nothing but stdin and
/// stdout that is whoever started nuncio, with any token.
fn admitting(builder: ServerBuilder, settings: &Settings) -> Result<(ServerBuilder, Option<String>), ServeError> {
    const LOCAL: &str = "local";
    if !settings.security.is_open() {
        return Ok((builder.verifier(settings.security.verifier()?), None));
    }
    if settings.listen.is_none() {
        let anybody = |_: Claim| std::future::ready(Ok::<_, Rejection>(LOCAL.to_owned()));
        return Ok((builder.verifier(anybody), None));
    }
    let token = random_token()?;
    Ok((builder.verifier(nuncio_tokio::auth::StaticTokens::new().with(&token, LOCAL)), Some(token)))
}

/// 192 bits, in hexadecimal.
fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}
