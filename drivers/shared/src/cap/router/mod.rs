//! Routers: they send submitted jobs to workers, and see that each ends.

mod builder;
mod policy;
pub(super) mod records;
mod role;
mod sessions;
mod state;

use std::marker::PhantomData;

use nuncio_core::cap::{AuthorityRefused, ComponentId, Decision, Enrollment, RouterJobState, RouterRefused};

pub use builder::{RouterBuildError, RouterBuilder};
pub use policy::{JobPolicy, PolicyCheck};
pub use sessions::Sessions;

use self::role::RouterRole;
use super::bus::BusError;
use super::node::owner::Owner;
use crate::io::sync::CancellationToken;

/// A router: it takes the jobs that clients submit, asks the policy, sends them to workers, and sees that each ends.
///
/// With [`records`](RouterBuilder::records) nothing that depends on an accepted job leaves the router before the job is
/// durable, and a router that is started on the same records goes on with it. Dropping a router ends it at once, like a crash.
///
/// ```
/// # use nuncio_smol::cap::{Client, JobContext, MemoryBus, MemoryStore, Router, Submit, Worker};
/// # smol::block_on(async {
/// let (bus, store) = (MemoryBus::new(), MemoryStore::new());
/// let router = Router::builder().id("router-1").start(bus.clone())?;
/// let worker = Worker::builder()
///     .job("job.count", |_: JobContext, words: Vec<String>| async move { Ok(words.len()) })
///     .start(bus.clone(), store.clone())?;
/// router.ready().await?;
/// worker.ready().await?;
///
/// let client = Client::builder().connect(bus, store)?;
/// let mut job = client.submit(Submit::new("job.count").input(&["to", "be"])).await?;
/// assert_eq!(job.result::<usize>().await?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Router<D> {
    owner: Owner<RouterRole>,
    /// Cancelled when the records are no longer used.
    records: Option<CancellationToken>,
    driver: PhantomData<fn(D)>,
}

/// A job of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutedJob {
    /// The id that its submitter chose.
    pub job_id: String,
    /// The topic.
    pub topic: String,
    /// The sender of its request.
    pub submitter: String,
    /// Where it stands.
    pub state: RouterJobState,
    /// The worker that has it, if it is known.
    pub worker: Option<ComponentId>,
    /// How often it was sent.
    pub attempts: u32,
    /// Why it waits for a person or has to stop; empty otherwise.
    pub reason: String,
}

/// A worker that a router knows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RoutedWorker {
    /// The worker.
    pub id: ComponentId,
    /// The number of jobs that it runs.
    pub active: usize,
    /// The most jobs that it runs at the same time; 0 if it has not said.
    pub max_parallel: usize,
    /// The highest load of its machine, in percent.
    pub load: f32,
    /// Its pool.
    pub pool: String,
}

impl<D> Router<D> {
    fn new(owner: Owner<RouterRole>, records: Option<CancellationToken>) -> Router<D> {
        Router { owner, records, driver: PhantomData }
    }

    /// Returns the router's id.
    pub fn id(&self) -> &str {
        &self.owner.hub.role.id
    }

    /// Waits until the router is connected, and the server knows its subscriptions.
    ///
    /// Errors: [`BusError::Closed`] if the bus was closed.
    pub async fn ready(&self) -> Result<(), BusError> {
        self.owner.hub.settled().await
    }

    /// Returns the number of jobs that have not ended.
    pub fn live(&self) -> usize {
        self.owner.hub.look(|state| state.machine.live())
    }

    /// Returns the jobs that have not ended, and those that are remembered.
    pub fn jobs(&self) -> Vec<RoutedJob> {
        self.owner.hub.look(|state| {
            let views = state.machine.jobs().filter_map(|job| state.machine.job(job));
            let routed = views.map(|view| RoutedJob {
                job_id: view.job_id.to_owned(),
                topic: view.topic.to_string(),
                submitter: view.submitter.to_owned(),
                state: view.state,
                worker: view.worker.cloned(),
                attempts: view.attempts,
                reason: view.reason.to_owned(),
            });
            routed.collect()
        })
    }

    /// Returns the workers that are alive, in the order of their ids.
    pub fn workers(&self) -> Vec<RoutedWorker> {
        self.owner.hub.look(|state| {
            let workers = state.machine.workers().map(|view| RoutedWorker {
                id: view.id.clone(),
                active: view.active,
                max_parallel: view.max_parallel,
                load: view.load,
                pool: view.pool.to_owned(),
            });
            workers.collect()
        })
    }

    /// Decides about a job that waits for the policy or for a person, such as one that a person has approved.
    ///
    /// Errors: [`RouterRefused::Stale`] if there is no such job, or it awaits no decision.
    pub fn decide(&self, job_id: &str, decision: Decision) -> Result<(), RouterRefused> {
        self.owner.hub.run(|state, now| {
            let job = state.machine.find_job(job_id).ok_or(RouterRefused::Stale)?;
            state.machine.decide(now, job, decision)
        })
    }

    /// Enrolls a worker, or changes its enrollment. A trust session of it goes on if its agent, its tenant and its key remain.
    /// The enrollment is not recorded: a worker that is enrolled in this way proves itself again after a restart.
    ///
    /// Errors: the router was built without [`sessions`](RouterBuilder::sessions), too many workers are enrolled, or a name is
    /// not valid.
    pub fn enroll(&self, worker: &str, enrollment: Enrollment) -> Result<(), AuthorityRefused> {
        self.owner.hub.run(|state, now| state.machine.enroll(now, worker, enrollment))
    }

    /// Forgets an enrolled worker with its trust session. Its jobs are sent again, or fail. Returns false if it is not
    /// enrolled.
    pub fn revoke(&self, worker: &str) -> bool {
        self.owner.hub.run(|state, now| state.machine.revoke(now, worker))
    }

    /// Ends the trust session of a worker, which may prove itself again. Its jobs are sent again, or fail. Returns false if it
    /// has none.
    pub fn revoke_session(&self, worker: &str) -> bool {
        self.owner.hub.run(|state, now| state.machine.revoke_session(now, worker))
    }

    /// Ends the router, and waits until its records are written and no longer used. Jobs that were accepted stay in the
    /// records.
    pub async fn close(self) {
        let Router { owner, records, .. } = self;
        drop(owner);
        if let Some(ended) = records {
            ended.cancelled().await;
        }
    }
}

impl<D> std::fmt::Debug for Router<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("id", &self.id()).finish_non_exhaustive()
    }
}
