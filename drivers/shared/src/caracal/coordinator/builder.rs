//! Making a coordinator.

use std::fmt;
use std::io;
use std::sync::Arc;

use nuncio_core::caracal::{
    ApplicationId, CoordinatorConfig, CoordinatorEvent, Enforcement, Generation, InvalidId, Registration, Resource,
    Secret, TokenService, TokenServiceConfig, ZoneConfig, ZoneId,
};
use tracing::warn;

use super::Coordinator;
use super::hub::{Hub, OnEvent};
use super::key::{self, SigningKey};
use super::records::{Records, RecordsError, Store};
use super::timer;
use crate::io::clock::Clock;
use crate::io::writer::Writer;
use crate::io::{Driver, Io, random};

/// A change of the machine's settings.
type Change = Box<dyn FnOnce(&mut CoordinatorConfig) + Send>;

/// Why a coordinator cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinatorBuildError {
    /// The id of the zone or of an application cannot be used.
    #[error("the id {id:?} cannot be used: {error}")]
    Id {
        /// The id.
        id: String,
        /// What is wrong with it.
        error: InvalidId,
    },
    /// An application has no secret.
    #[error("the application {0} has no secret; give it one of at least one character")]
    NoSecret(ApplicationId),
    /// An application is there twice.
    #[error("the application {0} is there twice")]
    Twice(ApplicationId),
    /// Scopes are granted to an application that is not there.
    #[error("scopes are granted to {0:?}, which is not an application of this coordinator")]
    Unknown(String),
    /// It cannot go on from its records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The key in the records cannot be used.
    #[error("the key that signs tokens is damaged; the records are not those of a coordinator")]
    Key,
    /// The operating system refused a thread or random numbers.
    #[error("the operating system refused a resource: {0}")]
    System(#[from] io::Error),
}

/// Makes a [`Coordinator`], on the driver `D`.
#[must_use = "a builder does nothing until `start` is called"]
pub struct CoordinatorBuilder<D: Driver> {
    zone: String,
    issuer: String,
    generation: Generation,
    enforcement: Enforcement,
    applications: Vec<(String, Secret)>,
    grants: Vec<(String, String)>,
    resources: Option<Vec<Resource>>,
    records: Option<Box<dyn Records>>,
    on_event: Option<OnEvent>,
    changes: Vec<Change>,
    io: Option<Arc<D::Thread>>,
}

impl<D: Driver> Coordinator<D> {
    /// Returns a builder of a coordinator.
    pub fn builder() -> CoordinatorBuilder<D> {
        CoordinatorBuilder {
            zone: "default".to_owned(),
            issuer: "nuncio".to_owned(),
            generation: Generation::May,
            enforcement: Enforcement::Strict,
            applications: Vec::new(),
            grants: Vec::new(),
            resources: None,
            records: None,
            on_event: None,
            changes: Vec::new(),
            io: None,
        }
    }
}

impl<D: Driver> CoordinatorBuilder<D> {
    /// Sets the id of the zone. Default: `default`.
    pub fn zone(mut self, id: impl Into<String>) -> CoordinatorBuilder<D> {
        self.zone = id.into();
        self
    }

    /// Sets the issuer and the audience of tokens (`iss`, `aud`), which is the URL of the token service where others verify
    /// its tokens. Tokens of another issuer are not valid, so it should outlive a restart. Default: `nuncio`.
    pub fn issuer(mut self, url: impl Into<String>) -> CoordinatorBuilder<D> {
        self.issuer = url.into();
        self
    }

    /// Sets the generation of clients that it serves. Default: [`Generation::May`], that of the SDK 0.1.1.
    pub fn generation(mut self, generation: Generation) -> CoordinatorBuilder<D> {
        self.generation = generation;
        self
    }

    /// Sets what it enforces. Default: [`Enforcement::Strict`].
    pub fn enforcement(mut self, enforcement: Enforcement) -> CoordinatorBuilder<D> {
        self.enforcement = enforcement;
        self
    }

    /// Adds an application with its client secret.
    pub fn application(mut self, id: impl Into<String>, secret: Secret) -> CoordinatorBuilder<D> {
        self.applications.push((id.into(), secret));
        self
    }

    /// Lets the tokens of an application have a further scope, such as `coordinator.delegate_to:app-b`,
    /// `coordinator.admin`, or one of a resource.
    pub fn grant(mut self, application: impl Into<String>, scope: impl Into<String>) -> CoordinatorBuilder<D> {
        self.grants.push((application.into(), scope.into()));
        self
    }

    /// Sets the resources that edges and mandates can name. Default: every resource exists and has every scope.
    pub fn resources(mut self, resources: Vec<Resource>) -> CoordinatorBuilder<D> {
        self.resources = Some(resources);
        self
    }

    /// Sets where records are kept, so that sessions and edges outlive the coordinator. Default: nowhere.
    pub fn records(mut self, records: impl Records) -> CoordinatorBuilder<D> {
        self.records = Some(Box::new(records));
        self
    }

    /// Sets a function that is told of every event, once it is durable. It must not block.
    pub fn on_event(mut self, told: impl Fn(&CoordinatorEvent) + Send + Sync + 'static) -> CoordinatorBuilder<D> {
        self.on_event = Some(Box::new(told));
        self
    }

    /// Changes any setting of the machine, such as its limits. Zones and the journal are set by
    /// [`start`](CoordinatorBuilder::start).
    pub fn configure(mut self, change: impl FnOnce(&mut CoordinatorConfig) + Send + 'static) -> CoordinatorBuilder<D> {
        self.changes.push(Box::new(change));
        self
    }

    /// Sets a thread to share with others. Default: one of the coordinator's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> CoordinatorBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Reads the records, if there are some, and starts the coordinator.
    pub fn start(mut self) -> Result<Coordinator<D>, CoordinatorBuildError> {
        let zone = id(&self.zone, ZoneId::new)?;
        let applications = self.registrations(&zone)?;
        let mut config = CoordinatorConfig::default();
        for change in self.changes {
            change(&mut config);
        }
        (config.generation, config.enforcement) = (self.generation, self.enforcement);
        config.journal = self.records.is_some();
        config.zones = vec![ZoneConfig {
            id: zone,
            applications: applications.iter().map(|registration| registration.application.clone()).collect(),
            resources: self.resources.clone(),
        }];
        let (clock, new_key) = (Clock::start(), key::generate()?);
        let mut store = self.records.map(Store::new);
        let key = match &mut store {
            Some(store) => store.records().signing_key(new_key)?,
            None => new_key,
        };
        let key = SigningKey::read(&key).map_err(|_| CoordinatorBuildError::Key)?;
        let mut tokens = TokenServiceConfig::new(&self.issuer, key.id());
        (tokens.generation, tokens.applications) = (self.generation, applications);
        tokens.resources = self.resources;
        let tokens = TokenService::new(tokens, random::seed()?);
        let seed = random::seed()?;
        let (machine, clock, stored, writer, queue) = match store {
            Some(mut store) => {
                let records = store.load()?;
                let (machine, restored) =
                    nuncio_core::caracal::Coordinator::restore(config, seed, clock.now(), records);
                if restored.ignored > 0 {
                    warn!(
                        records = restored.ignored,
                        "records of other zones or applications, or beyond limits, are ignored"
                    );
                }
                let (writer, queue) = Writer::new(store);
                (machine, clock.from(restored.now), restored.last_store, Some(writer), Some(queue))
            }
            None => (nuncio_core::caracal::Coordinator::new(config, seed, clock.now()), clock, 0, None, None),
        };
        let io: Arc<dyn Io> = match self.io {
            Some(thread) => thread,
            None => D::thread("nuncio-coordinator")?,
        };
        let hub = Hub::new(machine, queue, stored, (tokens, key), (clock, io), self.on_event);
        let ended = writer.as_ref().map(|writer| writer.ended.clone());
        if let Some(writer) = writer {
            let told = Arc::downgrade(&hub);
            writer.start(move |upto| {
                let Some(hub) = told.upgrade() else { return false };
                hub.stored(upto);
                !hub.is_stopped()
            })?;
        }
        // What was over while no coordinator ran has outputs.
        hub.expire();
        timer::start(&hub);
        Ok(Coordinator::new(hub, ended))
    }

    fn registrations(&mut self, zone: &ZoneId) -> Result<Vec<Registration>, CoordinatorBuildError> {
        let mut all: Vec<Registration> = Vec::new();
        for (name, secret) in std::mem::take(&mut self.applications) {
            let application = id(&name, ApplicationId::new)?;
            if secret.expose().is_empty() {
                return Err(CoordinatorBuildError::NoSecret(application));
            }
            if all.iter().any(|held| held.application == application) {
                return Err(CoordinatorBuildError::Twice(application));
            }
            all.push(Registration { zone: zone.clone(), application, secret, scopes: Vec::new() });
        }
        for (name, scope) in std::mem::take(&mut self.grants) {
            let held = all.iter_mut().find(|held| held.application.as_str() == name);
            held.ok_or(CoordinatorBuildError::Unknown(name))?.scopes.push(scope.into());
        }
        Ok(all)
    }
}

fn id<T>(text: &str, new: impl FnOnce(&str) -> Result<T, InvalidId>) -> Result<T, CoordinatorBuildError> {
    new(text).map_err(|error| CoordinatorBuildError::Id { id: text.to_owned(), error })
}

impl<D: Driver> fmt::Debug for CoordinatorBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorBuilder").field("zone", &self.zone).finish_non_exhaustive()
    }
}
