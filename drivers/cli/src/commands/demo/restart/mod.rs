//! `nuncio demo --restart`: a runtime that is killed while jobs run, and restarted from its journal.
//!
//! ```text
//! client <--TCP--> ../process.rs: a nuncio serve --journal, killed and restarted
//!    |                                       |
//! ../reports.rs ---> ledger.rs <---- ../stream.rs: what the journal says was sent
//! ```

mod ledger;

use nuncio_tokio::arcp::{Client, Submit};
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use super::error::DemoError;
use super::narration::{LEGEND, narrate};
use super::process::{Process, TOKEN, dial};
use super::reports::report_job;
use super::session::report_session;
use super::stream::sent;
use crate::text::print_line;
use ledger::Ledger;

/// Steps of the jobs that run for a while.
const STEPS: u64 = 60;
/// The step of the first of these jobs at which the runtime is killed.
const KILLED_AT: u64 = 24;
/// Milliseconds between two steps, so that a person can follow the job.
const PACE_MS: u64 = 15;
const IDEMPOTENCY_KEY: &str = "once";
const DEMO_AGENTS: &str = "--demo-agents";

pub(super) async fn run() -> Result<(), DemoError> {
    print_line("A runtime in a process of its own, with a journal. It is killed while jobs run, and restarted.");
    print_line(LEGEND);
    print_line("");
    let folder = tempfile::Builder::new().prefix("nuncio-demo-").tempdir()?;
    let journal = folder.path().join("journal");
    let mut runtime = Process::start(&journal, &[DEMO_AGENTS]).await?;
    narrate("runtime", &format!("{} is process {}; {}", runtime.url(), runtime.id(), runtime.greeting()));

    let (address, addresses) = watch::channel(Some(runtime.url().to_owned()));
    let client = Client::over(move || dial(addresses.clone()), TOKEN).connect().await?;
    let session = client.welcome().and_then(|welcome| welcome.session_id.ulid());
    let session = session.ok_or_else(|| DemoError::Check("the session's id is not valid".into()))?;
    narrate("client", &format!("opens the session {session}"));
    let (reports, mut inbox) = unbounded_channel();
    tokio::spawn(report_session(client.session_events(), reports.clone()));

    let mut ledger = Ledger::default();
    let done = client.submit(&Submit::new("progress").input(&json!({ "n": 5 }))).await?;
    narrate("client", &format!("submits {}: progress, of 5 steps", done.job_id()));
    tokio::spawn(report_job("progress", done, reports.clone()));
    ledger.until(&mut inbox, |ledger| ledger.ends("progress") == 1).await;
    let keyed = slow().idempotency_key(IDEMPOTENCY_KEY);
    let first = client.submit(&keyed).await?;
    let first_id = first.job_id().clone();
    narrate("client", &format!("submits {first_id}: slow 1, of {STEPS} steps, with an idempotency key"));
    tokio::spawn(report_job("slow 1", first, reports.clone()));
    let second = client.submit(&slow()).await?;
    narrate("client", &format!("submits {}: slow 2, of {STEPS} steps", second.job_id()));
    tokio::spawn(report_job("slow 2", second, reports.clone()));
    ledger.until(&mut inbox, |ledger| ledger.steps("slow 1") >= KILLED_AT).await;

    address.send_replace(None);
    let killed = runtime.id();
    runtime.kill().await?;
    let at_the_kill = ledger.killed(&sent(&journal, session)?);
    narrate("runtime", &format!("process {killed} is KILLED (SIGKILL), {at_the_kill}"));
    let mut runtime = Process::start(&journal, &[DEMO_AGENTS]).await?;
    narrate("runtime", &format!("process {} takes over; {}", runtime.id(), runtime.greeting()));
    address.send_replace(Some(runtime.url().to_owned()));
    let are_ended = |ledger: &Ledger| ["slow 1", "slow 2"].iter().all(|job| ledger.ends(job) == 1);
    ledger.until(&mut inbox, |ledger| ledger.resumed() && are_ended(ledger)).await;

    let again = client.submit(&keyed).await?;
    let same = *again.job_id() == first_id;
    let which = if same { "the same job" } else { "another job" };
    narrate(
        "client",
        &format!("submits slow 1 again with its key: {which} ({}), whose end is sent again", again.job_id()),
    );
    ledger.resubmitted(same);
    tokio::spawn(report_job("slow 1", again, reports.clone()));
    let third = client.submit(&slow()).await?;
    narrate("client", &format!("submits slow 2 again, without a key: a new job ({}), named slow 3", third.job_id()));
    tokio::spawn(report_job("slow 3", third, reports));
    ledger.until(&mut inbox, |ledger| ledger.ends("slow 1") == 2 && ledger.ends("slow 3") == 1).await;

    let sent = sent(&journal, session)?;
    client.close().await;
    runtime.kill().await?;
    ledger.close(&sent).map_err(DemoError::Check)
}

fn slow() -> Submit {
    Submit::new("slow").input(&json!({ "ticks": STEPS, "tick_ms": PACE_MS }))
}
