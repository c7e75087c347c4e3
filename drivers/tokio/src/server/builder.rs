use std::sync::Arc;

use nuncio_core::arcp::{Config, Policy};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::{Inner, Server, begin, seed};
use crate::agent::{Agent, Failure, Function, IntoOutput, Registry};
use crate::auth::Verifier;
use crate::context::JobContext;
use crate::error::BuildError;
use crate::provision::Provisioner;
use crate::shared::{Hub, Parts};
use crate::thread::IoThread;

/// Makes a [`Server`].
pub struct ServerBuilder {
    config: Config,
    registry: Registry,
    verifier: Option<Arc<dyn Verifier>>,
    provisioner: Option<Arc<dyn Provisioner>>,
    agents: Option<Handle>,
    io: Option<Arc<IoThread>>,
}

impl ServerBuilder {
    pub(super) fn new() -> ServerBuilder {
        ServerBuilder {
            config: Config::default(),
            registry: Registry::default(),
            verifier: None,
            provisioner: None,
            agents: None,
            io: None,
        }
    }

    /// All limits, intervals and names. Called first, for later calls change parts of it.
    pub fn config(mut self, config: Config) -> ServerBuilder {
        self.config = config;
        self
    }

    /// Whose tokens are valid: [`StaticTokens`](crate::StaticTokens), or a verifier of one's own. Without, nothing can
    /// be built.
    pub fn verifier(mut self, verifier: impl Verifier) -> ServerBuilder {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Who may list and watch whose jobs. Default: the same principal.
    pub fn policy(mut self, policy: impl Policy + 'static) -> ServerBuilder {
        self.config.policy = Arc::new(policy);
        self
    }

    /// Who mints credentials for jobs (§9.8). Without, the feature is not offered.
    pub fn provisioner(mut self, provisioner: impl Provisioner) -> ServerBuilder {
        self.config.provisioner = true;
        self.provisioner = Some(Arc::new(provisioner));
        self
    }

    /// Puts an agent on offer, as `name` or as one version, `name@version`. A name offered before is replaced.
    ///
    /// The input is read by serde (an absent one as `null`), and so is what the agent returns written; a
    /// [`Json`](crate::Json) or `serde_json::Value` takes whatever comes. A panic ends the job with `INTERNAL_ERROR`
    /// and does not show its text.
    pub fn agent<F, I, O, R>(self, name: &str, agent: F) -> ServerBuilder
    where
        F: Fn(I, JobContext) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: IntoOutput + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.agent_object(name, Arc::new(Function::new(agent)))
    }

    /// Puts an agent on offer that is no function.
    pub fn agent_object(mut self, name: &str, agent: Arc<dyn Agent>) -> ServerBuilder {
        self.registry.add(name, agent);
        self
    }

    /// What the bare name of an agent resolves to. Default: the version added last.
    pub fn default_version(mut self, name: &str, version: &str) -> ServerBuilder {
        self.registry.set_default(name, version);
        self
    }

    /// How many jobs of an agent, over all versions, may run at once; further ones wait as `pending`.
    pub fn max_concurrent(mut self, name: &str, jobs: u32) -> ServerBuilder {
        self.registry.set_concurrency(name, jobs);
        self
    }

    /// Where agents run. Default: the runtime [`build`](ServerBuilder::build) is called on.
    pub fn agent_runtime(mut self, runtime: Handle) -> ServerBuilder {
        self.agents = Some(runtime);
        self
    }

    /// The thread that carries connections and timers. Default: one of the server's own.
    pub fn io_thread(mut self, thread: Arc<IoThread>) -> ServerBuilder {
        self.io = Some(thread);
        self
    }

    /// Starts the server. It has no connections yet.
    pub fn build(self) -> Result<Server, BuildError> {
        let verifier = self.verifier.ok_or(BuildError::NoVerifier)?;
        if let Some(fault) = self.registry.fault() {
            return Err(BuildError::Agent(fault));
        }
        let agents = match self.agents {
            Some(runtime) => runtime,
            None => Handle::try_current().map_err(|_| BuildError::NoRuntime)?,
        };
        let io = match self.io {
            Some(thread) => thread,
            None => IoThread::start("nuncio-io").map_err(BuildError::System)?,
        };
        let hooks = IoThread::start("nuncio-hooks").map_err(BuildError::System)?;
        let parts = Parts {
            config: self.config,
            seed: seed().map_err(BuildError::System)?,
            registry: self.registry,
            verifier,
            provisioner: self.provisioner,
            agents,
            hooks,
        };
        let hub = Arc::new(Hub::new(parts).map_err(|refused| BuildError::Agent(refused.to_string()))?);
        begin(&hub, &io);
        Ok(Server { inner: Arc::new(Inner { hub, io }) })
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
