//! The settings of an authority, and the enrollment of a worker.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use crate::cap::signature::host::{Signer, Verifier};
use crate::cap::signature::key::Keyring;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::subject::{ComponentId, Topic};

/// The settings of a [`TrustAuthority`](super::TrustAuthority).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthorityConfig {
    /// The scheduler, which is the sender of challenges and results.
    pub id: ComponentId,
    /// The id of its key.
    pub key_id: String,
    /// Signs challenges and results.
    pub signer: Arc<dyn Signer>,
    /// Verifies requests.
    pub verifier: Arc<dyn Verifier>,
    /// The order of map entries in the packets that are sent. Default: lexicographic.
    pub map_order: MapOrder,
    /// The time to answer a challenge. Default: 30 s; more than 60 s count as 60 s.
    pub challenge_lifetime: Duration,
    /// The time for which a token is valid. Default: 15 min.
    pub session_lifetime: Duration,
    /// The bounds of everything that the authority holds.
    pub limits: AuthorityLimits,
}

/// The limits of a [`TrustAuthority`](super::TrustAuthority).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AuthorityLimits {
    /// Enrolled workers. Default: 10 000.
    pub workers: usize,
    /// Requests of one worker that are remembered, for at most two minutes each, so that none counts twice; a further one
    /// is rejected. Default: 32.
    pub requests: usize,
    /// Challenges of one worker that are open; an older one gives way. Default: 4.
    pub challenges: usize,
}

/// What an authority knows of a worker: it comes from the control plane, never from the bus (spec/14).
#[derive(Clone, Debug, Default)]
pub struct Enrollment {
    /// The agent that the worker belongs to.
    pub agent_id: String,
    /// The tenant that the worker belongs to.
    pub tenant_id: String,
    /// The public keys of the worker, by key id.
    pub keys: Keyring,
    /// The topics that it may serve; `None` for all.
    pub topics: Option<BTreeSet<Topic>>,
}

impl AuthorityConfig {
    /// Creates the default settings of an authority that signs with the key of an id.
    pub fn new(
        id: ComponentId,
        key_id: impl Into<String>,
        signer: Arc<dyn Signer>,
        verifier: Arc<dyn Verifier>,
    ) -> AuthorityConfig {
        AuthorityConfig {
            id,
            key_id: key_id.into(),
            signer,
            verifier,
            map_order: MapOrder::default(),
            challenge_lifetime: Duration::from_secs(30),
            session_lifetime: Duration::from_mins(15),
            limits: AuthorityLimits { workers: 10_000, requests: 32, challenges: 4 },
        }
    }

    /// Returns these settings with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut AuthorityConfig)) -> AuthorityConfig {
        change(&mut self);
        self
    }
}
