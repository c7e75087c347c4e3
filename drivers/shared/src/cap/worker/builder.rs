//! Making a worker.

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::cap::{Keyring, Load, Signer, TrustPace, TrustSettings, Verifier, WorkerConfig, WorkerTrust};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Worker;
use super::context::JobContext;
use super::failure::Failure;
use super::handler::{Blocking, Function};
use super::metrics::{Metrics, NoMetrics};
use super::middleware::Middleware;
use super::registry::{Registry, RegistryFault};
use super::role::WorkerRole;
use super::run;
use super::state::WorkerState;
use crate::cap::blob::BlobStore;
use crate::cap::bus::Bus;
use crate::cap::node::hub::Hub;
use crate::cap::node::identity::{BuildError, Identity};
use crate::cap::node::{link, owner::Owner};
use crate::io::clock::Clock;
use crate::io::sync::Watch;
use crate::io::{Driver, random};

/// A change of the machine's settings.
type Change = Box<dyn FnOnce(&mut WorkerConfig) + Send>;

/// Makes a worker, on the driver `D`.
#[must_use = "a builder does nothing until `start` is called"]
pub struct WorkerBuilder<D: Driver> {
    identity: Identity,
    registry: Registry,
    middleware: Vec<Arc<dyn Middleware>>,
    metrics: Arc<dyn Metrics>,
    load: Option<Box<dyn Fn() -> Load + Send + Sync>>,
    grace: Duration,
    changes: Vec<Change>,
    runtime: Option<D::Agents>,
    io: Option<Arc<D::Thread>>,
}

impl<D: Driver> Worker<D> {
    /// Returns a builder of a worker.
    pub fn builder() -> WorkerBuilder<D> {
        WorkerBuilder {
            identity: Identity::new(),
            registry: Registry::default(),
            middleware: Vec::new(),
            metrics: Arc::new(NoMetrics),
            load: None,
            grace: Duration::from_secs(5),
            changes: Vec::new(),
            runtime: None,
            io: None,
        }
    }
}

impl<D: Driver> WorkerBuilder<D> {
    /// Sets the id, which is the sender of the worker's packets and a part of its direct subject, `worker.ID.jobs`. No two
    /// workers may have the same. Default: a random one.
    pub fn id(mut self, id: impl Into<String>) -> WorkerBuilder<D> {
        self.identity.id = Some(id.into());
        self
    }

    /// Adds the handler of a topic: an async function of the context and the input, which is read from JSON and may be any
    /// type that serde knows. An input of another shape fails the job with `JOB_INVALID_INPUT`.
    pub fn job<F, I, O, R>(mut self, topic: &str, handler: F) -> WorkerBuilder<D>
    where
        F: Fn(JobContext, I) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.registry.add(topic, Arc::new(Function::new(handler, false)));
        self
    }

    /// Adds a handler like [`job`](WorkerBuilder::job) that never blocks its thread: it does no file or network access that
    /// blocks, takes no lock for long, and computes for no more than some tens of microseconds between two awaits. The same
    /// holds for the middleware. Its jobs run on the thread of the worker, so that a short one costs no change of threads.
    /// While such a handler blocks after all, the worker does nothing else.
    ///
    /// What the handler needs of an async runtime is that of the thread: on tokio, what it spawns runs there as well.
    ///
    /// ```
    /// # use nuncio_smol::cap::{JobContext, Worker};
    /// let worker = Worker::builder().nonblocking_job("job.double", |_: JobContext, number: u64| async move { Ok(2 * number) });
    /// ```
    pub fn nonblocking_job<F, I, O, R>(mut self, topic: &str, handler: F) -> WorkerBuilder<D>
    where
        F: Fn(JobContext, I) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.registry.add(topic, Arc::new(Function::new(handler, true)));
        self
    }

    /// Adds the handler of a topic that blocks its thread. Each call has a thread of its own, so that heartbeats and other
    /// jobs go on. It is not stopped by force: it should look at [`JobContext::is_cancelled`] now and then.
    ///
    /// ```
    /// # use nuncio_smol::cap::{JobContext, Worker};
    /// let worker = Worker::builder().blocking_job("job.count", |_ctx: JobContext, path: String| {
    ///     Ok(std::fs::read_to_string(path)?.split_whitespace().count())
    /// });
    /// ```
    pub fn blocking_job<F, I, O>(mut self, topic: &str, handler: F) -> WorkerBuilder<D>
    where
        F: Fn(JobContext, I) -> Result<O, Failure> + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        self.registry.add(topic, Arc::new(Blocking::new(handler)));
        self
    }

    /// Adds middleware around every handler. The first one is the outermost.
    pub fn layer(mut self, middleware: impl Middleware) -> WorkerBuilder<D> {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Sets what counts jobs and heartbeats. Default: nothing.
    pub fn metrics(mut self, metrics: impl Metrics) -> WorkerBuilder<D> {
        self.metrics = Arc::new(metrics);
        self
    }

    /// Sets what reports the load of the machine, before each heartbeat. It must not block. Default: nothing, and heartbeats
    /// say 0 percent.
    pub fn load(mut self, load: impl Fn() -> Load + Send + Sync + 'static) -> WorkerBuilder<D> {
        self.load = Some(Box::new(load));
        self
    }

    /// Sets the key that packets are signed with. Default: none, and packets are sent unsigned.
    pub fn signer(mut self, signer: impl Signer + 'static) -> WorkerBuilder<D> {
        self.identity.signer = Some(Arc::new(signer));
        self
    }

    /// Sets the keys of those whose packets are accepted, by the id of the sender. Default: none, and packets are accepted
    /// from everyone who reaches the bus, signed or not.
    pub fn keys(mut self, keys: Keyring) -> WorkerBuilder<D> {
        self.identity.keys = Some(keys);
        self
    }

    /// Sets what verifies signatures. Default: `ring`.
    pub fn verifier(mut self, verifier: impl Verifier + 'static) -> WorkerBuilder<D> {
        self.identity.verifier = Arc::new(verifier);
        self
    }

    /// Sets how the worker proves itself to a scheduler, whose jobs alone it takes then. Default: not at all.
    ///
    /// A worker that enforces trust subscribes to its topics once the scheduler trusts it, which may be after
    /// [`Worker::ready`].
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use nuncio_smol::cap::{JobContext, Keyring, RingSigner, TrustNames, TrustSettings, Worker, WorkerTrust};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (proof, scheduler_key) = (RingSigner::generate()?.0, RingSigner::generate()?.0.public_key());
    ///
    /// let names = TrustNames {
    ///     agent_id: "agent-1".into(),
    ///     tenant_id: "tenant-1".into(),
    ///     proof_key_id: "proof-1".into(),
    ///     scheduler_id: "scheduler-1".into(),
    /// };
    /// let mut scheduler_keys = Keyring::default();
    /// scheduler_keys.add("server-1", scheduler_key)?; // by key id
    /// let settings = TrustSettings::new(names, Arc::new(proof), scheduler_keys)?;
    /// let worker = Worker::builder()
    ///     .id("worker-1")
    ///     .job("job.echo", |_ctx: JobContext, text: String| async move { Ok(text) })
    ///     .trust(WorkerTrust::Enforce(Arc::new(settings)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn trust(self, trust: WorkerTrust) -> WorkerBuilder<D> {
        self.configure(move |config| config.trust = trust)
    }

    /// Sets how many jobs run at the same time. Default: 1.
    pub fn parallel(self, jobs: usize) -> WorkerBuilder<D> {
        self.configure(move |config| config.limits.parallel = jobs)
    }

    /// Sets how often a handler that has failed is called again. Default: 0.
    pub fn retries(self, retries: u32) -> WorkerBuilder<D> {
        self.configure(move |config| config.retries = retries)
    }

    /// Sets the pause before the first retry, which doubles with every further one, and the longest pause. Default: 100 ms,
    /// 10 s.
    pub fn backoff(self, first: Duration, longest: Duration) -> WorkerBuilder<D> {
        self.configure(move |config| (config.backoff, config.max_backoff) = (first, longest))
    }

    /// Sets the time for which outputs are stored. Default: 24 h.
    pub fn result_ttl(self, ttl: Duration) -> WorkerBuilder<D> {
        self.configure(move |config| config.result_ttl = ttl)
    }

    /// Sets the longest time from the arrival of a job to its result. Default: that of the job's budget alone.
    pub fn max_runtime(self, runtime: Duration) -> WorkerBuilder<D> {
        self.configure(move |config| config.max_runtime = Some(runtime))
    }

    /// Sets the time between heartbeats, 1 ms or more. Default: 5 s.
    pub fn heartbeat_interval(self, interval: Duration) -> WorkerBuilder<D> {
        self.configure(move |config| config.heartbeat_interval = interval)
    }

    /// Sets the pool that the worker belongs to. Default: none.
    pub fn pool(self, pool: impl Into<String>) -> WorkerBuilder<D> {
        let pool = pool.into();
        self.configure(move |config| config.pool = pool)
    }

    /// Adds a label to the worker's heartbeats.
    pub fn label(self, name: impl Into<String>, value: impl Into<String>) -> WorkerBuilder<D> {
        let (name, value) = (name.into(), value.into());
        self.configure(move |config| _ = config.labels.insert(name, value))
    }

    /// Sets how long a handler may go on after its job was cancelled or too late; then it is dropped. Default: 5 s.
    pub fn cancel_grace(mut self, grace: Duration) -> WorkerBuilder<D> {
        self.grace = grace;
        self
    }

    /// Changes any setting of the machine. Topics, signer and result scheme are set by [`start`](WorkerBuilder::start).
    pub fn configure(mut self, change: impl FnOnce(&mut WorkerConfig) + Send + 'static) -> WorkerBuilder<D> {
        self.changes.push(Box::new(change));
        self
    }

    /// Sets the executor of the handlers. Default: that of the thread that calls [`start`](WorkerBuilder::start).
    pub fn job_runtime(mut self, runtime: D::Agents) -> WorkerBuilder<D> {
        self.runtime = Some(runtime);
        self
    }

    /// Sets a thread to share with other workers and clients. Default: that of the bus if it has one, and else one of the
    /// worker's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> WorkerBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Starts the worker on a bus and a blob store. It need not be connected yet: the worker subscribes when it is.
    pub fn start(mut self, bus: impl Bus, store: impl BlobStore) -> Result<Worker<D>, BuildError> {
        match self.registry.fault() {
            Some(RegistryFault::Topic(topic, error)) => return Err(BuildError::Topic { topic, error }),
            Some(RegistryFault::Twice(topic)) => return Err(BuildError::TwoHandlers(topic.to_string())),
            None => {}
        }
        if self.registry.topics().next().is_none() {
            return Err(BuildError::NoHandler);
        }
        let spawn = D::agents(self.runtime).ok_or(BuildError::NoRuntime)?;
        let id = self.identity.id("worker")?;
        let reading = self.identity.reading(&id);
        let mut config = WorkerConfig::new(id.clone(), reading, self.identity.verifier);
        for change in self.changes {
            change(&mut config);
        }
        config.topics = self.registry.topics().cloned().collect();
        config.heartbeat_interval = config.heartbeat_interval.max(Duration::from_millis(1));
        config.signer = self.identity.signer;
        config.result_scheme = store.scheme();
        let (io_timeout, limits) = (config.io_timeout, config.limits);
        let trust_timeout = config.trust.settings().map_or(TrustPace::default(), TrustSettings::pace).timeout;
        let clock = Clock::start();
        let machine = nuncio_core::cap::Worker::new(config, random::seed()?, clock.now());
        let role = WorkerRole {
            id: id.to_string(),
            registry: self.registry,
            middleware: self.middleware.into(),
            store: Arc::new(store),
            spawn,
            metrics: self.metrics,
            load: self.load,
            grace: self.grace,
            io_timeout,
            trust_timeout,
            max_input: limits.context_bytes,
            max_output: limits.result_bytes,
            start: run::start,
            has_drained: Watch::new(false),
        };
        let thread = link::thread::<D>(self.io, &bus, "nuncio-worker")?;
        let hub = Hub::new(role, WorkerState::new(machine), clock, Arc::new(bus), thread);
        link::start(&hub);
        Ok(Worker::new(Owner { hub }))
    }
}

impl<D: Driver> std::fmt::Debug for WorkerBuilder<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder").field("id", &self.identity.id).finish_non_exhaustive()
    }
}
