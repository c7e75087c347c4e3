//! `nuncio demo --restart`: the runtime is killed while jobs run, and started again from its journal.
//!
//! ```text
//! client <--TCP--> process.rs: a nuncio serve --journal, killed and started again
//!    |                                       |
//!  watch.rs --reports--> ledger.rs <--what the journal says was sent
//! ```

mod ledger;
mod process;
mod watch;

use std::path::Path;

use nuncio_core::arcp::Transcript;
use nuncio_tokio::arcp::journal::{JournalError, SqliteJournal};
use nuncio_tokio::arcp::{Client, ClientOptions, SessionEvent, SessionEvents, SessionId, Submit, Transport};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch as latest;

use super::{DEADLINE, DemoError, TOKEN, say};
use crate::text::show;
use ledger::{Ledger, Sent};
use process::Process;
use watch::{Report, watch};

/// Steps of a job that is to run for a while.
const STEPS: u64 = 60;
/// The step of the first such job at which the runtime is killed.
const KILLED_AT: u64 = 24;
/// Between two steps, so that a person sees the job go on.
const PACE_MS: u64 = 15;
const KEY: &str = "once";

/// Runs it and checks it.
pub(super) async fn run() -> Result<(), DemoError> {
    tokio::time::timeout(DEADLINE, demonstrate()).await.unwrap_or(Err(DemoError::Hangs))
}

async fn demonstrate() -> Result<(), DemoError> {
    show("A runtime as a process of its own, with a journal; it is killed while jobs run, and started again.");
    show("");
    let folder = tempfile::Builder::new().prefix("nuncio-demo-").tempdir()?;
    let journal = folder.path().join("journal");
    let mut runtime = Process::start(&journal).await?;
    say("runtime", &format!("{} is process {}; {}", runtime.url(), runtime.id(), runtime.said()));

    let (address, addresses) = latest::channel(Some(runtime.url().to_owned()));
    let client = Client::over(move || dial(addresses.clone()), TOKEN).connect().await?;
    let session = client.welcome().map(|welcome| welcome.session_id.clone()).unwrap_or_default();
    say("client", &format!("session {session} is live"));
    let session = SessionId::parse(&session).ok_or_else(|| DemoError::Check("the session has no proper id".into()))?;
    let (reports, mut inbox) = unbounded_channel();
    tokio::spawn(watch_session(client.session_events(), reports.clone()));

    let mut ledger = Ledger::default();
    let done = client.submit(&Submit::new("progress").input(&json!({ "n": 5 }))?).await?;
    say("client", &format!("submits {}: progress, of 5 steps", done.job_id()));
    tokio::spawn(watch("progress", done, reports.clone()));
    ledger.until(&mut inbox, |ledger| ledger.ended("progress")).await;
    let keyed = slow()?.idempotency_key(KEY);
    let first = client.submit(&keyed).await?;
    let first_id = first.job_id().to_owned();
    say("client", &format!("submits {first_id}: slow 1, of {STEPS} steps, with an idempotency key"));
    tokio::spawn(watch("slow 1", first, reports.clone()));
    let second = client.submit(&slow()?).await?;
    say("client", &format!("submits {}: slow 2, of {STEPS} steps", second.job_id()));
    tokio::spawn(watch("slow 2", second, reports.clone()));
    ledger.until(&mut inbox, |ledger| ledger.steps("slow 1") >= KILLED_AT).await;

    address.send_replace(None);
    let killed = runtime.id();
    runtime.kill().await?;
    ledger.killed(&sent(&journal, session)?);
    say("runtime", &format!("process {killed} is KILLED (SIGKILL), {}", ledger.at_the_kill()));
    let mut runtime = Process::start(&journal).await?;
    say("runtime", &format!("process {} takes over; {}", runtime.id(), runtime.said()));
    address.send_replace(Some(runtime.url().to_owned()));
    ledger.until(&mut inbox, |ledger| ledger.ended("slow 1") && ledger.ended("slow 2")).await;

    let again = client.submit(&keyed).await?;
    let same = again.job_id() == first_id;
    let says = if same { "the same job, it does not run twice" } else { "another job" };
    say("client", &format!("submits slow 1 again with its key: {}, {says}", again.job_id()));
    ledger.retried(same);
    tokio::spawn(watch("retry", again, reports.clone()));
    let anew = client.submit(&slow()?).await?;
    say("client", &format!("submits {}: slow 3, which may be run again", anew.job_id()));
    tokio::spawn(watch("slow 3", anew, reports));
    ledger.until(&mut inbox, |ledger| ledger.ended("retry") && ledger.ended("slow 3")).await;

    let sent = sent(&journal, session)?;
    client.close().await;
    runtime.kill().await?;
    ledger.close(&sent).map_err(DemoError::Check)
}

fn slow() -> Result<Submit, serde_json::Error> {
    Submit::new("slow").input(&json!({ "ticks": STEPS, "tick_ms": PACE_MS }))
}

/// To the process that runs now, or the next one.
async fn dial(mut addresses: latest::Receiver<Option<String>>) -> std::io::Result<Transport> {
    let url = addresses.wait_for(Option::is_some).await.map_err(std::io::Error::other)?.clone().unwrap_or_default();
    let options = ClientOptions::new(&url).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((options.host(), options.port())).await?;
    Ok(Transport::websocket(nuncio_tokio::stream(stream), options))
}

async fn watch_session(mut events: SessionEvents, reports: UnboundedSender<Report>) {
    while let Some(event) = events.next().await {
        let report = match event {
            SessionEvent::Lost(reason) => Report::Lost(reason.to_string()),
            SessionEvent::Live(welcome) if welcome.resumed => Report::Resumed,
            SessionEvent::Gap { from, to } => Report::Trouble(format!("the events {from} to {to} are gone")),
            SessionEvent::Notice(fault) => Report::Trouble(fault.to_string()),
            SessionEvent::Live(_) | SessionEvent::Reconnecting { .. } | SessionEvent::Over(_) => continue,
        };
        // Nobody listens any more once all was said.
        drop(reports.send(report));
    }
}

/// What the journal says a session was sent.
fn sent(journal: &Path, session: SessionId) -> Result<Vec<Sent>, JournalError> {
    let journal = SqliteJournal::look(journal)?;
    let mut transcript = Transcript::new(session);
    let (mut sent, mut at) = (Vec::new(), 0);
    while let Some(committed) = journal.after(at)? {
        at = committed.last;
        for frame in committed.records.iter().filter_map(|(_, record)| transcript.take(record)) {
            let envelope: Value = serde_json::from_slice(&frame.frame).unwrap_or_default();
            sent.push(Sent { seq: frame.seq, body: envelope.pointer("/payload/body").cloned() });
        }
    }
    Ok(sent)
}

impl Ledger {
    /// Takes reports until it is so.
    async fn until(&mut self, inbox: &mut UnboundedReceiver<Report>, so: impl Fn(&Ledger) -> bool) {
        while !so(self) {
            // The senders outlive this: a demonstration that hangs has a deadline.
            let Some(report) = inbox.recv().await else { return };
            report.narrate();
            self.count(report);
        }
    }
}
