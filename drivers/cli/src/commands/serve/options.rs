//! The command-line options of `nuncio serve`.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use nuncio_tokio::arcp::{Dialect, UnknownDialect};
use serde::Deserialize;

use super::agent::{Concurrency, NamedCommand, NamedRestart, NamedResult};
use super::ask::Marked;
use super::journal::JournalOptions;
use super::limits::Limits;
use super::pool::PoolOptions;
use super::security::Security;
use crate::logging::LogOptions;
use crate::time::HumanDuration;

#[derive(Args, Debug)]
#[command(
    after_help = concat!(include_str!("after.md"), "
`nuncio serve --help` also describes the demo agents, how to write an agent as a
program, and the configuration file."),
    after_long_help = concat!(include_str!("after.md"), "\n", include_str!("agents.md"), "\n", include_str!("file.md")),
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Options {
    /// TOML file with any of these options. Flags take precedence over it
    #[arg(long, value_name = "FILE", env = "NUNCIO_CONFIG", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,
    /// Check flags, configuration file and programs, print what would be served, and exit
    #[arg(long)]
    pub(super) check: bool,

    /// Address to listen on, as HOST:PORT; port 0 takes a free port [default: 127.0.0.1:7777]
    #[arg(long, value_name = "ADDR", help_heading = "Endpoints")]
    pub(super) listen: Option<String>,
    /// Path of the WebSocket endpoint [default: /arcp]
    #[arg(long, value_name = "PATH", value_parser = endpoint, help_heading = "Endpoints")]
    pub(super) path: Option<EndpointPath>,
    /// Serve one client on stdin and stdout. Without --listen, do not listen on an address
    #[arg(long, help_heading = "Endpoints")]
    pub(super) stdio: bool,
    /// All requests come through a proxy, which says in X-Forwarded-Proto or Forwarded whether the client used TLS.
    /// Credentials are sent only to clients that used TLS. Without this flag, nuncio believes these headers only from a proxy
    /// on this machine
    #[arg(long, help_heading = "Endpoints")]
    pub(super) behind_proxy: bool,
    /// Address to serve /metrics (for Prometheus), /healthz and /readyz on [default: none]
    #[arg(long, value_name = "ADDR", help_heading = "Endpoints")]
    pub(super) metrics: Option<String>,
    /// Address to serve the live page for browsers on. The page shows jobs, events and questions, and can answer questions
    /// and cancel jobs. Its users log in with a token [default: none]
    #[arg(long, value_name = "ADDR", help_heading = "Endpoints")]
    pub(super) console: Option<String>,
    /// Dialect of all sessions: spec (the specification's form), nuncio, python-1.1, typescript-2.0, go-1.1, java-1.0 (also
    /// for F#), csharp-1.0 or ruby-1.0. With auto, the hello of each client shows its dialect. A client overrides this flag
    /// with ?dialect=NAME in its URL [default: auto]
    #[arg(long, value_name = "NAME", help_heading = "Endpoints")]
    pub(super) compat: Option<Compat>,

    /// Number of shards, so that the server uses this many processor cores. Each shard has a thread, a journal, and the
    /// sessions and jobs of some of the principals. Limits on all sessions together are divided among the shards
    /// [default: 1]
    #[arg(long, value_name = "COUNT", help_heading = "Endpoints")]
    pub(super) shards: Option<NonZeroU32>,

    /// Offer a program as an agent. Repeat it for more
    #[arg(long = "agent", value_name = "NAME[@VERSION]=COMMAND", help_heading = "Agents")]
    pub(super) agents: Vec<NamedCommand>,
    /// Run at most this many jobs of an agent at once, all of its versions together. Repeat it for more
    /// [default: no limit]
    #[arg(long = "max-concurrent", value_name = "NAME=COUNT", help_heading = "Agents")]
    pub(super) max_concurrent: Vec<Concurrency>,
    /// What happens to an agent's running jobs when the server is restarted with --journal: fail ends them, and rerun runs
    /// the program again in the same job, with the same input. It applies to the jobs that start while it is set, not to earlier
    /// ones. Repeat it for more [default: fail]
    #[arg(long = "restart", value_name = "NAME=fail|rerun", help_heading = "Agents")]
    pub(super) restart: Vec<NamedRestart>,
    /// Give the program of an agent a terminal as its stdout, because many programs buffer what they print to a pipe. Repeat
    /// it for more agents
    #[arg(long = "pty", value_name = "NAME", help_heading = "Agents")]
    pub(super) pty: Vec<String>,
    /// Take the result of an agent's jobs from what its program prints (stdout or json) or from its exit status (exit), for
    /// a program that writes no messages. Its stdin ends after the input. Repeat it for more [default: messages]
    #[arg(long = "result", value_name = "NAME=messages|stdout|json|exit", help_heading = "Agents")]
    pub(super) results: Vec<NamedResult>,
    /// Ask people before an agent does an operation that this pattern matches, such as 'tool.call=payments.*'. The principal
    /// that submitted the job may approve it, unless --no-self-approval is given, and so may every --approver. They use `nuncio
    /// questions` and `nuncio answer`, or answer the prompts of submit and tail. Repeat it for more
    #[arg(long = "ask", value_name = "NAMESPACE=PATTERN", help_heading = "Agents")]
    pub(super) ask: Vec<Marked>,
    /// Do not let a principal approve operations of its own jobs: another --approver has to approve them
    #[arg(long, help_heading = "Agents")]
    pub(super) no_self_approval: bool,
    /// Offer the built-in agents echo, slow, progress, chunks and fail, which --help describes
    #[arg(long, help_heading = "Agents")]
    pub(super) demo_agents: bool,
    /// Time that running jobs have to end after SIGINT or SIGTERM. Then they are stopped. With --journal, jobs of agents with
    /// --restart NAME=rerun or --cap-agent continue after the next start [default: 10s]
    #[arg(long, value_name = "DURATION", help_heading = "Agents")]
    pub(super) drain: Option<HumanDuration>,
    /// Time that a program has to end between SIGTERM and SIGKILL [default: 5s]
    #[arg(long, value_name = "DURATION", help_heading = "Agents")]
    pub(super) kill_grace: Option<HumanDuration>,

    #[command(flatten)]
    pub(super) journal: JournalOptions,
    #[command(flatten)]
    pub(super) pool: PoolOptions,
    #[command(flatten)]
    pub(super) security: Security,
    /// Read tokens, keys and certificates again when their files change, as after SIGHUP
    #[arg(long, help_heading = "Authentication")]
    pub(super) watch: bool,
    #[command(flatten)]
    pub(super) limits: Limits,
    #[command(flatten)]
    pub(super) logs: LogOptions,
}

/// The path of the endpoint, which starts with a slash.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct EndpointPath(String);

impl EndpointPath {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EndpointPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<EndpointPath, &'static str> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if text.starts_with('/') && is_plain {
            Ok(EndpointPath(text))
        } else {
            Err("a path starts with / and has no spaces, ? or #")
        }
    }
}

fn endpoint(text: &str) -> Result<EndpointPath, &'static str> {
    EndpointPath::try_from(text.to_owned())
}

/// The dialect of all sessions; `None` stands for `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Compat(pub(super) Option<Dialect>);

impl FromStr for Compat {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Compat, UnknownDialect> {
        if text == "auto" { Ok(Compat(None)) } else { text.parse().map(|dialect| Compat(Some(dialect))) }
    }
}

impl TryFrom<String> for Compat {
    type Error = UnknownDialect;

    fn try_from(text: String) -> Result<Compat, UnknownDialect> {
        text.parse()
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("auto", Dialect::name))
    }
}
