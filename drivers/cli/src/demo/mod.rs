//! `nuncio demo`: the main job, with a cut in the middle of it.
//!
//! ```text
//! client <--TCP--> proxy.rs, which cuts once <--TCP--> server with agents.rs
//!    |                                                          |
//! follow.rs --reports--> ledger.rs: is everything there? <--counts
//! ```
//!
//! With `--restart` it is the other one, in [`restart`].

mod agents;
mod follow;
mod ledger;
mod proxy;
mod restart;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nuncio_tokio::arcp::{Client, ClientBuildError, ClientError, ClientOptions, Server, Submit, Transport};
use nuncio_tokio::auth::StaticTokens;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::text::show;
use agents::Emitted;
use follow::{follow, follow_session};
use ledger::Ledger;
use proxy::Proxy;

const TOKEN: &str = "demo-token";
const PRINCIPAL: &str = "you@example.com";
/// Bytes from the server to the client after which the connection is cut: about half of all.
const CUT_AFTER: usize = 18_000;
/// Events that the agents go on to emit while nobody is connected.
const MEANWHILE: u64 = 12;
/// Far more than it takes; a demonstration that hangs is a failed one.
const DEADLINE: Duration = Duration::from_mins(1);

const EXAMPLE: &str = "\
Examples:
  nuncio demo
  nuncio demo --restart

The last line says OK and what was lost: nothing. Exit codes: 0 it held, 1 it did not.";

/// What `nuncio demo` takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// Kills the runtime, a process of its own with a journal, while jobs run, and starts it again
    #[arg(long)]
    restart: bool,
}

/// Why the demonstration failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("the demonstration did not come to its end within {} s", DEADLINE.as_secs())]
    Hangs,
    #[error("{0}")]
    Server(#[from] nuncio_tokio::arcp::BuildError),
    #[error("the system refused a socket: {0}")]
    Socket(#[from] io::Error),
    #[error("the client could not connect: {0}")]
    Connect(#[from] ClientBuildError),
    #[error("the job could not be submitted: {0}")]
    Submit(#[from] ClientError),
    #[error("the request could not be written: {0}")]
    Request(#[from] serde_json::Error),
    #[error("the runtime did not start: {0}")]
    Runtime(String),
    #[error("{0}")]
    Journal(#[from] nuncio_tokio::arcp::journal::JournalError),
    #[error("the check failed: {0}")]
    Check(String),
}

/// One line of what happens: who, and what.
pub(crate) fn say(who: &str, what: &str) {
    show(&format!("  {who:<9} {what}"));
}

/// Runs it and checks it.
pub(crate) async fn run(options: &Options) -> Result<(), DemoError> {
    if options.restart {
        return restart::run().await;
    }
    tokio::time::timeout(DEADLINE, demonstrate()).await.unwrap_or(Err(DemoError::Hangs))
}

async fn demonstrate() -> Result<(), DemoError> {
    show("A runtime and a client in one process, on a loopback WebSocket that is cut in the middle.");
    show("");
    let emitted = Emitted::default();
    let server = Server::builder().verifier(StaticTokens::new().with(TOKEN, PRINCIPAL));
    let server = agents::offer(server, &emitted).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    say("runtime", &format!("{} offers the agents report and search", listening.url()));

    let proxy = Arc::new(Proxy::start(listening.address(), CUT_AFTER, MEANWHILE, emitted.clone()).await?);
    say("proxy", &format!("{} stands between and cuts after {CUT_AFTER} bytes", proxy.address()));

    let (reports, mut inbox) = mpsc::unbounded_channel();
    let (url, address) = (listening.url().to_owned(), proxy.address());
    let dial = move || {
        let url = url.clone();
        async move {
            let options = ClientOptions::new(&url).map_err(io::Error::other)?;
            Ok(Transport::websocket(nuncio_tokio::stream(TcpStream::connect(address).await?), options))
        }
    };
    let client = Client::over(dial, TOKEN).connect().await?;
    let session = client.welcome().map(|welcome| welcome.session_id.clone()).unwrap_or_default();
    say("client", &format!("session {session} is live"));
    let watching = tokio::spawn(follow_session(client.session_events(), reports.clone()));

    let submit = Submit::new("report").input(&json!({ "pages": agents::PAGES }))?.lease(&json!({
        "net.fetch": ["https://example.com/**"],
        "agent.delegate": ["search"],
        "cost.budget": ["USD:1.00"],
    }))?;
    say("client", "submits report; it may fetch https://example.com/**, delegate to search, spend USD 1.00");
    let job = client.submit(&submit).await?;
    say("runtime", &format!("accepts {}", job.job_id()));

    let mut ledger = Ledger::new("USD:1.00");
    let parent = tokio::spawn(follow(job, false, reports));
    while let Some(report) = inbox.recv().await {
        ledger.count(&report);
        report.narrate();
        if ledger.is_complete() {
            break;
        }
    }
    // What it had to say is in the reports.
    drop(parent);
    client.close().await;
    drop(watching);
    server.shutdown(Duration::from_secs(5)).await;
    ledger.close(&emitted, proxy.cuts()).map_err(DemoError::Check)
}
