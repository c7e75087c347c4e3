//! `nuncio cap demo`: a router and three workers within this process, one of which is killed while it runs jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use nuncio_core::cap::JobStatus;
use nuncio_tokio::cap::{
    Client, Dispatch, JobContext, JobHandle, Keyring, MemoryBus, MemoryRecords, MemoryStore, RingSigner, Router,
    RouterEvent, Submit, Worker,
};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::exit::Exit;
use crate::text::{eprint_line, print_line};

/// Far longer than the demonstration takes.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Jobs that are submitted.
const JOBS: u64 = 60;
/// Jobs that a worker runs at the same time.
const PARALLEL: usize = 4;
/// Jobs that have a result when a worker is killed.
const KILLED_AFTER: usize = 20;
/// How long a job takes.
const WORK: Duration = Duration::from_millis(60);
const HEARTBEAT: Duration = Duration::from_millis(100);
const TOPIC: &str = "job.square";

const AFTER_HELP: &str = "\
If all went well, the last line is OK with how many jobs were done, sent again
and lost, and the exit code is 0. Otherwise the last line is an error, and the
exit code is 1. No server is needed: the bus is in the process. Every packet on
it is signed and verified.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {}

/// What has happened, as the workers and the router saw it.
#[derive(Debug, Default)]
struct Ledger {
    /// The workers that began each job.
    begun: BTreeMap<u64, Vec<&'static str>>,
    sent_again: usize,
}

type Shared = Arc<Mutex<Ledger>>;

fn note(ledger: &Shared, change: impl FnOnce(&mut Ledger)) {
    change(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner));
}

/// The members of the demonstration, and their keys.
struct Members {
    signers: BTreeMap<&'static str, RingSigner>,
    keys: Keyring,
    bus: MemoryBus,
    store: MemoryStore,
}

const ROUTER: &str = "router-1";
const CLIENT: &str = "client-1";
const WORKERS: [&str; 3] = ["worker-1", "worker-2", "worker-3"];

impl Members {
    fn new() -> Result<Members, Error> {
        let (mut signers, mut keys) = (BTreeMap::new(), Keyring::default());
        for name in WORKERS.into_iter().chain([ROUTER, CLIENT]) {
            let (signer, _secret) = RingSigner::generate().map_err(|error| failed(&error))?;
            keys.add(name, signer.public_key()).map_err(|error| failed(&error))?;
            signers.insert(name, signer);
        }
        Ok(Members { signers, keys, bus: MemoryBus::new(), store: MemoryStore::new() })
    }

    fn signer(&mut self, name: &str) -> Result<RingSigner, Error> {
        self.signers.remove(name).ok_or_else(|| failed(&"a member has no key"))
    }

    fn router(&mut self, ledger: Shared, ended: Arc<Progress>) -> Result<Router, Error> {
        let told = move |event: &RouterEvent, job: Option<&str>| match event {
            RouterEvent::WorkerLost { worker } => narrate("router", &format!("hears nothing of {worker} any more")),
            RouterEvent::Retrying { .. } => {
                narrate("router", &format!("sends {} again", job.unwrap_or_default()));
                note(&ledger, |ledger| ledger.sent_again += 1);
            }
            RouterEvent::Ended { .. } => ended.add(),
            _ => {}
        };
        let router = Router::builder()
            .id(ROUTER)
            .signer(self.signer(ROUTER)?)
            .keys(self.keys.clone())
            .dispatch(Dispatch::LeastLoaded)
            .records(MemoryRecords::default())
            .on_event(told)
            .configure(|config| {
                config.heartbeat_interval = HEARTBEAT;
                config.backoff = Duration::from_millis(10);
            });
        router.start(self.bus.another()).map_err(|error| failed(&error))
    }

    fn worker(&mut self, name: &'static str, ledger: Shared) -> Result<Worker, Error> {
        let worker = Worker::builder()
            .id(name)
            .signer(self.signer(name)?)
            .keys(self.keys.clone())
            .parallel(PARALLEL)
            .heartbeat_interval(HEARTBEAT)
            .job(TOPIC, move |ctx: JobContext, number: u64| {
                let ledger = Arc::clone(&ledger);
                async move {
                    note(&ledger, |ledger| ledger.begun.entry(number).or_default().push(name));
                    ctx.progress(50).await?;
                    sleep(WORK).await;
                    Ok(number * number)
                }
            });
        worker.start(self.bus.another(), self.store.clone()).map_err(|error| failed(&error))
    }

    fn client(&mut self) -> Result<Client, Error> {
        let client = Client::builder().id(CLIENT).signer(self.signer(CLIENT)?).keys(self.keys.clone());
        client.connect(self.bus.another(), self.store.clone()).map_err(|error| failed(&error))
    }
}

pub(super) async fn run(_options: &Options) -> Result<Exit, Error> {
    match timeout(TIMEOUT, demonstrate()).await {
        Ok(Ok(())) => Ok(Exit::Success),
        Ok(Err(error)) => {
            eprint_line(&format!("nuncio: {error}"));
            Ok(Exit::Failed)
        }
        Err(_) => {
            eprint_line("nuncio: the demonstration did not end in time");
            Ok(Exit::Failed)
        }
    }
}

async fn demonstrate() -> Result<(), Error> {
    print_line("A router and three workers. One worker is killed while it runs jobs.");
    print_line("");
    let ledger = Shared::default();
    let mut members = Members::new()?;
    let ended = Arc::new(Progress::default());
    let router = members.router(Arc::clone(&ledger), Arc::clone(&ended))?;
    router.ready().await.map_err(|error| failed(&error))?;
    let mut workers = Vec::new();
    for name in WORKERS {
        let worker = members.worker(name, Arc::clone(&ledger))?;
        worker.ready().await.map_err(|error| failed(&error))?;
        workers.push(worker);
    }
    let client = members.client()?;
    narrate("client", &format!("submits {JOBS} jobs, signed, to {} workers with {PARALLEL} slots each", WORKERS.len()));
    let done = Arc::new(Progress::default());
    let mut waiting = Vec::new();
    for number in 0..JOBS {
        let submit = Submit::new(TOPIC).job_id(format!("job-{number}")).input(&number);
        let job = client.submit(submit).await.map_err(|error| failed(&error))?;
        waiting.push((number, tokio::spawn(await_result(job, Arc::clone(&done)))));
    }
    done.reach(KILLED_AFTER).await;
    let killed = workers.remove(0);
    let running = killed.running();
    narrate("worker-1", &format!("is KILLED with {running} running, and with others that wait there for a slot"));
    drop(killed);
    let mut squares = 0;
    for (number, task) in waiting {
        let square = task.await.map_err(|error| failed(&error))??;
        if square != number * number {
            return Err(failed(&format!("the result of job-{number} is {square}")));
        }
        squares += 1;
    }
    narrate("client", &format!("has {squares} results"));
    // The router and the client receive a result independently of each other.
    ended.reach(squares).await;
    check(&ledger, router.live(), running)
}

/// Checks that every job was begun once by each worker at most, and that none is left. `running` jobs ran on the worker that was
/// killed.
fn check(ledger: &Shared, live: usize, running: usize) -> Result<(), Error> {
    let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, workers) in &ledger.begun {
        let twice = WORKERS.iter().find(|name| workers.iter().filter(|worker| worker == name).count() > 1);
        if let Some(worker) = twice {
            return Err(failed(&format!("{worker} has run job-{number} twice")));
        }
    }
    if live > 0 {
        return Err(failed(&format!("the router still has {live} jobs")));
    }
    print_line("");
    let (again, waited) = (ledger.sent_again, ledger.sent_again.saturating_sub(running));
    print_line(&format!(
        "OK: jobs {JOBS}, workers killed 1, jobs sent again {again} ({running} had run, {waited} had waited), jobs lost 0."
    ));
    Ok(())
}

/// Counts jobs.
#[derive(Debug, Default)]
struct Progress {
    done: Mutex<usize>,
    changed: Notify,
}

impl Progress {
    fn add(&self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_one();
    }

    async fn reach(&self, number: usize) {
        while *self.done.lock().unwrap_or_else(PoisonError::into_inner) < number {
            self.changed.notified().await;
        }
    }
}

async fn await_result(mut job: JobHandle, done: Arc<Progress>) -> Result<u64, Error> {
    let outcome = job.outcome().await.map_err(|error| failed(&error))?;
    if outcome.status != JobStatus::SUCCEEDED {
        return Err(failed(&format!("{} is {:?}: {}", outcome.job_id, outcome.status, outcome.error_message)));
    }
    let square = job.result().await.map_err(|error| failed(&error))?;
    done.add();
    Ok(square)
}

fn narrate(who: &str, what: &str) {
    print_line(&format!("  {who:<9} {what}"));
}

fn failed(what: &dyn std::fmt::Display) -> Error {
    Error::NotFound(format!("the check failed: {what}"))
}
