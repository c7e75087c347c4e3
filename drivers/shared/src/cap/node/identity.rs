//! Who a worker, client or router is on the bus, and whose packets it accepts.

use std::io;
use std::sync::Arc;

use nuncio_core::cap::{
    Authentication, AuthorityRefused, ComponentId, InvalidSubject, Keyring, Reading, Signer, Verifier,
};

use crate::cap::signer::RingVerifier;
use crate::io::{Sanitized, random};

/// Why a worker, a client or a router cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The id cannot be used.
    #[error("the id {id:?} cannot be used: {error}")]
    Id {
        /// The id.
        id: String,
        /// The fault.
        error: InvalidSubject,
    },
    /// A topic cannot be used.
    #[error("the topic {topic:?} cannot be used: {error}")]
    Topic {
        /// The topic.
        topic: String,
        /// The fault.
        error: InvalidSubject,
    },
    /// Two handlers have the same topic.
    #[error("there are two handlers for the topic {0:?}")]
    TwoHandlers(String),
    /// A worker has no handlers.
    #[error("a worker needs a handler: add one with `job`")]
    NoHandler,
    /// There is no executor for the handlers: the worker is not started on a tokio runtime and was given none.
    #[error("a worker needs an executor for its handlers: start it on a tokio runtime, or set one with `job_runtime`")]
    NoRuntime,
    /// A router that gives trust sessions has no key to sign with.
    #[error("a router that gives trust sessions needs a key: set one with `signer`")]
    NoSigner,
    /// A worker cannot be enrolled.
    #[error("the worker {worker:?} cannot be enrolled: {error}")]
    Enrollment {
        /// The worker.
        worker: String,
        /// The fault.
        error: AuthorityRefused,
    },
    /// The system has refused a thread or random numbers.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// Who sends packets, how they are signed, and whose are accepted.
pub(crate) struct Identity {
    pub(crate) id: Option<String>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) keys: Option<Keyring>,
}

impl Identity {
    pub(crate) fn new() -> Identity {
        Identity { id: None, signer: None, verifier: Arc::new(RingVerifier), keys: None }
    }

    /// Returns the id, or a random one that begins with the role.
    pub(crate) fn id(&self, role: &str) -> Result<ComponentId, BuildError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("{role}-{}", random::name()?),
        };
        ComponentId::new(&id).map_err(|error| BuildError::Id { id, error })
    }

    /// Returns how packets are read.
    pub(crate) fn reading(&mut self, id: &ComponentId) -> Reading {
        match self.keys.take() {
            Some(keys) => Reading::new(Authentication::Signed(keys)),
            None => {
                tracing::warn!(id = %Sanitized(&id), "packets are accepted without a signature: no keys were given");
                Reading::new(Authentication::Unsigned)
            }
        }
    }
}
