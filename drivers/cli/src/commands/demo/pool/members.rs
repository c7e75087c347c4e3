//! The pool: a bus, a blob store, a router and two workers within this process, and what the workers have done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nuncio_core::cap::ComponentId;
use nuncio_tokio::cap::{
    Failure, JobContext, Keyring, MemoryBus, MemoryRecords, MemoryServer, MemoryStore, NatsBus, NatsOptions,
    RedisOptions, RedisStore, RingSigner, Router, Worker,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::commands::cap::keygen;
use crate::commands::demo::error::DemoError;

pub(super) const TOPIC: &str = "job.count";
/// The name of the server on the bus.
pub(super) const FRONT: &str = "front-1";
const ROUTER: &str = "router-1";
pub(super) const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
/// Jobs that a worker runs at the same time.
const PARALLEL: usize = 4;
/// The latest steps that the router keeps of a job that runs, for a server that was away; of one that has ended it keeps the
/// result.
const REMEMBERED: usize = 32;
const ANY_PORT: &str = "127.0.0.1:0";

/// The input of a job: it counts to `to`, and takes a pause before each number.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Count {
    pub(super) job: String,
    pub(super) to: u64,
    pub(super) pace_ms: u64,
}

/// What the workers have done.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    done: Arc<Mutex<Done>>,
    changed: Arc<Notify>,
}

/// What the workers have done, by the name of the job.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The workers that began it.
    pub(super) runs: BTreeMap<String, Vec<&'static str>>,
    /// How far it has counted.
    pub(super) steps: BTreeMap<String, u64>,
    /// The jobs that have ended.
    pub(super) ended: BTreeSet<String>,
}

impl Work {
    pub(super) fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Done)) {
        change(&mut self.done());
        self.changed.notify_one();
    }

    /// Waits until `condition` holds.
    pub(super) async fn until(&self, condition: impl Fn(&Done) -> bool) {
        while !condition(&self.done()) {
            self.changed.notified().await;
        }
    }

    async fn count(self, worker: &'static str, ctx: JobContext, count: Count) -> Result<u64, Failure> {
        let Count { job, to, pace_ms } = count;
        self.note(|done| done.runs.entry(job.clone()).or_default().push(worker));
        for step in 1..=to {
            sleep(Duration::from_millis(pace_ms)).await;
            let percent = i32::try_from(step * 100 / to.max(1)).unwrap_or(100);
            ctx.progress(percent).message(format!("step {step} of {to}")).await?;
            self.note(|done| *done.steps.entry(job.clone()).or_default() += 1);
        }
        self.note(|done| _ = done.ended.insert(job));
        Ok(to)
    }
}

impl Done {
    /// The steps of all jobs.
    pub(super) fn all_steps(&self) -> u64 {
        self.steps.values().sum()
    }
}

/// The pool. It ends when it is dropped.
pub(super) struct Members {
    pub(super) server: MemoryServer,
    _router: Router,
    _workers: Vec<Worker>,
}

impl Members {
    /// Starts the pool. The keys of its members and of the server are made in a directory.
    pub(super) async fn start(keys: &Path, work: &Work) -> Result<Members, DemoError> {
        let server = MemoryServer::start(&MemoryBus::new(), &MemoryStore::new(), ANY_PORT, ANY_PORT).await?;
        let (mut signers, mut ring) = (BTreeMap::new(), Keyring::default());
        for name in WORKERS.into_iter().chain([ROUTER, FRONT]) {
            let signer = make(name, keys)?;
            ring.add(name, signer.public_key()).map_err(failed)?;
            signers.insert(name, signer);
        }
        let mut signer = |name| signers.remove(name).ok_or_else(|| failed("a member has no key"));
        let router = Router::builder().id(ROUTER).signer(signer(ROUTER)?).keys(ring.clone());
        let router = router.records(MemoryRecords::default()).configure(|config| {
            config.limits.progress = REMEMBERED;
        });
        let router = router.start(bus(&server, ROUTER).await?).map_err(failed)?;
        router.ready().await.map_err(failed)?;
        let mut workers = Vec::new();
        for name in WORKERS {
            let work = work.clone();
            let worker = Worker::builder()
                .id(name)
                .signer(signer(name)?)
                .keys(ring.clone())
                .parallel(PARALLEL)
                .job(TOPIC, move |ctx: JobContext, count: Count| work.clone().count(name, ctx, count));
            let store = RedisOptions::new(server.redis_url()).map_err(failed)?;
            let store = RedisStore::new(store).map_err(failed)?;
            let worker = worker.start(bus(&server, name).await?, store).map_err(failed)?;
            worker.ready().await.map_err(failed)?;
            workers.push(worker);
        }
        Ok(Members { server, _router: router, _workers: workers })
    }
}

async fn bus(server: &MemoryServer, name: &str) -> Result<NatsBus, DemoError> {
    let mut options = NatsOptions::new(server.nats_url()).map_err(failed)?;
    name.clone_into(&mut options.name);
    NatsBus::connect(options).await.map_err(failed)
}

fn make(name: &str, keys: &Path) -> Result<RingSigner, DemoError> {
    let id = ComponentId::new(name).map_err(failed)?;
    keygen::make(&id, keys).map(|made| made.signer).map_err(failed)
}

fn failed(error: impl Display) -> DemoError {
    DemoError::Pool(error.to_string())
}
