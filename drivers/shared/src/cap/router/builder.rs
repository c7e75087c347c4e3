//! Making a router.

use std::fmt;
use std::sync::Arc;

use nuncio_core::cap::{Dispatch, Keyring, Policy, RouterConfig, RouterEvent, Signer, Verifier};

use super::Router;
use super::policy::JobPolicy;
use super::records::{Records, RecordsError};
use super::role::{OnEvent, RouterRole};
use super::sessions::Sessions;
use super::state::RouterState;
use crate::cap::bus::Bus;
use crate::cap::node::hub::Hub;
use crate::cap::node::identity::{BuildError, Identity};
use crate::cap::node::{link, owner::Owner};
use crate::io::clock::Clock;
use crate::io::writer::Writer;
use crate::io::{Driver, Io, random};

/// A change of the machine's settings.
type Change = Box<dyn FnOnce(&mut RouterConfig) + Send>;

/// Why a router cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouterBuildError {
    /// It cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It cannot go on from its records.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<std::io::Error> for RouterBuildError {
    fn from(error: std::io::Error) -> RouterBuildError {
        RouterBuildError::Build(error.into())
    }
}

/// Makes a router, on the driver `D`.
#[must_use = "a builder does nothing until `start` is called"]
pub struct RouterBuilder<D: Driver> {
    identity: Identity,
    policy: Option<Arc<dyn JobPolicy>>,
    records: Option<Box<dyn Records>>,
    sessions: Option<Sessions>,
    on_event: Option<OnEvent>,
    changes: Vec<Change>,
    io: Option<Arc<D::Thread>>,
}

impl<D: Driver> Router<D> {
    /// Returns a builder of a router.
    pub fn builder() -> RouterBuilder<D> {
        let identity = Identity::new();
        RouterBuilder {
            identity,
            policy: None,
            records: None,
            sessions: None,
            on_event: None,
            changes: Vec::new(),
            io: None,
        }
    }
}

impl<D: Driver> RouterBuilder<D> {
    /// Sets the id, which is the sender of the router's packets. Default: a random one.
    pub fn id(mut self, id: impl Into<String>) -> RouterBuilder<D> {
        self.identity.id = Some(id.into());
        self
    }

    /// Sets the key that packets are signed with. Default: none, and packets are sent unsigned.
    pub fn signer(mut self, signer: impl Signer + 'static) -> RouterBuilder<D> {
        self.identity.signer = Some(Arc::new(signer));
        self
    }

    /// Sets the keys of those whose packets are accepted, by the id of the sender. Default: none, and packets are accepted
    /// from everyone who reaches the bus, signed or not.
    pub fn keys(mut self, keys: Keyring) -> RouterBuilder<D> {
        self.identity.keys = Some(keys);
        self
    }

    /// Sets what verifies signatures. Default: `ring`.
    pub fn verifier(mut self, verifier: impl Verifier + 'static) -> RouterBuilder<D> {
        self.identity.verifier = Arc::new(verifier);
        self
    }

    /// Sets how jobs get to workers. Default: by the queue groups of their topics.
    pub fn dispatch(self, dispatch: Dispatch) -> RouterBuilder<D> {
        self.configure(move |config| config.dispatch = dispatch)
    }

    /// Sets what decides whether jobs may run. It runs on a thread of its own. Default: all jobs may run.
    pub fn policy(mut self, policy: impl JobPolicy) -> RouterBuilder<D> {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets where accepted jobs are kept, so that they outlive the router. Default: nowhere.
    pub fn records(mut self, records: impl Records) -> RouterBuilder<D> {
        self.records = Some(Box::new(records));
        self
    }

    /// Gives trust sessions to workers, for which the router needs a [`signer`](RouterBuilder::signer). Default: none, and no
    /// worker needs one.
    pub fn sessions(mut self, sessions: Sessions) -> RouterBuilder<D> {
        self.sessions = Some(sessions);
        self
    }

    /// Sets a function that is told of every event, with the id of the job if it concerns one. It must not block.
    pub fn on_event(mut self, told: impl Fn(&RouterEvent, Option<&str>) + Send + Sync + 'static) -> RouterBuilder<D> {
        self.on_event = Some(Box::new(told));
        self
    }

    /// Changes any setting of the machine. Signer, policy, records and sessions are set by [`start`](RouterBuilder::start).
    pub fn configure(mut self, change: impl FnOnce(&mut RouterConfig) + Send + 'static) -> RouterBuilder<D> {
        self.changes.push(Box::new(change));
        self
    }

    /// Sets a thread to share with other routers and workers. Default: that of the bus if it has one, and else one of the
    /// router's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> RouterBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Reads the records, if there are some, and starts the router on a bus, which need not be connected yet.
    pub fn start(mut self, bus: impl Bus) -> Result<Router<D>, RouterBuildError> {
        let id = self.identity.id("router")?;
        let reading = self.identity.reading(&id);
        let mut config = RouterConfig::new(id.clone(), reading, self.identity.verifier);
        for change in self.changes {
            change(&mut config);
        }
        config.signer = self.identity.signer;
        config.policy = if self.policy.is_some() { Policy::Ask } else { Policy::AllowAll };
        config.records = self.records.is_some();
        let (clock, seed) = (Clock::start(), random::seed()?);
        if let Some(sessions) = self.sessions {
            config.trust = sessions.trust(&id, config.signer.as_ref(), &config.verifier, clock.now())?;
        }
        let (machine, writer, queue) = match self.records {
            Some(mut records) => {
                let restored = nuncio_core::cap::Router::restore(config, seed, clock.now(), records.load()?);
                let (writer, queue) = Writer::new(records);
                (restored.map_err(RecordsError::from)?, Some(writer), Some(queue))
            }
            None => (nuncio_core::cap::Router::new(config, seed, clock.now()), None, None),
        };
        let policy = match self.policy {
            Some(policy) => Some((policy, D::thread("nuncio-hooks")? as Arc<dyn Io>)),
            None => None,
        };
        let thread = link::thread::<D>(self.io, &bus, "nuncio-router")?;
        let role = RouterRole { id: id.to_string(), policy, on_event: self.on_event };
        let hub = Hub::new(role, RouterState::new(machine, queue), clock, Arc::new(bus), thread);
        let ended = writer.as_ref().map(|writer| writer.ended.clone());
        if let Some(writer) = writer {
            let told = Arc::downgrade(&hub);
            writer.start(move |upto| {
                let Some(hub) = told.upgrade() else { return false };
                hub.run(|state, now| state.machine.handle_stored(now, upto));
                !hub.is_stopped()
            })?;
        }
        // What was restored may have outputs.
        hub.run(|_, _| {});
        link::start(&hub);
        Ok(Router::new(Owner { hub }, ended))
    }
}

impl<D: Driver> fmt::Debug for RouterBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterBuilder").field("id", &self.identity.id).finish_non_exhaustive()
    }
}
