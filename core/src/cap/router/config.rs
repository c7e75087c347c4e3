//! The settings of a router: who it is, how it sends jobs to workers, and its limits.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use crate::cap::signature::generic::Reading;
use crate::cap::signature::host::{Signer, Verifier};
use crate::cap::signature::profile::{Peers, Production};
use crate::cap::trust::authority::TrustAuthority;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::subject::ComponentId;

/// How a job gets to a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dispatch {
    /// A job is published on its topic, and the bus gives it to one worker of the queue group. No heartbeats or handshakes
    /// are needed.
    #[default]
    Queue,
    /// A job is published on the direct subject of the live worker with the least load that serves its topic, and waits
    /// while all of them are full (spec/05).
    LeastLoaded,
}

/// Who decides whether a job may run (spec/06).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// All jobs may run.
    #[default]
    AllowAll,
    /// The host is asked about each job by [`RouterEvent::Check`](super::output::RouterEvent::Check).
    Ask,
}

/// What the router does with a job whose worker is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostWorker {
    /// It is sent again.
    #[default]
    Retry,
    /// It fails.
    Fail,
}

/// Whether the router gives trust sessions to workers, and whether workers need one (2.17, spec/14).
///
/// With trust, the router sends requests under its own signature, because workers with a trust session accept packets
/// only from their scheduler. Its [`signer`](RouterConfig::signer) has the key that the workers have pinned. The
/// authority contains the enrolled workers; its id is the id of the router.
#[derive(Clone, Debug, Default)]
pub enum RouterTrust {
    /// The router gives no sessions.
    #[default]
    Off,
    /// It gives sessions, and workers without one get jobs too. This mode is for the time while workers are being
    /// enrolled.
    Offer(Box<TrustAuthority>),
    /// Only workers with a session get jobs, and only of topics that their enrollment allows. Their packets have to carry
    /// the token of their session. The router chooses the worker of each job, as with [`Dispatch::LeastLoaded`].
    Require(Box<TrustAuthority>),
    /// The same, and packets about jobs have the form of the production profile (spec/19): submissions and cancellations are
    /// sealed by the submitter, requests by the router, and results and progress by the worker, each for the subject that it
    /// comes on. A job goes to workers of its tenant alone.
    Production(Box<TrustAuthority>, RouterProduction),
}

/// How a router speaks the production profile (2.17, spec/19).
#[derive(Clone, Debug, Default)]
pub struct RouterProduction {
    /// How packets are sent and admitted.
    pub terms: Production,
    /// Whose submissions and cancellations are admitted. [`RouterConfig::operators`] have to be among them.
    pub submitters: Peers,
}

impl RouterTrust {
    /// Returns whether workers need a session.
    pub const fn is_required(&self) -> bool {
        match self {
            RouterTrust::Off | RouterTrust::Offer(_) => false,
            RouterTrust::Require(_) | RouterTrust::Production(..) => true,
        }
    }

    /// Returns the terms of the production profile, if it is spoken.
    pub(super) const fn production(&self) -> Option<&RouterProduction> {
        match self {
            RouterTrust::Production(_, production) => Some(production),
            RouterTrust::Off | RouterTrust::Offer(_) | RouterTrust::Require(_) => None,
        }
    }

    /// Returns the authority that a router begins with.
    pub(super) fn authority(&self) -> Option<&TrustAuthority> {
        match self {
            RouterTrust::Off => None,
            RouterTrust::Offer(authority) | RouterTrust::Require(authority) | RouterTrust::Production(authority, _) => {
                Some(authority)
            }
        }
    }
}

/// The settings of a [`Router`](super::Router).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouterConfig {
    /// The id of the router, which is the sender of its packets.
    pub id: ComponentId,
    /// How packets are read, and whose are accepted.
    pub reading: Reading,
    /// Verifies the packets that are read.
    pub verifier: Arc<dyn Verifier>,
    /// Signs the packets that are sent. Default: none, and packets are sent unsigned.
    pub signer: Option<Arc<dyn Signer>>,
    /// The order of map entries in the packets that are sent. Default: lexicographic.
    pub map_order: MapOrder,
    /// How a job gets to a worker. Default: by the queue group of its topic.
    pub dispatch: Dispatch,
    /// Whether requests are sent to workers under the router's own signature, with the dispatch that they belong to.
    /// Default: false, and the packet of the submitter is sent unchanged, with its signature, unless there is `trust`.
    pub resign: bool,
    /// Whether the router gives trust sessions to workers, and whether workers need one. Default: off.
    pub trust: RouterTrust,
    /// Who decides whether a job may run. Default: all jobs may.
    pub policy: Policy,
    /// The senders that may cancel every job. Default: none; a submitter can cancel its own jobs.
    pub operators: BTreeSet<String>,
    /// Whether jobs are recorded, so that they outlive the router. Default: false.
    pub records: bool,
    /// Whether workers run a job once even if its request arrives several times, as the specification requires
    /// (spec/03) and the workers of this crate do. If so, the router sends a worker its jobs again whenever results may
    /// have been missed. The workers of the Python SDK run such a job again. Default: true.
    pub workers_deduplicate: bool,
    /// What the router does with a job whose worker is lost. Default: it is sent again.
    pub lost_worker: LostWorker,

    /// The time that the policy may take. Without an answer the job is denied. Default: 5 s.
    pub check_timeout: Duration,
    /// The time that a person may take to approve a job. Default: 24 h.
    pub approval_timeout: Duration,
    /// The time for which a job waits for a live worker that serves its topic, if the router chooses the worker. With
    /// [`Dispatch::Queue`] workers need not announce themselves, so a job of a topic that no worker serves ends like every
    /// job of which nothing is heard: after [`dispatch_timeout`](RouterConfig::dispatch_timeout), once for each dispatch.
    /// Default: 30 s.
    pub worker_wait: Duration,
    /// The time after which a job is sent again if nothing was heard of it. Progress counts, and a heartbeat of its
    /// worker that reports active jobs. If the workers send neither, this time must be longer than the longest job.
    /// Workers of this crate send a sign of each job with every heartbeat, so their heartbeats alone do not count. If
    /// all workers send signs, a job without a first sign is sent again as soon as a silent worker would be lost: after
    /// `missed_heartbeats` times `heartbeat_interval`. Default: 60 s.
    pub dispatch_timeout: Duration,
    /// How often a job is sent again because nothing was heard of it or its worker was lost. Default: 3.
    pub redispatches: u32,
    /// How often a job that has failed and can be tried again is sent again. Default: 2.
    pub retries: u32,
    /// The pause before a job is sent again for the first time; each further pause is twice as long. Unless the router
    /// signs requests itself, the pause must be longer than
    /// [`WorkerConfig::rerun_after`](crate::cap::WorkerConfig::rerun_after). Default: 1 s.
    pub backoff: Duration,
    /// The longest pause before a job is sent again. Default: 60 s.
    pub max_backoff: Duration,
    /// The longest time from the first dispatch of a job to its result, if its budget has no earlier deadline. Default:
    /// none.
    pub max_runtime: Option<Duration>,
    /// How long the router waits for a result after the deadline of a job, because the worker ends the job itself.
    /// Default: 5 s.
    pub deadline_grace: Duration,
    /// The time that a worker may take to end a job that was cancelled. Default: 30 s.
    pub cancel_timeout: Duration,
    /// The time between the heartbeats of workers. Default: 5 s.
    pub heartbeat_interval: Duration,
    /// How many heartbeats a worker misses until it is lost. Default: 3 (spec/05).
    pub missed_heartbeats: u32,
    /// The time for which an ended job is remembered, so that a request that is repeated gets the same result. Default:
    /// 24 h.
    pub retention: Duration,
    /// The time in which at most [`RouterLimits::alerts`] alerts are sent. Default: 10 s.
    pub alert_window: Duration,

    /// The bounds of everything that the router holds.
    pub limits: RouterLimits,
}

/// The limits of a [`Router`](super::Router). A job beyond one of them fails at once and can be tried again, unless it says
/// otherwise.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RouterLimits {
    /// Jobs that have not ended. Default: 10 000.
    pub jobs: usize,
    /// Jobs of one topic that have not ended. Default: 10 000.
    pub topic_jobs: usize,
    /// Total bytes of the packets of these jobs. Default: 64 MiB.
    pub live_bytes: usize,
    /// Bytes of the packet of one job; a larger one fails for good. Default: 1 MiB.
    pub job_bytes: usize,
    /// Bytes of a job id; a packet with a longer one is refused. Default: 256.
    pub job_id_bytes: usize,
    /// Ended jobs that are remembered; the oldest are forgotten first. Default: 10 000.
    pub retained: usize,
    /// Bytes of the results of ended jobs; the oldest are forgotten first. Default: 64 MiB.
    pub retained_bytes: usize,
    /// The latest progress packets of a job that are kept for a request that is repeated. Default: 1.
    pub progress: usize,
    /// Bytes of a progress packet that is kept; a larger one is not. Default: 16 KiB.
    pub progress_bytes: usize,
    /// Requests with the same idempotency key that get the result of the first. Default: 16.
    pub followers: usize,
    /// Jobs that are cancelled together with a job that has asked for them. Default: 1 024.
    pub children: usize,
    /// Cancellations of jobs that the router does not know, which may arrive before their request; the latest are kept.
    /// Default: 1 024.
    pub cancellations: usize,
    /// Workers; the heartbeats and handshakes of further ones are refused. Default: 4 096.
    pub workers: usize,
    /// Topics of a worker; further ones are not noted. Default: 256.
    pub worker_topics: usize,
    /// Alerts that are sent in an [`RouterConfig::alert_window`]; further ones are dropped. Default: 16.
    pub alerts: usize,
    /// Bytes of a reason or an error message; a longer one is cut. Default: 4 KiB.
    pub error_bytes: usize,
    /// Outputs that wait for the store. While this limit is reached, packets are neither read nor acknowledged.
    /// Default: 16 384.
    pub unstored: usize,
}

impl RouterConfig {
    /// Creates the default settings.
    pub fn new(id: ComponentId, reading: Reading, verifier: Arc<dyn Verifier>) -> RouterConfig {
        RouterConfig {
            id,
            reading,
            verifier,
            signer: None,
            map_order: MapOrder::default(),
            dispatch: Dispatch::default(),
            resign: false,
            trust: RouterTrust::default(),
            policy: Policy::default(),
            operators: BTreeSet::new(),
            records: false,
            workers_deduplicate: true,
            lost_worker: LostWorker::default(),
            check_timeout: Duration::from_secs(5),
            approval_timeout: Duration::from_hours(24),
            worker_wait: Duration::from_secs(30),
            dispatch_timeout: Duration::from_mins(1),
            redispatches: 3,
            retries: 2,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_mins(1),
            max_runtime: None,
            deadline_grace: Duration::from_secs(5),
            cancel_timeout: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(5),
            missed_heartbeats: 3,
            retention: Duration::from_hours(24),
            alert_window: Duration::from_secs(10),
            limits: RouterLimits::default(),
        }
    }

    /// Returns these settings with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut RouterConfig)) -> RouterConfig {
        change(&mut self);
        self
    }

    /// Returns whether requests are sent to workers under the router's own signature.
    pub(super) const fn resigns(&self) -> bool {
        self.resign || !matches!(self.trust, RouterTrust::Off)
    }

    /// Returns how jobs get to workers.
    pub(super) fn dispatches(&self) -> Dispatch {
        if self.trust.is_required() { Dispatch::LeastLoaded } else { self.dispatch }
    }

    /// Returns the pause before a job is sent again; the first time has the number 1.
    pub(super) fn pause(&self, time: u32) -> Duration {
        let factor = 1_u32.checked_shl(time.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(factor).min(self.max_backoff)
    }

    /// Returns the time without a heartbeat after which a worker is lost.
    pub(super) fn worker_timeout(&self) -> Duration {
        self.heartbeat_interval.saturating_mul(self.missed_heartbeats)
    }
}

impl Default for RouterLimits {
    fn default() -> RouterLimits {
        RouterLimits {
            jobs: 10_000,
            topic_jobs: 10_000,
            live_bytes: 64 << 20,
            job_bytes: 1 << 20,
            job_id_bytes: 256,
            retained: 10_000,
            retained_bytes: 64 << 20,
            progress: 1,
            progress_bytes: 16 << 10,
            followers: 16,
            children: 1_024,
            cancellations: 1_024,
            workers: 4_096,
            worker_topics: 256,
            alerts: 16,
            error_bytes: 4 << 10,
            unstored: 16_384,
        }
    }
}
