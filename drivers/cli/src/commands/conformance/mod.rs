//! `nuncio conformance`: judges a runtime, or a client, by the rules of ARCP v1.1 that can be seen from outside.
//!
//! ```text
//! run.rs    --> runtime/: the rules, each an async function over trial.rs, session.rs and wire.rs (raw frames)
//! client/   --> plays a runtime for a client that connects, and judges what it has recorded
//! report/   <-- the results of both: lines, JSON, JUnit, Markdown
//! ```
//!
//! A new rule for runtimes is a line in `rules!` of its group's file and a function of the same name.

mod frame;
mod report;
mod rule;
mod run;
mod runtime;
mod session;
mod transcript;
mod trial;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::connection::raw::{TokenOptions, secret};
use crate::connection::tls::TlsOptions;
use crate::exit::Exit;
use crate::output;
use crate::time::positive_duration;
use nuncio_tokio::arcp::Secret;
use report::Format;
use trial::Agents;

const AFTER_HELP: &str = "\
Examples:
  nuncio conformance ws://127.0.0.1:7777/arcp --token s3cret
  nuncio conformance ws://127.0.0.1:7777/arcp --only §6.3 --json
  nuncio conformance --serve 127.0.0.1:7778

Each rule of the specification has a row: pass, FAIL, or not offered, if the
runtime lacks the feature or the agent that the rule is about. A failure shows
the rule, what was found, and the last frames, without secrets.

The agents are those of `interop_agents`, an example of Nuncio's source. Others
are named by the flags below; a rule whose agent is missing is not offered.
Rules about heartbeats, and about the end of the resume window, are judged only
if these times fit into --timeout.

Exit codes:
  0    no rule is broken
  1    a rule is broken
  2    the rules could not be judged: invalid usage, an unreachable runtime, or
       a token that it refuses";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// URL of the runtime to judge, such as `ws://127.0.0.1:7777/arcp`
    #[arg(value_name = "URL", required = true)]
    url: Option<String>,
    /// Judge only these rules: a section such as §6.3, or a rule such as §6.3/replay. Repeat it for several
    #[arg(long, value_name = "§/NAME")]
    only: Vec<String>,
    /// Print a JSON object per rule and line, and a summary as the last line
    #[arg(long)]
    json: bool,
    /// Print only a table in Markdown, with the number of rules of each group
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Also write the results to this file as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How long to wait for a frame that is due
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    timeout: Duration,
    /// Bearer token of another principal, for the rules about what it may not see
    #[arg(long, value_name = "TOKEN", value_parser = secret, help_heading = "Connection")]
    other_token: Option<Secret>,
    #[command(flatten)]
    token: TokenOptions,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    agents: Agents,
}

impl Options {
    fn format(&self) -> Format {
        match (self.json, self.markdown) {
            (true, _) => Format::Json,
            (false, true) => Format::Markdown,
            (false, false) => Format::Lines,
        }
    }
}

pub(crate) async fn run(options: Options) -> Exit {
    match run::judge(&options).await {
        Ok(true) => Exit::Success,
        Ok(false) => Exit::Failed,
        Err(error) => {
            output::report(&error);
            Exit::Usage
        }
    }
}
