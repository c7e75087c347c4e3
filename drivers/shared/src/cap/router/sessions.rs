//! Trust sessions that a router gives to its workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::cap::{
    AuthorityConfig, ComponentId, Enrollment, Peers, Production, RouterProduction, RouterTrust, Signer, TrustAuthority,
    Verifier,
};
use nuncio_core::time::Time;

use crate::cap::node::identity::BuildError;
use crate::io::random;

/// How a router gives trust sessions to its workers (2.17, spec/14): the workers prove that they have their keys, and get
/// tokens for a time. Their settings are [`TrustSettings`](nuncio_core::cap::TrustSettings).
///
/// ```
/// use nuncio_shared::cap::{Enrollment, Keyring, RingSigner, Sessions, Signer as _};
///
/// let (worker_key, _) = RingSigner::generate()?;
/// let mut keys = Keyring::default();
/// keys.add("proof-1", worker_key.public_key())?;
/// let enrollment = Enrollment { agent_id: "agent-1".into(), tenant_id: "tenant-1".into(), keys, topics: None };
/// let sessions = Sessions::new("server-1").worker("worker-1", enrollment);
/// // A router takes it with `Router::builder().sessions(sessions)`.
/// # drop(sessions);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    key_id: String,
    workers: BTreeMap<String, Enrollment>,
    lifetime: Option<Duration>,
    is_required: bool,
    production: Option<RouterProduction>,
}

impl Sessions {
    /// Returns sessions that workers need to get jobs. The id is the one of the router's key: workers pin the key by this
    /// name.
    pub fn new(key_id: impl Into<String>) -> Sessions {
        Sessions {
            key_id: key_id.into(),
            workers: BTreeMap::new(),
            lifetime: None,
            is_required: true,
            production: None,
        }
    }

    /// Enrolls a worker. Further ones can be enrolled with [`Router::enroll`](super::Router::enroll).
    #[must_use]
    pub fn worker(mut self, id: impl Into<String>, enrollment: Enrollment) -> Sessions {
        self.workers.insert(id.into(), enrollment);
        self
    }

    /// Sets the time for which a token is valid. Default: 15 min.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Sessions {
        self.lifetime = Some(lifetime);
        self
    }

    /// Lets workers without a session get jobs too, for the time in which workers are enrolled.
    #[must_use]
    pub fn optional(mut self) -> Sessions {
        self.is_required = false;
        self
    }

    /// Lets packets about jobs have the form of the production profile (spec/19), in which submitters are known by their
    /// tenant and keys. Workers need a session then.
    #[must_use]
    pub fn production(mut self, terms: Production, submitters: Peers) -> Sessions {
        self.production = Some(RouterProduction { terms, submitters });
        self
    }

    /// Makes the settings of a router.
    pub(super) fn trust(
        self,
        id: &ComponentId,
        signer: Option<&Arc<dyn Signer>>,
        verifier: &Arc<dyn Verifier>,
        now: Time,
    ) -> Result<RouterTrust, BuildError> {
        let signer = Arc::clone(signer.ok_or(BuildError::NoSigner)?);
        let config = AuthorityConfig::new(id.clone(), self.key_id, signer, Arc::clone(verifier));
        let lifetime = self.lifetime;
        let config = config.with(|config| config.session_lifetime = lifetime.unwrap_or(config.session_lifetime));
        let mut authority = TrustAuthority::new(config, random::seed()?, now);
        for (worker, enrollment) in self.workers {
            authority.enroll(&worker, enrollment).map_err(|error| BuildError::Enrollment { worker, error })?;
        }
        let authority = Box::new(authority);
        Ok(match self.production {
            Some(production) => RouterTrust::Production(authority, production),
            None if self.is_required => RouterTrust::Require(authority),
            None => RouterTrust::Offer(authority),
        })
    }
}
