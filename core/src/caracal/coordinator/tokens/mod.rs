//! A small token service (STS): applications exchange their secrets for tokens, and a coordinator identifies its
//! callers by these tokens (§1.2, §2.1, §2.6).
//!
//! ```text
//! config.rs     the applications, with their secrets and what they are granted
//! exchange.rs   the form of a request: who asks, with which secret, for what
//! claims.rs     what a token says, and who its bearer is
//! jwt.rs        the parts of a signed token
//! reply.rs      answers: a token, a refusal, the public keys
//! ```
//!
//! Signatures are made and verified by the host.

mod claims;
mod config;
mod exchange;
mod jwt;
mod reply;

use alloc::boxed::Box;
use alloc::vec::Vec;

use self::claims::Claims;
pub use self::config::{Registration, TokenServiceConfig};
use self::exchange::Exchange;
pub use self::reply::UnsignedToken;
use self::reply::{Refused, public_keys};
use super::event::{CredentialFault, Principal};
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::request::token::LIFECYCLE_SCOPE;
use crate::random::Random;
use crate::secret::Secret;
use crate::time::Time;

/// Tokens of more bytes are refused unread (§2.1).
const MAX_TOKEN_BYTES: usize = 4_096;

/// A token service. It has no state but its random numbers: a token is valid by its signature.
///
/// ```
/// use nuncio_core::caracal::{
///     ApplicationId, Registration, Secret, TokenExchange, TokenService, TokenServiceConfig, ZoneId,
/// };
/// use nuncio_core::time::Time;
///
/// let (zone, application) = (ZoneId::new("z1")?, ApplicationId::new("app-a")?);
/// let mut config = TokenServiceConfig::new("http://127.0.0.1:4000", "key-1");
/// config.applications.push(Registration {
///     zone: zone.clone(),
///     application: application.clone(),
///     secret: Secret::new("s3cret"),
///     scopes: Vec::new(),
/// });
/// let mut service = TokenService::new(config, [7; 32]); // with 32 random bytes
///
/// let scope = "agent:lifecycle".into();
/// let exchange = TokenExchange { zone, application, secret: Secret::new("s3cret"), scope, resources: Vec::new(), ttl: None };
/// let now = Time(1_779_000_000_000_000);
/// let unsigned = service.exchange(now, exchange.request().body().unwrap().as_bytes()).unwrap();
/// // The host signs `unsigned.signing_input()` with ES256.
/// let signature = [0; 64];
/// let answer = unsigned.issued(&signature);
/// assert_eq!(answer.status(), 200);
/// # Ok::<(), nuncio_core::caracal::InvalidId>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenService {
    config: TokenServiceConfig,
    random: Random,
}

impl TokenService {
    /// Creates a token service. The same seed and the same requests give the same tokens.
    pub fn new(config: TokenServiceConfig, seed: [u8; 32]) -> TokenService {
        TokenService { config, random: Random::new(seed) }
    }

    /// Returns the settings that the service was created with.
    pub fn config(&self) -> &TokenServiceConfig {
        &self.config
    }

    /// Reads the body of `POST /oauth/2/token`. Returns the token for the host to sign, or the answer that refuses it.
    ///
    /// A request with resources and without [`LIFECYCLE_SCOPE`] is for a mandate: a token for these resources, which the
    /// coordinator does not take. Any other one is for a token for the coordinator.
    ///
    /// A wrong secret and an unknown application are told apart neither by the answer nor by its time.
    pub fn exchange(&mut self, now: Time, body: &[u8]) -> Result<UnsignedToken, Reply> {
        let request_id = alloc::format!("{:032x}", self.random.random_u128());
        let granted = self.grant(now, body);
        let (claims, resources) = granted.map_err(|refused| refused.reply(&request_id))?;
        Ok(UnsignedToken::new(&self.config.key_id, &claims, resources))
    }

    fn grant(&mut self, now: Time, body: &[u8]) -> Result<(Claims, Vec<Box<str>>), Refused> {
        let asked = Exchange::read(body)?;
        let registration = self.registered(&asked.zone, &asked.application);
        // The secret is compared with something in any case.
        let none = Secret::default();
        let secret = registration.map_or(&none, |registration| &registration.secret);
        let is_known = *secret == asked.secret;
        let registration = registration.filter(|_| is_known).ok_or(Refused::Credentials)?;
        let mut scopes = asked.scopes;
        if scopes.is_empty() {
            scopes.push(LIFECYCLE_SCOPE.into());
        }
        if !scopes.iter().all(|scope| registration.has(scope)) {
            return Err(Refused::Scope);
        }
        let is_mandate = !asked.resources.is_empty() && scopes.iter().all(|scope| **scope != *LIFECYCLE_SCOPE);
        let longest = if is_mandate { self.config.mandate_lifetime } else { self.config.longest_lifetime };
        if is_mandate {
            // A mandate says nothing that was not verified: it has no session and no edge.
            if asked.names_session {
                return Err(Refused::Unsupported);
            }
            if !asked.resources.iter().all(|resource| self.config.has_resource(resource, &scopes)) {
                return Err(Refused::Resource);
            }
        }
        let secs = asked.ttl_secs.unwrap_or(self.config.lifetime.as_secs());
        let secs = secs.min(longest.as_secs()).max(1);
        let claims = Claims {
            issuer: self.config.issuer.clone(),
            zone: registration.zone.clone(),
            application: registration.application.clone(),
            scopes,
            generation: self.config.generation,
            issued_at: claims::unix_secs(now),
            expires_at: claims::unix_secs(now.plus_secs(secs)),
            id: alloc::format!("{:032x}", self.random.random_u128()),
            targets: asked.resources.clone(),
            is_mandate,
        };
        Ok((claims, asked.resources))
    }

    /// Returns who sends a request, by the values of its `Authorization` headers. `verify` says whether a signature of
    /// these bytes is one of the service's key (ES256, the two numbers one after another).
    pub fn authenticate<'a>(
        &self,
        now: Time,
        mut authorization: impl Iterator<Item = &'a str>,
        verify: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Result<Principal, CredentialFault> {
        // The scheme is compared as the coordinators compare it.
        let value = authorization.next().ok_or(CredentialFault::Missing)?;
        let token = value.strip_prefix("Bearer ").ok_or(CredentialFault::Missing)?;
        if authorization.next().is_some() || token.len() > MAX_TOKEN_BYTES {
            return Err(CredentialFault::Invalid);
        }
        let token = jwt::Token::read(token, &self.config.key_id).ok_or(CredentialFault::Invalid)?;
        if !verify(token.signing_input(), token.signature()) {
            return Err(CredentialFault::Invalid);
        }
        let mut principal = claims::principal(token.claims(), &self.config, now).ok_or(CredentialFault::Invalid)?;
        let registration = self.registered(principal.zone.as_str(), principal.application.as_str());
        let registration = registration.ok_or(CredentialFault::Revoked)?;
        // What was taken from an application since the token was issued is not in it any more.
        principal.scopes.retain(|scope| registration.has(scope));
        Ok(principal)
    }

    /// Returns the answer to `GET /.well-known/jwks.json`: the public key, as its two coordinates.
    ///
    /// The query may name a zone (`zone_id`); all zones have the same key.
    pub fn public_keys(&self, query: &str, x: &[u8; 32], y: &[u8; 32]) -> Reply {
        match exchange::zone_of(query) {
            Ok(zone) if zone.as_ref().is_none_or(|zone| self.has_zone(zone)) => public_keys(&self.config.key_id, x, y),
            _ => Refused::Zone.reply("jwks"),
        }
    }

    fn has_zone(&self, zone: &str) -> bool {
        self.config.applications.iter().any(|registration| registration.zone.as_str() == zone)
    }

    fn registered(&self, zone: &str, application: &str) -> Option<&Registration> {
        self.config
            .applications
            .iter()
            .find(|held| held.zone.as_str() == zone && held.application.as_str() == application)
    }
}
