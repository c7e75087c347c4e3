//! Mandates: the tokens that a zone's token service signs, and what they permit (§2.6).
//!
//! ```text
//! claims.rs     what a mandate says
//! fault.rs      why a token is refused
//! keys.rs       the keys of an issuer, fetched and cached
//! service.rs    whose mandates are accepted, without an application
//! bearer.rs     mandates as the bearer tokens of an ARCP server
//! ```

mod bearer;
mod claims;
mod fault;
mod keys;
mod service;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use nuncio_core::caracal::{BearerToken, Generation, Hop, ZoneId};

pub use self::claims::{Mandate, MandateHop};
pub use self::fault::MandateFault;
pub use self::service::MandateIssuer;

use self::claims::Claims;
use self::keys::Keys;
use super::app::{Caracal, Settings};
use super::http::origin::{Endpoint, InvalidEndpoint};
use crate::auth::JwtError;
use crate::io::Driver;

/// The longest token that is verified, in bytes.
const MAX_BYTES: usize = 4_096;
/// How far the clocks of the issuer and this machine may differ, in seconds.
const LEEWAY_SECS: u64 = 60;

type Revoked = dyn Fn(&Mandate) -> bool + Send + Sync;
type Epoch = dyn Fn(&Mandate) -> Option<u64> + Send + Sync;

/// Verifies mandates: their signature (ES256) by the keys of their issuer and zone, their lifetime, audience and use, and
/// what they must permit. From [`Caracal::mandates`], or from [`MandateVerifier::new`] without an application.
///
/// It is also a [`Verifier`](crate::auth::Verifier) of the bearer tokens of an ARCP server.
pub struct MandateVerifier<D: Driver> {
    keys: Arc<Keys<D>>,
    validation: Validation,
    zone: ZoneId,
    uses: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
    targets: Vec<Box<str>>,
    chain: Vec<Box<str>>,
    needs_session: bool,
    needs_delegation: bool,
    max_hops: Hop,
    revoked: Option<Box<Revoked>>,
    epoch: Option<Box<Epoch>>,
}

impl<D: Driver> Caracal<D> {
    /// Returns a verifier of mandates for `audience`, with the keys that the token service `service` publishes for the
    /// application's zone. `issuer` is the `iss` of its tokens.
    pub fn mandates(&self, service: &str, issuer: &str, audience: &str) -> Result<MandateVerifier<D>, InvalidEndpoint> {
        let Settings { zone, generation, hop_limit, request_timeout, .. } = &self.owner.settings;
        let hub = &self.owner.hub;
        let keys =
            Keys::new(&Endpoint::parse(service)?, zone, hub.http.clone(), Arc::clone(&hub.thread), *request_timeout);
        let uses: &[&str] = match generation {
            Generation::May => &["ambient", "per_call"],
            Generation::Head => &["resource"],
        };
        Ok(MandateVerifier::with(keys, zone.clone(), issuer, audience).uses(uses.iter().copied()).max_hops(*hop_limit))
    }
}

impl<D: Driver> MandateVerifier<D> {
    /// Returns a verifier that accepts no use yet.
    fn with(keys: Arc<Keys<D>>, zone: ZoneId, issuer: &str, audience: &str) -> MandateVerifier<D> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        MandateVerifier {
            keys,
            validation,
            zone,
            uses: Vec::new(),
            scopes: Vec::new(),
            targets: Vec::new(),
            chain: Vec::new(),
            needs_session: false,
            needs_delegation: false,
            max_hops: Hop::DEFAULT_LIMIT,
            revoked: None,
            epoch: None,
        }
    }
}

impl<D: Driver> MandateVerifier<D> {
    /// Requires all of these scopes.
    pub fn scopes<T: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = T>) -> MandateVerifier<D> {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Requires that the mandate is for all of these resources (`target`).
    pub fn targets<T: Into<Box<str>>>(mut self, resources: impl IntoIterator<Item = T>) -> MandateVerifier<D> {
        self.targets = resources.into_iter().map(Into::into).collect();
        self
    }

    /// Requires that all of these applications are in the chain of delegations (`delegation_chain`).
    pub fn chain<T: Into<Box<str>>>(mut self, applications: impl IntoIterator<Item = T>) -> MandateVerifier<D> {
        self.chain = applications.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the uses that are accepted. Default: `resource`, and in the generation 0.1 `ambient` and `per_call`; all three
    /// without an application.
    pub fn uses<T: Into<Box<str>>>(mut self, uses: impl IntoIterator<Item = T>) -> MandateVerifier<D> {
        self.uses = uses.into_iter().map(Into::into).collect();
        self
    }

    /// Requires an agent session.
    pub fn require_session(mut self) -> MandateVerifier<D> {
        self.needs_session = true;
        self
    }

    /// Requires a delegation edge.
    pub fn require_delegation(mut self) -> MandateVerifier<D> {
        self.needs_delegation = true;
        self
    }

    /// Sets the most hops. Default: the limit of the application.
    pub fn max_hops(mut self, hops: Hop) -> MandateVerifier<D> {
        self.max_hops = hops;
        self
    }

    /// Sets a function that returns true for mandates that were revoked, by one of their
    /// [`anchors`](Mandate::anchors). It must not block.
    pub fn revoked(mut self, is_revoked: impl Fn(&Mandate) -> bool + Send + Sync + 'static) -> MandateVerifier<D> {
        self.revoked = Some(Box::new(is_revoked));
        self
    }

    /// Sets a function that returns the present number of changes of the zone's edges, or `None` if it is not known. A
    /// mandate of an edge that was issued before the latest change is refused. It must not block.
    pub fn epoch(mut self, present: impl Fn(&Mandate) -> Option<u64> + Send + Sync + 'static) -> MandateVerifier<D> {
        self.epoch = Some(Box::new(present));
        self
    }

    /// Verifies a token, and returns what it says.
    pub async fn verify(&self, token: &BearerToken) -> Result<Mandate, MandateFault> {
        let text = token.expose();
        if text.len() > MAX_BYTES {
            return Err(MandateFault::TooLong);
        }
        let header = decode_header(text).map_err(|error| MandateFault::Token(JwtError::of(&error)))?;
        if header.alg != Algorithm::ES256 {
            return Err(MandateFault::Token(JwtError::Algorithm));
        }
        let kid = header.kid.ok_or(MandateFault::Token(JwtError::NoKeyNamed))?;
        let key = self.keys.find(&kid).await?;
        let decoded = decode::<Claims>(text, &key, &self.validation);
        let mandate = decoded.map_err(|error| MandateFault::Token(JwtError::of(&error)))?.claims.read()?;
        self.check(&mandate)?;
        Ok(mandate)
    }

    fn check(&self, mandate: &Mandate) -> Result<(), MandateFault> {
        if mandate.zone != self.zone.as_str() {
            return Err(MandateFault::Zone);
        }
        if !self.uses.iter().any(|used| **used == *mandate.used) {
            return Err(MandateFault::Use);
        }
        let mut required = self.scopes.iter();
        if let Some(scope) = required.find(|scope| !mandate.scopes.contains(scope)) {
            return Err(MandateFault::Scope(scope.to_string()));
        }
        if let Some(target) = self.targets.iter().find(|target| !mandate.targets.contains(target)) {
            return Err(MandateFault::Target(target.to_string()));
        }
        if self.needs_session && mandate.session.is_none() {
            return Err(MandateFault::NoSession);
        }
        if self.needs_delegation && mandate.edge.is_none() {
            return Err(MandateFault::NoDelegation);
        }
        let is_in_chain = |application: &str| {
            mandate.chain.iter().any(|hop| hop.application.as_deref().is_some_and(|held| held == application))
        };
        if let Some(application) = self.chain.iter().find(|application| !is_in_chain(application)) {
            return Err(MandateFault::Chain(application.to_string()));
        }
        // A chain is as long as it is, whatever the count says.
        let hops = mandate.hops.max(u64::try_from(mandate.chain.len()).unwrap_or(u64::MAX));
        if hops > u64::from(self.max_hops.count()) {
            return Err(MandateFault::TooManyHops);
        }
        if self.revoked.as_ref().is_some_and(|is_revoked| is_revoked(mandate)) {
            return Err(MandateFault::Revoked);
        }
        let present = self.epoch.as_ref().filter(|_| mandate.edge.is_some()).and_then(|present| present(mandate));
        // A mandate of an edge that says no number may be of any age.
        if present.is_some_and(|present| mandate.epoch.is_none_or(|issued| issued < present)) {
            return Err(MandateFault::Stale);
        }
        Ok(())
    }
}

impl<D: Driver> fmt::Debug for MandateVerifier<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MandateVerifier")
            .field("zone", &self.zone)
            .field("uses", &self.uses)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
