//! `nuncio agents`.

use std::borrow::Cow;
use std::io::{self, Write as _};

use clap::Args;
use nuncio_tokio::arcp::AgentInfo;
use serde::Serialize;

use super::listing::until_interrupted;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, grid};
use crate::text::{eprint_line, json, sanitize};

const AFTER_HELP: &str = "\
Examples:
  nuncio agents
  nuncio agents --json | jq -r .name

Exit codes:
  0    the agents were listed
  2    invalid usage
  5    the runtime refused the token
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the agents were listed";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Print a JSON object per agent and line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    let listed = until_interrupted(list(&options), false).await;
    output::finish_with(options.json, listed).await
}

async fn list(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    let agents = client.welcome().map(|welcome| welcome.agents.clone()).unwrap_or_default();
    client.close().await;
    if agents.is_empty() && !options.json {
        eprint_line("the runtime names no agents");
        return Ok(());
    }
    print(&agents, options.json).map_err(Error::stdout)
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    versions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a str>,
}

fn print(agents: &[AgentInfo], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        for AgentInfo { name, versions, default, .. } in agents {
            writeln!(out, "{}", json(&Line { name, versions, default: default.as_deref() })?)?;
        }
        return out.flush();
    }
    let rows: Vec<[Cow<'_, str>; 3]> = agents.iter().map(cells).collect();
    for line in grid(["AGENT", "VERSIONS", "DEFAULT"], &rows, 3, |_, cell| cell.to_owned()) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn cells(agent: &AgentInfo) -> [Cow<'_, str>; 3] {
    const NONE: Cow<'_, str> = Cow::Borrowed("-");
    let versions =
        if agent.versions.is_empty() { NONE } else { sanitize(&agent.versions.join(", ")).into_owned().into() };
    [sanitize(&agent.name), versions, agent.default.as_deref().map_or(NONE, sanitize)]
}
