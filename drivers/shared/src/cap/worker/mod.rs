//! Workers: handlers of jobs on a bus.

mod builder;
pub(super) mod content;
pub(super) mod context;
#[cfg(feature = "metrics")]
mod facade;
pub(super) mod failure;
pub(super) mod handler;
pub(super) mod job;
mod logging;
mod metrics;
pub(super) mod middleware;
mod progress;
mod registry;
mod report;
mod role;
mod run;
mod state;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

pub use builder::WorkerBuilder;
pub use context::JobContext;
#[cfg(feature = "metrics")]
pub use facade::FacadeMetrics;
pub use failure::Failure;
pub use logging::Logging;
pub use metrics::Metrics;
pub use middleware::{Middleware, Next};
pub use progress::ProgressReport;

use self::role::WorkerRole;
use super::bus::BusError;
use super::node::owner::Owner;
use crate::io::clock::timeout;

/// A worker: it takes job requests from the bus, calls a handler for each, and publishes the result.
///
/// Its machine, its packets and its heartbeats are on a thread of their own; handlers run on the caller's executor, so that
/// one that blocks stalls nothing but its job. When the bus is away, running jobs go on, and their results are published
/// when it is back.
///
/// A request that comes again is not run again; it gets the result that the job has or will have, unless that was
/// `FAILED_RETRYABLE` and the request begins the next attempt. A handler that fails, or panics, is called again as
/// [`retries`](WorkerBuilder::retries) says.
///
/// Dropping a worker ends it at once, like a crash: handlers are dropped, and their jobs have no result.
/// [`drain`](Worker::drain) lets them finish.
///
/// ```
/// # use std::time::Duration;
/// # use nuncio_smol::cap::{Client, Drained, JobContext, MemoryBus, MemoryStore, Submit, Worker};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Input {
///     prompt: String,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Output {
///     summary: String,
/// }
///
/// # smol::block_on(async {
/// let (bus, store) = (MemoryBus::new(), MemoryStore::new());
/// let worker = Worker::builder()
///     .id("worker-1")
///     .job("job.summarize", |ctx: JobContext, input: Input| async move {
///         ctx.progress(50).message("thinking").await?;
///         Ok(Output { summary: input.prompt.chars().take(140).collect() })
///     })
///     .start(bus, store)?;
/// worker.ready().await?;
///
/// // Later: finish what runs, and take no more.
/// assert_eq!(worker.drain(Duration::from_secs(30)).await, Drained::Finished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Worker<D> {
    owner: Owner<WorkerRole>,
    driver: PhantomData<fn(D)>,
}

/// How a drain has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every job has ended, and its result was published.
    Finished,
    /// The time was over first.
    TimedOut {
        /// The number of jobs that have not ended. They have no result.
        jobs: usize,
        /// The number of results that could not be published, because the bus was away.
        results: usize,
    },
}

impl<D> Worker<D> {
    fn new(owner: Owner<WorkerRole>) -> Worker<D> {
        Worker { owner, driver: PhantomData }
    }

    /// Returns the worker's id.
    pub fn id(&self) -> &str {
        &self.owner.hub.role.id
    }

    /// Returns the number of jobs that run.
    pub fn running(&self) -> usize {
        self.owner.hub.look(|state| state.machine.running())
    }

    /// Returns the number of jobs that wait for a slot.
    pub fn queued(&self) -> usize {
        self.owner.hub.look(|state| state.machine.queued())
    }

    /// Returns the number of results that could not be published yet, because the bus is away.
    pub fn unsent(&self) -> usize {
        let hub = &self.owner.hub;
        hub.look(|state| state.machine.unsent()) + hub.kept()
    }

    /// Waits until the worker is connected, and the server knows its subscriptions. From then on it misses no request.
    ///
    /// Errors: [`BusError::Closed`] if the bus was closed.
    pub async fn ready(&self) -> Result<(), BusError> {
        self.owner.hub.settled().await
    }

    /// Takes no more jobs, finishes those that it has, the queued ones included, publishes their results, and ends the worker.
    /// A request that still arrives fails and can be tried on another worker. If the bus is away, it waits for the bus only
    /// while a result has to be published.
    pub async fn drain(self, limit: Duration) -> Drained {
        let hub = &self.owner.hub;
        hub.run(|state, now| state.machine.drain(now));
        let finish = async {
            hub.role.has_drained.wait(|drained| drained.then_some(())).await;
            hub.delivered().await
        };
        match timeout(&*Arc::clone(&hub.io), limit, finish).await {
            Some(Ok(())) => Drained::Finished,
            Some(Err(_)) | None => Drained::TimedOut { jobs: self.running() + self.queued(), results: self.unsent() },
        }
    }
}

impl<D> std::fmt::Debug for Worker<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("id", &self.id()).finish_non_exhaustive()
    }
}
