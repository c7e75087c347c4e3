//! The settings of a worker: who it is, what it runs, and its limits.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use crate::cap::signature::generic::Reading;
use crate::cap::signature::host::{Signer, Verifier};
use crate::cap::signature::profile::Production;
use crate::cap::trust::settings::TrustSettings;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::pointer::Scheme;
use crate::cap::wire::subject::{ComponentId, Topic};

/// The settings of a [`Worker`](super::Worker).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// The id of the worker, which is the sender of its packets.
    pub id: ComponentId,
    /// The topics whose jobs it runs.
    pub topics: BTreeSet<Topic>,
    /// The pool that it belongs to. Default: empty.
    pub pool: String,
    /// Labels of its heartbeats. Default: none.
    pub labels: BTreeMap<String, String>,
    /// The name of its agent for people, in handshakes and heartbeats; white space is collapsed, and it is cut after 128
    /// characters (spec/14). It is no proof of anything. Default: empty.
    pub agent_name: String,
    /// The software that its handshake names. Default: `nuncio/` and the version of this crate.
    pub sdk_version: String,
    /// How packets are read, and whose are accepted.
    pub reading: Reading,
    /// Whether the worker has a trust session with a scheduler (2.17). Default: off.
    pub trust: WorkerTrust,
    /// Verifies the packets that are read.
    pub verifier: Arc<dyn Verifier>,
    /// Signs the packets that are sent. Default: none, and packets are sent unsigned.
    pub signer: Option<Arc<dyn Signer>>,
    /// The order of map entries in the packets that are sent. Default: lexicographic.
    pub map_order: MapOrder,
    /// Where outputs are stored. Default: `redis://`.
    pub result_scheme: Scheme,
    /// Whether results also name their output in the structured form of 2.17, and how. Default: no.
    pub result_ref: Option<ResultRef>,
    /// Whether the worker looks for a stored output of the job before it calls a handler, and publishes that output if
    /// there is one. A handler then does not run again for a job that the worker has forgotten, for example after a
    /// restart. This costs one read of the store, in parallel with reading the input. It must be off if submitters use
    /// a job id for another job. Default: true.
    pub check_stored: bool,
    /// Whether results carry the messages of handlers that have failed. If not, results say only that the handler has
    /// failed, and [`WorkerEvent::Ended`](super::output::WorkerEvent::Ended) has the message. Default: true.
    pub share_errors: bool,

    /// The time between heartbeats. Default: 5 s.
    pub heartbeat_interval: Duration,
    /// The time for which an output is stored. Default: 24 h.
    pub result_ttl: Duration,
    /// The time that reading an input or storing an output may take. Default: 5 s.
    pub io_timeout: Duration,
    /// The longest time from the arrival of a job to its result, if its budget has no earlier deadline. Default: none.
    pub max_runtime: Option<Duration>,
    /// How often a handler that has failed is called again, and how often input and output are tried again. Default: 0.
    pub retries: u32,
    /// The pause before the first retry; it doubles with every further one. Default: 100 ms.
    pub backoff: Duration,
    /// The longest pause before a retry. Default: 10 s.
    pub max_backoff: Duration,
    /// The time for which an ended job is remembered, so that a request that is repeated gets the same result. Default:
    /// 24 h.
    pub retention: Duration,
    /// The time after the end of a job that has failed and can be tried again (`FAILED_RETRYABLE`) until its request,
    /// sent again, runs the job again. An earlier request counts as a duplicate of the bus, and gets the same result.
    /// The time does not apply to a request with a dispatch, which runs the job again if its attempt is higher than the
    /// last one. Routers should pause for longer before they send a job again;
    /// [`RouterConfig::backoff`](crate::cap::RouterConfig::backoff) is 1 s. Default: 500 ms.
    pub rerun_after: Duration,
    /// The time in which at most [`WorkerLimits::alerts`] alerts are sent. Default: 10 s.
    pub alert_window: Duration,

    /// The bounds of everything that the worker holds.
    pub limits: WorkerLimits,
}

/// Whether a worker has a trust session with a scheduler (2.17, spec/14).
///
/// With trust, job requests and cancellations are accepted from the scheduler alone, signed by one of its pinned keys:
/// [`WorkerConfig::reading`] says only how they are decoded. The packets of the worker carry the token of its session.
#[derive(Clone, Debug, Default)]
pub enum WorkerTrust {
    /// The worker has no trust session.
    #[default]
    Off,
    /// It takes jobs without a session while the scheduler cannot be reached; see [`TrustMode::Warn`](crate::cap::TrustMode).
    Warn(Arc<TrustSettings>),
    /// It takes jobs, and sends packets, only with a session that is valid; see [`TrustMode::Enforce`](crate::cap::TrustMode).
    Enforce(Arc<TrustSettings>),
    /// The same, and packets about jobs have the form of the production profile (spec/19): its requests are sealed by the
    /// scheduler for the subject that they come on, and its results by the key of the worker.
    Production(Arc<TrustSettings>, Production),
}

impl WorkerTrust {
    /// Returns the settings of the trust session, if there is one.
    pub fn settings(&self) -> Option<&TrustSettings> {
        match self {
            WorkerTrust::Off => None,
            WorkerTrust::Warn(settings) | WorkerTrust::Enforce(settings) | WorkerTrust::Production(settings, _) => {
                Some(settings)
            }
        }
    }
}

/// The limits of a [`Worker`](super::Worker).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerLimits {
    /// Jobs that have a slot at the same time. Default: 1.
    pub parallel: usize,
    /// Jobs that wait for a slot. A further one fails at once and can be tried again. Default: 64.
    pub queued: usize,
    /// Ended jobs that are remembered. Default: 10 000.
    pub retained: usize,
    /// Cancellations of jobs that the worker does not know, which may arrive before their request. Default: 1 024.
    pub cancellations: usize,
    /// Bytes of an input. Default: 2 MiB.
    pub context_bytes: usize,
    /// Bytes of an output. Default: 2 MiB.
    pub result_bytes: usize,
    /// Bytes of a job id. Default: 256.
    pub job_id_bytes: usize,
    /// Bytes of an error message and of the message of a progress; a longer one is cut. Default: 4 KiB.
    pub error_bytes: usize,
    /// Artifacts of a result or of a progress. Default: 64.
    pub artifacts: usize,
    /// Bytes of a pointer to an artifact, or of the texts of its structured form. Default: 2 KiB.
    pub pointer_bytes: usize,
    /// Requests with the same idempotency key that wait for the result of the first. Default: 16.
    pub followers: usize,
    /// Alerts about refused packets that are sent in a [`WorkerConfig::alert_window`]; further ones are dropped. Default: 16.
    pub alerts: usize,
}

/// How results name their output in the structured form of 2.17: what a [`ResourceRef`](crate::cap::ResourceRef) says
/// beside address, digest, size and expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultRef {
    /// The resolver that reads it.
    pub resolver_id: String,
    /// Its media type, such as `application/json`.
    pub media_type: String,
    /// What it is for.
    pub purpose: String,
}

impl WorkerConfig {
    /// Creates the default settings of a worker without topics.
    pub fn new(id: ComponentId, reading: Reading, verifier: Arc<dyn Verifier>) -> WorkerConfig {
        WorkerConfig {
            id,
            topics: BTreeSet::new(),
            pool: String::new(),
            labels: BTreeMap::new(),
            agent_name: String::new(),
            sdk_version: String::from(concat!("nuncio/", env!("CARGO_PKG_VERSION"))),
            reading,
            trust: WorkerTrust::Off,
            verifier,
            signer: None,
            map_order: MapOrder::default(),
            result_scheme: Scheme::Redis,
            result_ref: None,
            check_stored: true,
            share_errors: true,
            heartbeat_interval: Duration::from_secs(5),
            result_ttl: Duration::from_hours(24),
            io_timeout: Duration::from_secs(5),
            max_runtime: None,
            retries: 0,
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            retention: Duration::from_hours(24),
            rerun_after: Duration::from_millis(500),
            alert_window: Duration::from_secs(10),
            limits: WorkerLimits::default(),
        }
    }

    /// Returns these settings with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut WorkerConfig)) -> WorkerConfig {
        change(&mut self);
        self
    }

    /// Returns the pause before a retry; the first one has the number 1.
    pub(super) fn pause(&self, retry: u32) -> Duration {
        let factor = 1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(factor).min(self.max_backoff)
    }
}

impl Default for WorkerLimits {
    fn default() -> WorkerLimits {
        WorkerLimits {
            parallel: 1,
            queued: 64,
            retained: 10_000,
            cancellations: 1_024,
            context_bytes: 2 << 20,
            result_bytes: 2 << 20,
            job_id_bytes: 256,
            error_bytes: 4 << 10,
            artifacts: 64,
            pointer_bytes: 2 << 10,
            followers: 16,
            alerts: 16,
        }
    }
}
