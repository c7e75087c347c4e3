//! `nuncio serve --check`: prints what would be served.

use std::io;

use super::agent::Restart;
use super::build::Service;
use super::demo_agents;
use super::settings::Settings;
use crate::exec::program::ResultSource;
use crate::text::print_result;

pub(super) fn print(service: &Service, settings: &Settings) -> io::Result<()> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push(format!("{name:<8} {text}"));
    if let Some(file) = &settings.file {
        line("file", file.display().to_string());
    }
    if let Some(address) = &settings.listen {
        let path = settings.path.as_ref().map_or("/arcp", |path| path.as_str());
        line("listen", format!("{address}, path {path}"));
    }
    if settings.listen.is_some() || settings.console.is_some() {
        let proxy = if settings.behind_proxy { "none, a proxy has it" } else { "none" };
        line("tls", settings.security.tls_summary().unwrap_or_else(|| proxy.to_owned()));
    }
    if settings.stdio {
        line("stdio", "one client, on stdin and stdout".to_owned());
    }
    if let Some(address) = &settings.metrics {
        line("metrics", address.clone());
    }
    if let Some(address) = &settings.console {
        line("console", address.clone());
    }
    if settings.shards.get() > 1 {
        line("shards", settings.shards.to_string());
    }
    if let Some(journal) = &settings.journal {
        line("journal", journal.summary());
    }
    line("compat", settings.compat.to_string());
    line(
        "login",
        match (settings.security.is_empty(), &settings.listen) {
            (false, _) => settings.security.summary(),
            (true, Some(_)) => "a generated token".to_owned(),
            (true, None) => "any token".to_owned(),
        },
    );
    if !settings.security.operators().is_empty() {
        line("operator", settings.security.operators().join(", "));
    }
    if !settings.security.approvers().is_empty() {
        let others = if settings.self_approval { "" } else { "; nobody approves for jobs of its own" };
        line("approver", format!("{}{others}", settings.security.approvers().join(", ")));
    }
    if settings.demo_agents {
        line("agents", format!("{} (built in)", demo_agents::NAMES.join(", ")));
    }
    for (agent, program) in &service.programs {
        let how = match program.result {
            ResultSource::Messages if program.questions => String::new(),
            ResultSource::Messages => " (no questions)".to_owned(),
            source => format!(" (the result is {source})"),
        };
        line("agent", format!("{agent}: {}{how}", program.command));
    }
    for agent in settings.pool.iter().flat_map(|pool| &pool.agents) {
        line("agent", format!("{}: the workers of {}", agent.agent.as_str(), agent.topic));
    }
    for (name, jobs) in &settings.max_concurrent {
        line("at once", format!("{jobs} of {name}"));
    }
    for (name, restart) in &settings.restart {
        let lacks = *restart == Restart::Rerun && settings.journal.is_none();
        let effect = if lacks { " (no effect without a journal)" } else { "" };
        line("restart", format!("{restart} for {name}{effect}"));
    }
    for marked in &settings.ask {
        line("ask", marked.to_string());
    }
    for limit in settings.limits.given() {
        line("limit", limit);
    }
    line("stopping", format!("drain = {}, kill-grace = {}", settings.drain, settings.kill_grace));
    lines.push("valid: it would be served".to_owned());
    lines.iter().try_for_each(|line| print_result(line))
}
