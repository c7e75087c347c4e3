//! `nuncio demo --pool`: a server in front of a pool of workers that is killed while jobs run, and started again.
//!
//! ```text
//! client <--TCP--> ../process.rs: a nuncio serve --journal --cap-agent, killed and restarted
//!    |                         |
//!    |                 NATS and Redis protocols
//!    |                         |
//!    |             members.rs: bus, store, router, workers
//!    |                         |
//! ../reports.rs -----> ledger.rs <---- ../stream.rs: what the journal says was sent
//! ```

mod ledger;
mod members;

use std::ffi::{OsStr, OsString};

use nuncio_tokio::arcp::{Client, Submit};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use super::error::DemoError;
use super::narration::{LEGEND, narrate};
use super::process::{Process, TOKEN, dial};
use super::reports::report_job;
use super::session::report_session;
use super::stream::sent;
use crate::text::{count, print_line};
use ledger::Ledger;
use members::{Count, FRONT, Members, TOPIC, WORKERS, Work};

/// The jobs, and how far each counts. The last one ends while there is no server.
const JOBS: [(&str, u64); 4] = [("count 1", 45), ("count 2", 45), ("count 3", 45), ("count 4", 12)];
/// Milliseconds between two steps, so that a person can follow the jobs.
const PACE_MS: u64 = 150;
/// The step of the first job at which the server is killed.
const KILLED_AT: usize = 8;
/// The steps of all jobs that the pool makes before the server is started again. The router keeps as many of each job.
const AWAY: u64 = 24;

pub(super) async fn run() -> Result<(), DemoError> {
    print_line("A server in front of a pool of workers. The server is killed while jobs run, and started again.");
    print_line(LEGEND);
    print_line("");
    let folder = tempfile::Builder::new().prefix("nuncio-demo-").tempdir()?;
    let (journal, keys) = (folder.path().join("journal"), folder.path().join("keys"));
    let work = Work::default();
    let members = Members::start(&keys, &work).await?;
    narrate("pool", &format!("is a router and {} workers, on {}", WORKERS.len(), members.server.nats_url()));
    let agent = format!("count={TOPIC}");
    let arguments: Vec<OsString> = [
        "--cap".as_ref(),
        members.server.nats_url().as_ref(),
        "--cap-redis".as_ref(),
        members.server.redis_url().as_ref(),
        "--cap-id".as_ref(),
        FRONT.as_ref(),
        "--cap-agent".as_ref(),
        agent.as_ref(),
        "--cap-keys".as_ref(),
        keys.as_os_str(),
    ]
    .into_iter()
    .map(OsStr::to_owned)
    .collect();
    let mut server = Process::start(&journal, &arguments).await?;
    narrate("server", &format!("{} is process {}; {}", server.url(), server.id(), server.greeting()));

    let (address, addresses) = watch::channel(Some(server.url().to_owned()));
    let client = Client::over(move || dial(addresses.clone()), TOKEN).connect().await?;
    let session = client.welcome().and_then(|welcome| welcome.session_id.ulid());
    let session = session.ok_or_else(|| DemoError::Check("the session's id is not valid".into()))?;
    narrate("client", &format!("opens the session {session}"));
    let (reports, mut inbox) = unbounded_channel();
    tokio::spawn(report_session(client.session_events(), reports.clone()));
    let mut ledger = Ledger::default();
    for (name, to) in JOBS {
        let input = Count { job: name.to_owned(), to, pace_ms: PACE_MS };
        let job = client.submit(&Submit::new("count").input(&input)).await?;
        narrate("client", &format!("submits {}: {name}, of {to} steps", job.job_id()));
        tokio::spawn(report_job(name, job, reports.clone()));
    }
    ledger.until(&mut inbox, |ledger| ledger.steps(JOBS[0].0) >= KILLED_AT).await;

    address.send_replace(None);
    let killed = server.id();
    server.kill().await?;
    let at_the_kill = ledger.killed(&sent(&journal, session)?);
    narrate("server", &format!("process {killed} is KILLED (SIGKILL), {at_the_kill}"));
    let before = work.done().all_steps();
    work.until(|done| done.all_steps() >= before + AWAY && !done.ended.is_empty()).await;
    let away = work.done().all_steps() - before;
    let ended = work.done().ended.len() as u64;
    narrate("pool", &format!("works on without a server: {away} steps, and the end of {}", count(ended, "job")));
    let mut server = Process::start(&journal, &arguments).await?;
    narrate("server", &format!("process {} takes over; {}", server.id(), server.greeting()));
    address.send_replace(Some(server.url().to_owned()));
    ledger.until(&mut inbox, Ledger::resumed).await;
    let ended_away = work.done().ended.clone();
    ledger.until(&mut inbox, |ledger| ledger.ended() == JOBS.len()).await;

    let sent = sent(&journal, session)?;
    client.close().await;
    server.kill().await?;
    let done = work.done();
    ledger.close(&sent, &done, &JOBS, &ended_away).map_err(DemoError::Check)
}
