//! The settings of a client: its identity, the senders that it trusts, and its limits.

use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use crate::cap::signature::generic::Reading;
use crate::cap::signature::host::{Signer, Verifier};
use crate::cap::signature::profile::{Peers, Production};
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::common::IdentityBinding;
use crate::cap::wire::subject::ComponentId;

/// The settings of a [`Client`](super::Client).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The id of the client, which is the sender of its packets.
    pub id: ComponentId,
    /// How packets are read, and whose are accepted.
    pub reading: Reading,
    /// Verifies the packets that are read.
    pub verifier: Arc<dyn Verifier>,
    /// Signs the packets that are sent. Default: none, and packets are sent unsigned.
    pub signer: Option<Arc<dyn Signer>>,
    /// The order of map entries in the packets that are sent. Default: lexicographic.
    pub map_order: MapOrder,
    /// Whether packets about jobs have the form of the production profile, and how. Default: none, and they have the
    /// generic form.
    pub production: Option<ClientProduction>,
    /// Whether the client continues to wait after `FAILED_RETRYABLE`, because a router or an orchestrator tries the job
    /// again. Default: false, and `FAILED_RETRYABLE` ends the job.
    pub await_retries: bool,

    /// The time after which a request is sent again if nothing was heard of its job. Default: 30 s.
    pub resubmit_after: Duration,
    /// How often a request is sent again. Default: 5. After that its result is still awaited.
    pub resubmissions: u32,
    /// The time after which a request that was sent again on a new connection is sent once more, because the router may
    /// have been away as well. Each further pause is twice as long, up to
    /// [`resubmit_after`](ClientConfig::resubmit_after), and each varies by half, so that clients do not send at the
    /// same time. These requests do not count as `resubmissions`. Default: 2 s.
    pub reconnected_after: Duration,
    /// The time without a result after which a cancellation is sent again. Each further pause is twice as long, up to
    /// [`resubmit_after`](ClientConfig::resubmit_after). Default: 2 s.
    pub cancel_after: Duration,

    /// The bounds of everything that the client holds.
    pub limits: ClientLimits,
}

/// How a client speaks the production profile (2.17, spec/19): its requests and cancellations are sealed with its
/// [`signer`](ClientConfig::signer), and results and progress are admitted from some peers: the router, and the workers that
/// run its jobs.
#[derive(Clone, Debug)]
pub struct ClientProduction {
    /// The id of the client's key.
    pub key_id: String,
    /// Who the client speaks for. Its tenant is the one of its peers, and its requests name no other identity.
    pub identity: IdentityBinding,
    /// How packets are sent and admitted.
    pub terms: Production,
    /// Whose results and progress are admitted.
    pub peers: Peers,
}

/// The limits of a [`Client`](super::Client).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Jobs whose result is awaited. Default: 10 000.
    pub jobs: usize,
    /// Bytes of the requests of these jobs. Default: 64 MiB.
    pub request_bytes: usize,
}

impl ClientConfig {
    /// Creates the default settings.
    pub fn new(id: ComponentId, reading: Reading, verifier: Arc<dyn Verifier>) -> ClientConfig {
        ClientConfig {
            id,
            reading,
            verifier,
            signer: None,
            map_order: MapOrder::default(),
            production: None,
            await_retries: false,
            resubmit_after: Duration::from_secs(30),
            resubmissions: 5,
            reconnected_after: Duration::from_secs(2),
            cancel_after: Duration::from_secs(2),
            limits: ClientLimits { jobs: 10_000, request_bytes: 64 << 20 },
        }
    }

    /// Returns these settings with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ClientConfig)) -> ClientConfig {
        change(&mut self);
        self
    }
}
