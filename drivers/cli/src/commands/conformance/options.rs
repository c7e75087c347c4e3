//! The options of `nuncio conformance`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{ArgGroup, Args};
use nuncio_tokio::arcp::Secret;

use super::agents::Agents;
use super::report::Format;
use crate::connection::raw::{TokenOptions, secret};
use crate::connection::tls::TlsOptions;
use crate::size;
use crate::time::positive_duration;

const AFTER_HELP: &str = "\
Examples:
  nuncio conformance ws://127.0.0.1:7777/arcp --token s3cret
  nuncio conformance ws://127.0.0.1:7777/arcp --only §6.3 --json
  nuncio conformance --serve 127.0.0.1:7778

Each rule of the specification has a row: pass, FAIL, or not offered. A rule is
not offered if the runtime lacks its feature or its agent, or if a flag that it
needs is not given. A failure shows the rule, what was found, and the last
frames, without secrets. MUST and SHOULD are the key words of the specification.
A rule that it states without a key word is marked \"described\".

By default, the agents are those of the example interop_agents. In Nuncio's
source, this command serves them on ws://127.0.0.1:7801/arcp, with the tokens
tok-alice and tok-bob:

  cargo run --release -p nuncio-examples --bin interop_agents -- \\
      --heartbeat 1 --resume-window 5 --creds \\
      --session-limit 200 --result-limit 4194304

Flags name other agents. The rules about heartbeats and about the end of the
resume window are judged only if twice the runtime's interval of heartbeats, and
its resume window, are no longer than --timeout. The rules about the number of
sessions and the size of a streamed result are judged only if --session-limit
and --result-limit say what the runtime's limits are.

Exit codes:
  0    no rule is broken
  1    a rule is broken
  2    the rules could not be judged: invalid usage, an unreachable runtime, or
       a token that it refuses";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
#[command(group = ArgGroup::new("judged").args(["url", "serve"]).required(true))]
pub(crate) struct Options {
    /// URL of the runtime to judge, such as `ws://127.0.0.1:7777/arcp`
    #[arg(value_name = "URL")]
    pub(super) url: Option<String>,
    /// Judge a client instead: listen on this address, and act as a runtime for the client that connects. The client
    /// should submit a job, with any token, follow it to its end, and close its session
    #[arg(long, value_name = "ADDR", conflicts_with = "only")]
    pub(super) serve: Option<String>,
    /// Judge only these rules: a section such as §6.3, or a rule such as §6.3/replay. Repeat it for more
    #[arg(long, value_name = "§/NAME")]
    pub(super) only: Vec<String>,
    /// Print a JSON object per rule and line, and a summary as the last line
    #[arg(long)]
    pub(super) json: bool,
    /// Print only a table in Markdown, with the number of rules of each group
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    /// Also write the results to this file as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// How long to wait for a frame that is due; with --serve, for a client that is quiet or does not come back
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub(super) timeout: Duration,
    /// Bearer token of another principal, for the rules about what it may not see
    #[arg(long, value_name = "TOKEN", value_parser = secret, help_heading = "Connection")]
    pub(super) other_token: Option<Secret>,
    /// How many sessions the runtime lets a principal have at once. The rule about this limit opens one more than that.
    /// Without the flag it is not judged
    #[arg(long, value_name = "COUNT", conflicts_with = "serve", help_heading = "Limits of the runtime")]
    pub(super) session_limit: Option<NonZeroUsize>,
    /// How large a streamed result the runtime lets an agent send, such as `4 MiB`. The rules about this limit stream
    /// more than that. Without the flag they are not judged
    #[arg(long, value_name = "SIZE", value_parser = size::parse, conflicts_with = "serve", help_heading = "Limits of the runtime")]
    pub(super) result_limit: Option<ByteSize>,
    #[command(flatten)]
    pub(super) token: TokenOptions,
    #[command(flatten)]
    pub(super) tls: TlsOptions,
    #[command(flatten)]
    pub(super) agents: Agents,
}

impl Options {
    pub(super) fn format(&self) -> Format {
        match (self.json, self.markdown) {
            (true, _) => Format::Json,
            (false, true) => Format::Markdown,
            (false, false) => Format::Lines,
        }
    }
}
