//! `nuncio demo`: a runtime and a client whose connection is cut while a job runs.
//!
//! ```text
//! client <--TCP--> proxy.rs, which cuts once <--TCP--> server with agents.rs
//!    |                                                          |
//! reports.rs ------> ledger.rs: did everything arrive? <---- counts
//! ```

mod agents;
mod ledger;
mod proxy;
mod reports;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nuncio_tokio::arcp::{Client, ClientOptions, Server, Submit, Transport};
use nuncio_tokio::auth::StaticTokens;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::error::DemoError;
use super::narration::{LEGEND, narrate};
use super::session::report_session;
use crate::text::print_line;
use agents::Emitted;
use ledger::Ledger;
use proxy::Proxy;
use reports::report_job;

const TOKEN: &str = "demo-token";
const PRINCIPAL: &str = "you@example.com";
/// Bytes from the server to the client after which the connection is cut: about half of all.
const CUT_AFTER: usize = 18_000;
/// Events that the agents emit between the cut and the next connection.
const MEANWHILE: u64 = 12;

pub(super) async fn run() -> Result<(), DemoError> {
    print_line("A runtime and a client in one process, on a loopback WebSocket that is cut while a job runs.");
    print_line(LEGEND);
    print_line("");
    let emitted = Emitted::default();
    let builder = Server::builder().verifier(StaticTokens::new().with(TOKEN, PRINCIPAL));
    let server = agents::add(builder, &emitted).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    narrate("runtime", &format!("{} offers the agents report and search", listening.url()));

    let proxy = Arc::new(Proxy::start(listening.address(), CUT_AFTER, MEANWHILE, emitted.clone()).await?);
    narrate("proxy", &format!("{} is between them, and cuts the connection after {CUT_AFTER} bytes", proxy.address()));

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
    if let Some(welcome) = client.welcome() {
        narrate("client", &format!("opens the session {}", welcome.session_id));
    }
    let session_reports = tokio::spawn(report_session(client.session_events(), reports.clone()));

    let submit = Submit::new("report").input(&json!({ "pages": agents::PAGES })).lease(&json!({
        "net.fetch": ["https://example.com/**"],
        "agent.delegate": ["search"],
        "cost.budget": ["USD:1.00"],
    }));
    narrate("client", "submits report, which may fetch https://example.com/**, delegate to search, spend USD 1.00");
    let job = client.submit(&submit).await?;
    narrate("runtime", &format!("accepts {}", job.job_id()));

    let mut ledger = Ledger::new("USD:1.00");
    tokio::spawn(report_job(job, false, reports));
    while let Some(report) = inbox.recv().await {
        ledger.count(&report);
        report.narrate();
        if ledger.is_complete() {
            break;
        }
    }
    client.close().await;
    session_reports.abort();
    // A job that still runs is missing in the ledger.
    let _outcome = server.shutdown(Duration::from_secs(5)).await;
    ledger.close(&emitted, proxy.cuts()).map_err(DemoError::Check)
}
