//! Building a server.

use std::marker::PhantomData;
use std::sync::Arc;

use nuncio_core::arcp::{AgentSpec, Config, Journaling, OnRestart, Policy, Refused, Restored, Runtime};
use nuncio_core::lease::Lease;
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use super::Server;
use super::error::BuildError;
use super::hub::{Hub, Parts, Place};
use super::life::Life;
use super::post::Post;
use super::provision::{DynProvisioner, Provisioner};
use super::shards::Shards;
use super::slots::Slots;
use super::status::PoolSource;
use crate::arcp::agent::registry::Registry;
use crate::arcp::agent::run::Runner;
use crate::arcp::agent::{Agent, Failure, Function, IntoOutput, JobContext};
use crate::arcp::journal::{self, Journal, Orders, Shard, worker};
use crate::auth::{BoxVerifier, Verifier};
use crate::io::clock::Clock;
use crate::io::{Driver, Io, descriptors, random};

/// Makes a [`Server`]. From [`Server::builder`].
///
/// The methods can be called in any order; only the verifier is required.
///
/// ```
/// use nuncio_smol::arcp::{Config, JobContext, Server};
/// use nuncio_smol::auth::StaticTokens;
///
/// let mut config = Config::default();
/// config.limits.jobs_per_session = 8;
/// let server = Server::builder()
///     .verifier(StaticTokens::new().with("secret", "me@example.com"))
///     .agent("double", |number: u64, _: JobContext| async move { Ok(2 * number) })
///     .config(config)
///     .build()?;
/// # Ok::<(), nuncio_smol::arcp::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct ServerBuilder<D: Driver> {
    config: Config,
    policy: Option<Arc<dyn Policy>>,
    ask_first: Option<Lease>,
    registry: Registry,
    pools: Vec<Arc<dyn PoolSource>>,
    verifier: Option<BoxVerifier>,
    provisioner: Option<Arc<dyn DynProvisioner>>,
    journals: Vec<Box<dyn Journal>>,
    shards: u32,
    agents: Option<D::Agents>,
    io: Option<Arc<D::Thread>>,
    driver: PhantomData<D>,
}

impl<D: Driver> Server<D> {
    /// Returns a builder with the default configuration and no agents.
    pub fn builder() -> ServerBuilder<D> {
        ServerBuilder {
            config: Config::default(),
            policy: None,
            ask_first: None,
            registry: Registry::default(),
            pools: Vec::new(),
            verifier: None,
            provisioner: None,
            journals: Vec::new(),
            shards: 1,
            agents: None,
            io: None,
            driver: PhantomData,
        }
    }
}

impl<D: Driver> ServerBuilder<D> {
    /// Sets all limits, intervals and names. The policy, the provisioner and the journal are set by methods of their own,
    /// whatever the configuration says about them.
    pub fn config(mut self, config: Config) -> ServerBuilder<D> {
        self.config = config;
        self
    }

    /// Sets who finds the principals of clients: [`StaticTokens`](crate::auth::StaticTokens), or another [`Verifier`].
    pub fn verifier(mut self, verifier: impl Verifier) -> ServerBuilder<D> {
        self.verifier = Some(verifier.boxed());
        self
    }

    /// Sets which principals may list and watch whose jobs. Default: the policy of the configuration, which is
    /// [`SamePrincipal`](crate::arcp::SamePrincipal) by default.
    pub fn policy(mut self, policy: impl Policy + 'static) -> ServerBuilder<D> {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets the operations that people have to approve before an agent does them, as the patterns of a lease. What they
    /// match is asked as a question of the job, and those who may answer its questions decide, within
    /// `Config::approval_timeout`. Agents wait for them with [`JobContext::approve`]. Default: those of the configuration,
    /// which are none by default.
    ///
    /// ```
    /// use nuncio_smol::arcp::{Failure, JobContext, LeaseRequest, Namespace, Server};
    /// use nuncio_smol::auth::StaticTokens;
    ///
    /// async fn pay(invoice: String, ctx: JobContext) -> Result<(), Failure> {
    ///     ctx.approve("tool.call", "payments.send").await?;
    ///     Ok(())
    /// }
    ///
    /// let server = Server::builder()
    ///     .verifier(StaticTokens::new().with("secret", "me@example.com"))
    ///     .agent("pay", pay)
    ///     .ask_first(LeaseRequest::new().allow(Namespace::ToolCall, "payments.*").build()?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ask_first(mut self, operations: Lease) -> ServerBuilder<D> {
        self.ask_first = Some(operations);
        self
    }

    /// Sets who issues credentials for jobs (§9.8). Without a provisioner the feature is not offered, and credentials that
    /// a journal still has to revoke stay in it.
    pub fn provisioner(mut self, provisioner: impl Provisioner) -> ServerBuilder<D> {
        self.provisioner = Some(Arc::new(provisioner));
        self
    }

    /// Sets the journal, which makes sessions, jobs and events outlive the process. A frame is sent once the records that
    /// it depends on are committed. Default: none.
    ///
    /// [`build`](ServerBuilder::build) restores the server from the journal: sessions wait for their clients, jobs that
    /// were waiting for a slot go on waiting, and jobs that were running end with `INTERNAL_ERROR` or are run again, as
    /// [`on_restart`](ServerBuilder::on_restart) says. Credentials of jobs are revoked. While the journal cannot be written, the
    /// server refuses new work and serves everything else.
    pub fn journal(self, journal: impl Journal) -> ServerBuilder<D> {
        self.journals([journal])
    }

    /// Sets the journals of a server with several [`shards`](ServerBuilder::shards), one for each, in their order. Each says
    /// which shard of how many it is of, so that [`build`](ServerBuilder::build) refuses them in another order, in another number,
    /// and if one is new and others are not.
    pub fn journals<J: Journal>(mut self, journals: impl IntoIterator<Item = J>) -> ServerBuilder<D> {
        self.journals = journals.into_iter().map(|journal| Box::new(journal) as Box<dyn Journal>).collect();
        self
    }

    /// Sets how many shards the server has, to use as many processor cores. Default: 1.
    ///
    /// Each shard has a machine, a thread of connections and a [journal](ServerBuilder::journals) of its own, and the sessions
    /// and jobs of some of the principals: [`shard_of`](nuncio_core::arcp::shard_of) says of which. A connection begins in the
    /// first shard, and moves to that of its principal before the welcome. What [`Limits`](crate::arcp::Limits) allow all sessions
    /// together is divided among the shards; [`max_concurrent`](ServerBuilder::max_concurrent) holds for all of them together.
    ///
    /// Principals that may see the jobs of others, such as operators, see those of all shards: their requests are answered by the
    /// shards that have the jobs, and events cross from one shard to another. After a restart such a subscription ends with a
    /// `status {phase: "subscription_dropped"}`.
    ///
    /// ```
    /// use nuncio_smol::arcp::journal::MemoryJournal;
    /// use nuncio_smol::arcp::Server;
    /// use nuncio_smol::auth::StaticTokens;
    ///
    /// let tokens = StaticTokens::new().with("a", "alice@example.com").with("b", "bob@example.com");
    /// let journals = [MemoryJournal::new(), MemoryJournal::new()];
    /// let server = Server::builder().verifier(tokens).shards(2).journals(journals).build()?;
    /// # Ok::<(), nuncio_smol::arcp::BuildError>(())
    /// ```
    pub fn shards(mut self, shards: u32) -> ServerBuilder<D> {
        self.shards = shards;
        self
    }

    /// Adds an agent as `name` or `name@version`. It replaces an agent of the same name and version.
    ///
    /// Serde reads the input, with `null` in place of a missing one, and writes the output. An agent that takes any input
    /// takes a `serde_json::Value`. A panic ends the job with `INTERNAL_ERROR`; its text is not sent.
    pub fn agent<F, I, O, R>(self, name: &str, agent: F) -> ServerBuilder<D>
    where
        F: Fn(I, JobContext) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: IntoOutput + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.agent_type(name, Function::new(agent, false))
    }

    /// Adds an agent like [`agent`](ServerBuilder::agent) that never blocks its thread: [`Agent::nonblocking`] says what that
    /// means. Its jobs run on the thread of connections.
    ///
    /// ```
    /// use nuncio_smol::arcp::{JobContext, Server};
    /// use nuncio_smol::auth::StaticTokens;
    ///
    /// let server = Server::builder()
    ///     .verifier(StaticTokens::new().with("secret", "me@example.com"))
    ///     .nonblocking_agent("double", |number: u64, _: JobContext| async move { Ok(2 * number) })
    ///     .build()?;
    /// # Ok::<(), nuncio_smol::arcp::BuildError>(())
    /// ```
    pub fn nonblocking_agent<F, I, O, R>(self, name: &str, agent: F) -> ServerBuilder<D>
    where
        F: Fn(I, JobContext) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: IntoOutput + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.agent_type(name, Function::new(agent, true))
    }

    /// Adds an agent that is not a function.
    pub fn agent_type(mut self, name: &str, agent: impl Agent) -> ServerBuilder<D> {
        self.registry.add(name, agent);
        self
    }

    /// Sets the version that the bare name of an agent stands for. Default: the version that was added last.
    pub fn default_version(mut self, name: &str, version: &str) -> ServerBuilder<D> {
        self.registry.set_default(name, version);
        self
    }

    /// Sets how many jobs of an agent, over all its versions, run at once. Further jobs wait as `pending`.
    pub fn max_concurrent(mut self, name: &str, jobs: u32) -> ServerBuilder<D> {
        self.registry.set_concurrency(name, jobs);
        self
    }

    /// Sets what becomes of an agent's running jobs, over all its versions, when the server is restarted from its
    /// [`journal`](ServerBuilder::journal). Default: [`OnRestart::Fail`].
    ///
    /// With [`OnRestart::Rerun`] the agent is run again in the same job, with the same input; its deadline, lease and budget
    /// go on, and [`JobContext::restarts`] tells it that it was interrupted. A job ends all the same if a part of its result
    /// was streamed, if it had credentials, or if it was delegated.
    ///
    /// ```
    /// use nuncio_smol::arcp::journal::MemoryJournal;
    /// use nuncio_smol::arcp::{JobContext, OnRestart, Server};
    /// use nuncio_smol::auth::StaticTokens;
    ///
    /// let server = Server::builder()
    ///     .verifier(StaticTokens::new().with("secret", "me@example.com"))
    ///     .agent("report", |_: (), ctx: JobContext| async move { Ok(format!("run {}", ctx.restarts() + 1)) })
    ///     .on_restart("report", OnRestart::Rerun)
    ///     .journal(MemoryJournal::new())
    ///     .build()?;
    /// # Ok::<(), nuncio_smol::arcp::BuildError>(())
    /// ```
    pub fn on_restart(mut self, name: &str, then: OnRestart) -> ServerBuilder<D> {
        self.registry.set_on_restart(name, then);
        self
    }

    /// Adds a pool that operators are told of, unless it was added before.
    #[cfg(feature = "cap")]
    pub(crate) fn pool(mut self, pool: Arc<dyn PoolSource>) -> ServerBuilder<D> {
        if !self.pools.iter().any(|known| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(&pool))) {
            self.pools.push(pool);
        }
        self
    }

    /// Sets the executor of agents. Default: on tokio the runtime that `build` is called on, on smol the global executor.
    pub fn agent_runtime(mut self, runtime: D::Agents) -> ServerBuilder<D> {
        self.agents = Some(runtime);
        self
    }

    /// Sets the thread that carries connections and timers, those of the first shard if there are several. Default: one of the
    /// server's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> ServerBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Restores the server from its journal, if it has one, and starts it. It has no connections yet.
    pub fn build(self) -> Result<Server<D>, BuildError> {
        let verifier = self.verifier.ok_or(BuildError::NoVerifier)?;
        if let Some(fault) = self.registry.fault() {
            return Err(BuildError::Agent(fault));
        }
        let shards = self.shards.max(1);
        check_journals(self.journals.len(), shards)?;
        let spawn = D::agents(self.agents).ok_or(BuildError::NoRuntime)?;
        let thread = match self.io {
            Some(thread) => thread,
            None => D::thread("nuncio-io").map_err(BuildError::System)?,
        };
        let hooks = D::thread("nuncio-hooks").map_err(BuildError::System)?;
        let mut config = self.config;
        config.provisioner = self.provisioner.is_some();
        config.shards = shards;
        let sockets = descriptors::for_sockets();
        if config.limits.connections > sockets {
            warn!(
                wanted = config.limits.connections,
                connections = sockets,
                "the process may open too few files for as many connections; raise its limit of file descriptors"
            );
            config.limits.connections = sockets;
        }
        if let Some(policy) = self.policy {
            config.policy = policy;
        }
        if let Some(operations) = self.ask_first {
            config.ask_first = operations;
        }
        let specs: Vec<AgentSpec> = self.registry.specs().collect();
        let common = Arc::new(Shards::new(Slots::of(&specs)));
        let post = Post::new(shards);
        let life = Arc::new(Life::new());
        let agents = Arc::new(Runner::new(self.registry, spawn));
        let pools: Arc<[Arc<dyn PoolSource>]> = self.pools.into();
        let mut journals = self.journals;
        let started = start(&config, &specs, &mut journals)?;
        let mut journals = journals.into_iter();
        let mut hubs = Vec::new();
        for (shard, runtime) in (0..).zip(started.runtimes) {
            let io: Arc<dyn Io> = match shard {
                0 => thread.clone(),
                _ => D::thread(&format!("nuncio-io-{shard}")).map_err(BuildError::System)?,
            };
            let journal = journals.next();
            let (orders, received) = Orders::new();
            let parts = Parts {
                verifier: verifier.clone(),
                provisioner: self.provisioner.clone(),
                agents: Arc::<Runner>::clone(&agents),
                pools: Arc::clone(&pools),
                journal: journal.is_some().then(|| Arc::clone(&orders)),
                io,
                hooks: Arc::<D::Thread>::clone(&hooks),
            };
            let place = Place {
                shard,
                siblings: Arc::<Shards>::clone(&common),
                post: Arc::clone(&post),
                life: Arc::clone(&life),
            };
            let (runtime, restored) = runtime;
            let durable = restored.map_or(0, |restored| restored.last_store);
            let hub = Arc::new(Hub::new(started.clock, runtime, durable, parts, place));
            if let Some(journal) = journal {
                let hub = Arc::clone(&hub);
                let thread = std::thread::Builder::new().name("nuncio-journal".to_owned());
                thread.spawn(move || worker::run(&hub, &orders, &received, journal)).map_err(BuildError::System)?;
            }
            hubs.push(hub);
        }
        common.set(&hubs);
        Ok(Server::begin(hubs, config, started.restored, thread))
    }
}

/// The machines of the shards, with what each was restored from if there are journals.
struct Started {
    clock: Clock,
    runtimes: Vec<(Runtime, Option<Restored>)>,
    /// What all of them were restored from.
    restored: Option<Restored>,
}

/// Makes the machines, from their journals if there are some.
fn start(config: &Config, agents: &[AgentSpec], journals: &mut [Box<dyn Journal>]) -> Result<Started, BuildError> {
    let mut clock = Clock::start();
    let mut config = config.clone();
    config.limits = config.limits.divided(config.shards);
    let mut started = Vec::new();
    if journals.is_empty() {
        if config.provisioner {
            warn!("without a journal, credentials of jobs are not revoked after a crash of this process");
        }
        config.journal = Journaling::Off;
        for _ in 0..config.shards {
            let seed = random::seed().map_err(BuildError::System)?;
            let mut runtime = Runtime::new(config.clone(), seed, clock.now());
            for agent in agents {
                runtime.register(agent.clone()).map_err(|refused| not_valid(&refused))?;
            }
            started.push((runtime, None));
        }
        return Ok(Started { clock, runtimes: started, restored: None });
    }
    config.journal = Journaling::Readable;
    journal::check_set(journals)?;
    let mut all = None::<Restored>;
    for (number, journal) in (0..).zip(journals) {
        let shard = Shard { number, of: config.shards };
        journal.assign(shard)?;
        let seed = random::seed().map_err(BuildError::System)?;
        let (runtime, restored) = journal::restore(config.clone(), agents.to_vec(), seed, clock.now(), &mut **journal)?
            .map_err(|refused| not_valid(&refused))?;
        debug!(shard = shard.number, ?restored, "restored from the journal");
        all = Some(all.map_or(restored, |others| others.and(restored)));
        started.push((runtime, Some(restored)));
    }
    if let Some(restored) = all {
        let begun = clock.now();
        if restored.now.since(begun) > 1_000_000 {
            let (latest, wall) = (restored.now.to_rfc3339(), begun.to_rfc3339());
            warn!(latest, wall, "the wall clock shows an earlier time than the journal; was it set back?");
        }
        clock = clock.no_earlier(restored.now);
    }
    Ok(Started { clock, runtimes: started, restored: all })
}

/// Checks that every shard has a journal, or none.
fn check_journals(journals: usize, shards: u32) -> Result<(), BuildError> {
    if journals == 0 || u32::try_from(journals) == Ok(shards) {
        return Ok(());
    }
    Err(BuildError::Journals { journals, shards })
}

fn not_valid(refused: &Refused) -> BuildError {
    BuildError::Agent(refused.to_string())
}

impl<D: Driver> std::fmt::Debug for ServerBuilder<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
