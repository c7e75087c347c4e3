//! Whose mandates are accepted, where there is no application.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::caracal::ZoneId;
use tracing::warn;

use super::MandateVerifier;
use super::keys::Keys;
#[cfg(feature = "tls")]
use crate::auth::ClientTls;
use crate::caracal::app::error::ConfigError;
use crate::caracal::http::origin::Endpoint;
use crate::caracal::http::{HttpClient, HttpConfig};
use crate::io::{Driver, Sanitized};

const SERVICE: &str = "token service";

/// Who issues mandates, for which zone and for whom, for [`MandateVerifier::new`].
#[derive(Clone)]
#[non_exhaustive]
pub struct MandateIssuer {
    /// The base URL of the token service, or the URL of its keys, which ends with `/.well-known/jwks.json`.
    pub keys: String,
    /// The issuer of the mandates (`iss`).
    pub issuer: String,
    /// The zone of the mandates (`zone_id`).
    pub zone: ZoneId,
    /// Whom the mandates are for (`aud`).
    pub audience: String,
    /// How long a request for keys may stay unanswered. Default: 5 s, half of the time that a server gives a verifier.
    pub request_timeout: Duration,
    /// The TLS configuration for `https://`. The default trusts the authorities of the system.
    #[cfg(feature = "tls")]
    pub tls: Option<ClientTls>,
}

impl MandateIssuer {
    /// Returns an issuer with the default settings.
    pub fn new(
        keys: impl Into<String>,
        issuer: impl Into<String>,
        zone: ZoneId,
        audience: impl Into<String>,
    ) -> MandateIssuer {
        MandateIssuer {
            keys: keys.into(),
            issuer: issuer.into(),
            zone,
            audience: audience.into(),
            request_timeout: Duration::from_secs(5),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl fmt::Debug for MandateIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MandateIssuer")
            .field("keys", &self.keys)
            .field("issuer", &self.issuer)
            .field("zone", &self.zone)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl<D: Driver> MandateVerifier<D> {
    /// Returns a verifier of the mandates of an issuer. It has a thread of its own, on which it fetches the keys when they
    /// are first needed.
    ///
    /// ```
    /// use nuncio_shared::caracal::{MandateIssuer, MandateVerifier, ZoneId};
    /// use nuncio_smol::Smol;
    /// use nuncio_smol::arcp::Server;
    ///
    /// let service = "http://127.0.0.1:4000";
    /// let issuer = MandateIssuer::new(service, service, ZoneId::new("my-zone")?, "https://agents.example");
    /// let verifier = MandateVerifier::<Smol>::new(&issuer)?.scopes(["agents:submit"]);
    /// let server = Server::builder().verifier(verifier).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(issuer: &MandateIssuer) -> Result<MandateVerifier<D>, ConfigError> {
        let service =
            Endpoint::parse(&issuer.keys).map_err(|error| ConfigError::Endpoint { service: SERVICE, error })?;
        if service.origin.is_tls && !cfg!(feature = "tls") {
            return Err(ConfigError::NoTls);
        }
        if !service.origin.is_tls && !service.origin.is_loopback() {
            let origin = &service.origin;
            warn!(origin = %Sanitized(&origin), "the keys of mandates are fetched in clear; whoever is on the way can replace them");
        }
        let thread = D::thread("nuncio-caracal")?;
        let http = HttpClient::new(
            Arc::clone(&thread),
            HttpConfig::default(),
            #[cfg(feature = "tls")]
            issuer.tls.clone(),
        );
        let keys = Keys::new(&service, &issuer.zone, http, thread, issuer.request_timeout);
        let verifier = MandateVerifier::with(keys, issuer.zone.clone(), &issuer.issuer, &issuer.audience);
        Ok(verifier.uses(["ambient", "per_call", "resource"]))
    }
}
