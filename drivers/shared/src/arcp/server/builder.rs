use std::marker::PhantomData;
use std::sync::Arc;

use nuncio_core::arcp::{Config, Policy, Runtime};
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::arcp::agent::registry::Registry;
use crate::arcp::agent::run::Runner;
use crate::arcp::agent::{Agent, Failure, Function, IntoOutput, JobContext};
use crate::arcp::error::BuildError;
use crate::arcp::journal::{self, Journal, Orders, worker};
use crate::arcp::server::Server;
use crate::arcp::server::hub::{Hub, Parts};
use crate::arcp::server::provision::Provisioner;
use crate::auth::Verifier;
use crate::io::clock::Clock;
use crate::io::{Driver, random};

/// Makes a server, on the driver `D`.
pub struct ServerBuilder<D: Driver> {
    config: Config,
    registry: Registry,
    verifier: Option<Arc<dyn Verifier>>,
    provisioner: Option<Arc<dyn Provisioner>>,
    journal: Option<Box<dyn Journal>>,
    agents: Option<D::Agents>,
    io: Option<Arc<D::Thread>>,
    driver: PhantomData<D>,
}

impl<D: Driver> Server<D> {
    /// Returns a builder, which is given agents, a verifier and limits.
    pub fn builder() -> ServerBuilder<D> {
        ServerBuilder::new()
    }
}

impl<D: Driver> ServerBuilder<D> {
    pub(crate) fn new() -> ServerBuilder<D> {
        ServerBuilder {
            config: Config::default(),
            registry: Registry::default(),
            verifier: None,
            provisioner: None,
            journal: None,
            agents: None,
            io: None,
            driver: PhantomData,
        }
    }

    /// All limits, intervals and names. Called first, for later calls change parts of it.
    pub fn config(mut self, config: Config) -> ServerBuilder<D> {
        self.config = config;
        self
    }

    /// Whose tokens are valid: [`StaticTokens`](crate::auth::StaticTokens), or a verifier of one's own. Without, nothing can
    /// be built.
    pub fn verifier(mut self, verifier: impl Verifier) -> ServerBuilder<D> {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Who may list and watch whose jobs. Default: the same principal.
    pub fn policy(mut self, policy: impl Policy + 'static) -> ServerBuilder<D> {
        self.config.policy = Arc::new(policy);
        self
    }

    /// Who mints credentials for jobs (§9.8). Without, the feature is not offered, and what a journal says is still to be
    /// revoked stays so.
    pub fn provisioner(mut self, provisioner: impl Provisioner) -> ServerBuilder<D> {
        self.config.provisioner = true;
        self.provisioner = Some(Arc::new(provisioner));
        self
    }

    /// What outlives the process: sessions, jobs and events are restored from it when the server is built, and every frame
    /// waits until what it tells is committed. Default: nothing does.
    ///
    /// Jobs that were running end with `INTERNAL_ERROR`; sessions wait for their clients; credentials that are still
    /// good are revoked. While the journal cannot be written the server takes no new work and serves what it can.
    /// [`build`](ServerBuilder::build) reads all of it before it returns.
    pub fn journal(mut self, journal: impl Journal) -> ServerBuilder<D> {
        self.journal = Some(Box::new(journal));
        self
    }

    /// Puts an agent on offer, as `name` or as one version, `name@version`. A name offered before is replaced.
    ///
    /// The input is read by serde (an absent one as `null`), and so is what the agent returns written; a
    /// [`Json`](crate::arcp::Json) or `serde_json::Value` takes whatever comes. A panic ends the job with `INTERNAL_ERROR`
    /// and does not show its text.
    pub fn agent<F, I, O, R>(self, name: &str, agent: F) -> ServerBuilder<D>
    where
        F: Fn(I, JobContext) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: IntoOutput + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.agent_object(name, Arc::new(Function::new(agent)))
    }

    /// Puts an agent on offer that is no function.
    pub fn agent_object(mut self, name: &str, agent: Arc<dyn Agent>) -> ServerBuilder<D> {
        self.registry.add(name, agent);
        self
    }

    /// What the bare name of an agent resolves to. Default: the version added last.
    pub fn default_version(mut self, name: &str, version: &str) -> ServerBuilder<D> {
        self.registry.set_default(name, version);
        self
    }

    /// How many jobs of an agent, over all versions, may run at once; further ones wait as `pending`.
    pub fn max_concurrent(mut self, name: &str, jobs: u32) -> ServerBuilder<D> {
        self.registry.set_concurrency(name, jobs);
        self
    }

    /// Where agents run. Default: the driver's choice, see its `Server`.
    pub fn agent_runtime(mut self, runtime: D::Agents) -> ServerBuilder<D> {
        self.agents = Some(runtime);
        self
    }

    /// The thread that carries connections and timers. Default: one of the server's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> ServerBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Starts the server. It has no connections yet.
    pub fn build(self) -> Result<Server<D>, BuildError> {
        let verifier = self.verifier.ok_or(BuildError::NoVerifier)?;
        if let Some(fault) = self.registry.fault() {
            return Err(BuildError::Agent(fault));
        }
        let agents = D::agents(self.agents).ok_or(BuildError::NoRuntime)?;
        let thread = match self.io {
            Some(thread) => thread,
            None => D::thread("nuncio-io").map_err(BuildError::System)?,
        };
        let hooks = D::thread("nuncio-hooks").map_err(BuildError::System)?;
        let seed = random::seed().map_err(BuildError::System)?;
        let mut clock = Clock::start();
        let (mut config, mut journal) = (self.config, self.journal);
        let (mut runtime, restored) = match &mut journal {
            Some(journal) => {
                config.journal = nuncio_core::arcp::Journaling::Readable;
                let (runtime, restored) = journal::restore(config, seed, clock.now(), &mut **journal)?;
                info!(?restored, "restored from the journal");
                clock = clock.no_earlier(restored.now);
                (runtime, Some(restored))
            }
            None => {
                if self.provisioner.is_some() {
                    warn!("credentials without a journal: those of a process that dies are not revoked by it");
                }
                config.journal = nuncio_core::arcp::Journaling::Off;
                (Runtime::new(config, seed, clock.now()), None)
            }
        };
        for spec in self.registry.specs() {
            runtime.register(spec).map_err(|refused| BuildError::Agent(refused.to_string()))?;
        }
        let (orders, received) = Orders::new();
        let parts = Parts {
            verifier,
            provisioner: self.provisioner,
            agents: Box::new(Runner::new(self.registry, agents)),
            journal: journal.is_some().then(|| Arc::clone(&orders)),
            io: thread.clone(),
            hooks,
        };
        let durable = restored.map_or(0, |restored| restored.last_store);
        let hub = Arc::new(Hub::new(clock, runtime, durable, parts));
        if let Some(journal) = journal {
            let hub = Arc::clone(&hub);
            let thread = std::thread::Builder::new().name("nuncio-journal".to_owned());
            thread.spawn(move || worker::run(&hub, &orders, &received, journal)).map_err(BuildError::System)?;
        }
        Ok(Server::begin(hub, restored, thread))
    }
}

impl<D: Driver> std::fmt::Debug for ServerBuilder<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
