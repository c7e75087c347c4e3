//! The settings of a token service: its applications and its key.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::caracal::coordinator::config::Resource;
use crate::caracal::wire::ids::{ApplicationId, ZoneId};
use crate::caracal::wire::request::spawn::Generation;
use crate::caracal::wire::request::token::LIFECYCLE_SCOPE;
use crate::secret::Secret;

/// An application, its secret, and the scopes that its tokens may have.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The zone of the application.
    pub zone: ZoneId,
    /// The application.
    pub application: ApplicationId,
    /// Its client secret.
    pub secret: Secret,
    /// The scopes that its tokens can have besides [`LIFECYCLE_SCOPE`], such as `coordinator.delegate_to:app-b`.
    pub scopes: Vec<Box<str>>,
}

/// The settings of a [`TokenService`](super::TokenService).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenServiceConfig {
    /// The generation of clients that it serves. Default: [`Generation::May`].
    pub generation: Generation,
    /// Who issues the tokens and whom they are for: the URL of the service. Tokens of another issuer are not valid.
    pub issuer: Box<str>,
    /// The name of the key that signs tokens.
    pub key_id: Box<str>,
    /// The lifetime of a token that asks for none. Default: 15 minutes.
    pub lifetime: Duration,
    /// The longest lifetime that a token can ask for (`ttl_seconds`). Default: one hour.
    pub longest_lifetime: Duration,
    /// The longest lifetime of a mandate for resources. Default: 15 minutes.
    pub mandate_lifetime: Duration,
    /// The resources that mandates can be for. Without a list, every resource exists and has every scope.
    pub resources: Option<Vec<Resource>>,
    /// The time by which clocks may differ. Default: 60 s.
    pub leeway: Duration,
    /// The applications.
    pub applications: Vec<Registration>,
}

impl TokenServiceConfig {
    /// Returns the settings of a service without applications.
    pub fn new(issuer: &str, key_id: &str) -> TokenServiceConfig {
        TokenServiceConfig {
            generation: Generation::May,
            issuer: issuer.into(),
            key_id: key_id.into(),
            lifetime: Duration::from_mins(15),
            longest_lifetime: Duration::from_hours(1),
            mandate_lifetime: Duration::from_mins(15),
            resources: None,
            leeway: Duration::from_mins(1),
            applications: Vec::new(),
        }
    }
}

impl TokenServiceConfig {
    /// Returns whether there is a resource with all of these scopes.
    pub(super) fn has_resource(&self, id: &str, scopes: &[Box<str>]) -> bool {
        self.resources.as_ref().is_none_or(|resources| {
            let resource = resources.iter().find(|resource| *resource.id == *id);
            resource.is_some_and(|resource| scopes.iter().all(|scope| resource.scopes.contains(scope)))
        })
    }
}

impl Registration {
    /// Returns whether its tokens can have a scope.
    pub(super) fn has(&self, scope: &str) -> bool {
        scope == LIFECYCLE_SCOPE || self.scopes.iter().any(|held| **held == *scope)
    }
}
