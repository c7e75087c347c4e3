//! The settings of a client: who it is, whom it believes, and its limits.

use alloc::sync::Arc;
use core::time::Duration;

use crate::cap::signature::generic::Reading;
use crate::cap::signature::host::{Signer, Verifier};
use crate::cap::wire::codec::write::MapOrder;
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
    /// Whether `FAILED_RETRYABLE` is waited out, because a router or orchestrator tries the job again. Default: false, and
    /// it ends the job.
    pub await_retries: bool,

    /// The time without a sign of a job after which its request is sent again. Default: 30 s.
    pub resubmit_after: Duration,
    /// How often a request is sent again. Default: 5. After that its result is still awaited.
    pub resubmissions: u32,

    /// The bounds of everything that the client holds.
    pub limits: ClientLimits,
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
            await_retries: false,
            resubmit_after: Duration::from_secs(30),
            resubmissions: 5,
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
