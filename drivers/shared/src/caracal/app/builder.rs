//! Makes an application.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::caracal::{ApplicationId, ClientConfig, ClientLimits, Generation, Hop, Kind};
use nuncio_core::caracal::{ResourceBinding, Routes, Ttl, ZoneId};

use super::error::ConfigError;
use super::{Caracal, Owner, Settings};
#[cfg(feature = "tls")]
use crate::auth::ClientTls;
use crate::caracal::http::origin::{Endpoint, InvalidEndpoint};
use crate::caracal::http::{HttpClient, HttpConfig};
use crate::caracal::hub::{HubParts, tasks};
use crate::caracal::lifecycle::{Hooks, Lifecycle};
use crate::caracal::token::{TokenSource, Tokens};
use crate::io::clock::{Clock, wall};
use crate::io::{Driver, random};

/// Makes a [`Caracal`].
///
/// ```no_run
/// use nuncio_shared::caracal::{ApplicationId, BearerToken, Caracal, ResourceBinding, TokenSource, ZoneId};
/// use nuncio_smol::Smol;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (zone, application) = (ZoneId::new("my-zone")?, ApplicationId::new("my-app")?);
/// let caracal = Caracal::<Smol>::builder("http://coordinator:4000", zone, application)
///     .token(TokenSource::fixed(BearerToken::new("eyJ0")?))
///     .gateway("http://gateway:8081")
///     .resource(ResourceBinding { resource: "resource://inventory".into(), prefix: "http://inventory:8080".into() })
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct CaracalBuilder<D: Driver> {
    pub(super) coordinator: String,
    pub(super) token: Option<TokenSource>,
    pub(super) gateway: Option<String>,
    pub(super) resources: Vec<ResourceBinding>,
    pub(super) ttl: Option<Ttl>,
    /// Whether `http://` to other hosts is refused.
    pub(super) requires_tls: bool,
    config: ClientConfig,
    application: ApplicationId,
    kind: Kind,
    hop_limit: Hop,
    hooks: Hooks,
    thread: Option<Arc<D::Thread>>,
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    driver: PhantomData<fn(D)>,
}

impl<D: Driver> Caracal<D> {
    /// Returns an application with the settings of the environment variables `CARACAL_*`, which
    /// [`CaracalBuilder::from_env`] lists.
    pub fn from_env() -> Result<Caracal<D>, ConfigError> {
        CaracalBuilder::from_env()?.build()
    }

    /// Returns a builder for an application of a zone, whose coordinator has this base URL.
    pub fn builder(coordinator: &str, zone: ZoneId, application: ApplicationId) -> CaracalBuilder<D> {
        CaracalBuilder::new(coordinator, zone, application)
    }
}

impl<D: Driver> CaracalBuilder<D> {
    pub(super) fn new(coordinator: &str, zone: ZoneId, application: ApplicationId) -> CaracalBuilder<D> {
        CaracalBuilder {
            coordinator: coordinator.to_owned(),
            token: None,
            gateway: None,
            resources: Vec::new(),
            ttl: None,
            requires_tls: false,
            config: ClientConfig::new(zone),
            application,
            kind: Kind::default(),
            hop_limit: Hop::DEFAULT_LIMIT,
            hooks: Hooks::default(),
            thread: None,
            #[cfg(feature = "tls")]
            tls: None,
            driver: PhantomData,
        }
    }

    /// Sets where the application's tokens come from. It is required.
    pub fn token(mut self, source: TokenSource) -> CaracalBuilder<D> {
        self.token = Some(source);
        self
    }

    /// Sends calls of resources through the gateway with this base URL.
    pub fn gateway(mut self, url: &str) -> CaracalBuilder<D> {
        self.gateway = Some(url.to_owned());
        self
    }

    /// Adds a resource. Calls of other servers do not carry the context.
    pub fn resource(mut self, binding: ResourceBinding) -> CaracalBuilder<D> {
        self.resources.push(binding);
        self
    }

    /// Sets the kind of sessions that name none. Default: [`Kind::Instance`].
    pub fn default_kind(mut self, kind: Kind) -> CaracalBuilder<D> {
        self.kind = kind;
        self
    }

    /// Sets the lifetime of sessions that name none. Without it, the coordinator decides (an hour).
    pub fn default_ttl(mut self, ttl: Ttl) -> CaracalBuilder<D> {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the generation of the coordinator. Default: [`Generation::May`].
    pub fn generation(mut self, generation: Generation) -> CaracalBuilder<D> {
        self.config.generation = generation;
        self
    }

    /// Sets how many delegations may follow each other. Default: 10.
    pub fn hop_limit(mut self, limit: Hop) -> CaracalBuilder<D> {
        self.hop_limit = limit;
        self
    }

    /// Sets how long a request may stay unanswered. Default: 10 s.
    pub fn request_timeout(mut self, limit: Duration) -> CaracalBuilder<D> {
        self.config.request_timeout = limit;
        self
    }

    /// Sets how long a token may be waited for. Default: 5 s.
    pub fn token_timeout(mut self, limit: Duration) -> CaracalBuilder<D> {
        self.config.token_timeout = limit;
        self
    }

    /// Sets how long before its expiry a token is replaced. Default: 60 s, and half of its lifetime at most.
    pub fn token_margin(mut self, margin: Duration) -> CaracalBuilder<D> {
        self.config.token_margin = margin;
        self
    }

    /// Sets how often a call is tried again that the coordinator has failed to answer. Default: 2.
    pub fn retries(mut self, retries: u32) -> CaracalBuilder<D> {
        self.config.retries = retries;
        self
    }

    /// Sets how many calls and sessions there may be at a time.
    pub fn limits(mut self, limits: ClientLimits) -> CaracalBuilder<D> {
        self.config.limits = limits;
        self
    }

    /// Adds a hook that hears of the application's sessions.
    pub fn hook(mut self, hook: impl Lifecycle) -> CaracalBuilder<D> {
        self.hooks.add(hook);
        self
    }

    /// Runs everything on this thread, which may be shared, in place of one of its own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> CaracalBuilder<D> {
        self.thread = Some(thread);
        self
    }

    /// Sets the TLS configuration for `https://`. The default trusts the authorities of the system.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ClientTls) -> CaracalBuilder<D> {
        self.tls = Some(tls);
        self
    }

    /// Refuses `http://` for the coordinator, the token service and the gateway, unless they run on this host.
    pub fn require_tls(mut self) -> CaracalBuilder<D> {
        self.requires_tls = true;
        self
    }

    /// Checks the settings, and starts. No request is sent before the first call.
    pub fn build(self) -> Result<Caracal<D>, ConfigError> {
        let zone = self.config.zone.clone();
        let coordinator = self.endpoint("coordinator", &self.coordinator)?;
        let token = self.token.as_ref().ok_or(ConfigError::NoToken)?;
        if token.as_fixed().and_then(nuncio_core::caracal::BearerToken::expires_at).is_some_and(|at| at <= wall()) {
            return Err(ConfigError::ExpiredToken);
        }
        let source = token.prepare(&zone, &self.application);
        let source = source.map_err(|error| ConfigError::Endpoint { service: "token service", error })?;
        if let Some(service) = source.service() {
            self.check("token service", service)?;
        }
        if let Some(gateway) = &self.gateway {
            self.endpoint("gateway", gateway)?;
        }
        let routes = Routes::new(self.gateway.as_deref(), &self.resources)?;

        let thread = self.thread.clone().map_or_else(|| D::thread("nuncio-caracal"), Ok)?;
        let clock = Clock::start();
        let http = HttpClient::new(
            Arc::clone(&thread),
            HttpConfig::default(),
            #[cfg(feature = "tls")]
            self.tls.clone(),
        );
        let (margin, limit) = (self.config.token_margin, self.config.token_timeout);
        let tokens = Tokens::new(source, http.clone(), Arc::clone(&thread), clock, margin, limit);
        let settings = Settings {
            zone,
            application: self.application,
            generation: self.config.generation,
            routes,
            hop_limit: self.hop_limit,
            kind: self.kind,
            ttl: self.ttl,
            request_timeout: self.config.request_timeout,
        };
        // The machine's own limit comes after that of the token's source, whose fault says more.
        let token_timeout = self.config.token_timeout.saturating_add(Duration::from_secs(5));
        let config = self.config.with(|config| config.token_timeout = token_timeout);
        let seed = random::seed()?;
        let parts = HubParts { config, seed, clock, thread, http, coordinator, tokens, hooks: self.hooks };
        Ok(Caracal { owner: Arc::new(Owner { hub: tasks::start(parts), settings }) })
    }

    fn endpoint(&self, service: &'static str, url: &str) -> Result<Endpoint, ConfigError> {
        let endpoint = Endpoint::parse(url).map_err(|error| ConfigError::Endpoint { service, error })?;
        self.check(service, &endpoint)?;
        Ok(endpoint)
    }

    fn check(&self, service: &'static str, endpoint: &Endpoint) -> Result<(), ConfigError> {
        let origin = &endpoint.origin;
        if self.requires_tls && !origin.is_tls && !origin.is_loopback() {
            return Err(ConfigError::Endpoint { service, error: InvalidEndpoint::Insecure });
        }
        if origin.is_tls && !cfg!(feature = "tls") {
            return Err(ConfigError::NoTls);
        }
        Ok(())
    }
}

impl<D: Driver> fmt::Debug for CaracalBuilder<D> {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaracalBuilder")
            .field("coordinator", &self.coordinator)
            .field("zone", &self.config.zone)
            .field("application", &self.application)
            .field("token", &self.token)
            .field("gateway", &self.gateway)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}
