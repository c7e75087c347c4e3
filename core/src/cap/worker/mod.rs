//! The worker of CAP: it takes job requests from the bus, runs each job once, and publishes its result.
//!
//! ```text
//!  handle_packet     receive.rs   request.rs, rerun.rs | cancel.rs
//!  handle_timeout    timeout.rs       |
//!  handle_wall       wall.rs          |
//!  host              answer.rs  progress.rs  announce.rs  drain.rs  trust.rs
//!                                     |
//!  components        Jobs   Cancelled   Presence   Phase   Alerts   Profile   TrustSession   Timers
//!                                     |
//!  flush.rs          at the end of every input: what the trust session says, jobs that get a slot, and the end of a drain
//!                                     |
//!  poll_output       Outbox, seal.rs
//! ```
//!
//! Packets are sealed when they are polled, with the token that is valid then. `Profile` reads and writes them in the
//! generic form, which every version has, or in the form of the production profile.

mod alert;
mod announce;
mod answer;
mod artifacts;
mod cancel;
mod cancelled;
mod capability;
pub(crate) mod config;
mod drain;
mod flush;
mod held;
pub(crate) mod job;
mod jobs;
mod outbox;
pub(crate) mod output;
mod phase;
mod presence;
mod profile;
mod progress;
mod receive;
mod request;
mod rerun;
mod seal;
mod settle;
mod timeout;
mod timers;
mod trust;
mod wall;

use alloc::sync::Arc;

use bytes::Bytes;

use self::cancelled::Cancelled;
use self::config::WorkerConfig;
use self::job::state::WorkerJobState;
use self::jobs::Jobs;
use self::outbox::Outbox;
use self::output::{WorkerJob, WorkerTimer};
use self::phase::Phase;
use self::presence::Presence;
use self::profile::{Profile, trust_session};
use self::timers::{Deadline, Timers};
use super::signature::alert::Alerts;
use super::trust::session::TrustSession;
use crate::cap::wire::job::JobRequest;
use crate::clock::Clock;
use crate::random::Random;
use crate::time::Time;

/// One worker on a bus.
///
/// Packets go in by [`Worker::handle_packet`]; the host answers by [`Worker::fetched`], [`Worker::looked`],
/// [`Worker::finish`], [`Worker::fail`] and [`Worker::stored`]; everything comes out of [`Worker::poll_output`], in one order. See the
/// [contract](crate#the-contract-of-a-machine).
///
/// A request that comes again is not run again: it gets the result that the job has or will have. So does a request with
/// the same idempotency key, while the job is remembered. Only a job that has failed and can be tried again is run again, for
/// its next attempt; see [`WorkerConfig::rerun_after`]. If it is not remembered, as after a restart, and its output is
/// stored, the result names that output, and the handler is not called; see [`WorkerConfig::check_stored`].
///
/// ```
/// use std::sync::Arc;
///
/// use nuncio_core::cap::{Authentication, ComponentId, PublicKey, Reading, Subject, Topic, Verifier};
/// use nuncio_core::cap::{Worker, WorkerConfig, WorkerOutput};
/// use nuncio_core::time::Time;
///
/// #[derive(Debug)]
/// struct Nothing; // a verifier is not asked about unsigned packets
/// impl Verifier for Nothing {
///     fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
///         false
///     }
/// }
///
/// let reading = Reading::new(Authentication::Unsigned);
/// let echo = Topic::new("job.echo")?;
/// let config = WorkerConfig::new(ComponentId::new("worker-1")?, reading, Arc::new(Nothing))
///     .with(|config| _ = config.topics.insert(echo.clone()));
/// let mut worker = Worker::new(config, [7; 32], Time(1_779_000_000_000_000)); // with 32 random bytes
/// worker.handle_connected(Time(1_779_000_000_000_000));
/// let first = worker.poll_output();
/// assert!(matches!(first, Some(WorkerOutput::Subscribe { subject: Subject::Topic(topic), group: true }) if topic == echo));
/// # Ok::<(), nuncio_core::cap::InvalidSubject>(())
/// ```
#[derive(Clone, Debug)]
pub struct Worker {
    config: Arc<WorkerConfig>,
    random: Random,
    clock: Clock,
    phase: Phase,
    presence: Presence,
    jobs: Jobs,
    cancelled: Cancelled,
    profile: Profile,
    alerts: Alerts,
    trust: Option<TrustSession>,
    /// The next deadline of the trust session.
    trust_due: Deadline,
    outbox: Outbox,
    timers: Timers,
}

/// A job, as the host sees it.
#[derive(Clone, Copy, Debug)]
pub struct WorkerJobView<'a> {
    /// The id that its submitter chose.
    pub job_id: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// The trace.
    pub trace_id: &'a str,
    /// The sender of the request.
    pub sender_id: &'a str,
    /// The request; absent once the job has its result.
    pub request: Option<&'a JobRequest>,
    /// The input; absent if the request has no pointer to one, or it was not read yet.
    pub input: Option<&'a Bytes>,
    /// The number of the handler's call, counted from 1, while the handler runs.
    pub call: u32,
    /// The deadline of the job, if it has one.
    pub deadline: Option<Time>,
    /// Where the job stands.
    pub state: WorkerJobState,
}

impl Worker {
    /// Returns a worker whose bus is not there yet. The same seed and the same inputs give the same outputs, byte for byte,
    /// if the signer is deterministic.
    pub fn new(config: WorkerConfig, seed: [u8; 32], now: Time) -> Worker {
        Worker {
            profile: Profile::new(&config),
            trust: trust_session(&config, seed, now),
            trust_due: Deadline::new(WorkerTimer::Trust, None),
            config: Arc::new(config),
            random: Random::new(seed),
            clock: Clock::new(now),
            phase: Phase::Serving,
            presence: Presence::new(),
            jobs: Jobs::default(),
            cancelled: Cancelled::default(),
            alerts: Alerts::default(),
            outbox: Outbox::default(),
            timers: Timers::default(),
        }
    }

    /// Returns the next deadline and its reason. [`Worker::handle_timeout`] is called when it has passed.
    pub fn poll_timeout(&self) -> Option<(Time, WorkerTimer)> {
        self.timers.next()
    }

    /// Returns a job until it is forgotten.
    pub fn job(&self, job: WorkerJob) -> Option<WorkerJobView<'_>> {
        let job = self.jobs.get(job)?;
        let first = job.askers().first()?;
        Some(WorkerJobView {
            job_id: &first.job_id,
            topic: job.topic(),
            trace_id: &first.trace_id,
            sender_id: &first.sender_id,
            request: job.request(),
            input: job.input(),
            call: job.failures().saturating_add(1),
            deadline: job.runtime.at(),
            state: job.state(),
        })
    }

    /// Returns the number of jobs that have a slot.
    pub fn running(&self) -> usize {
        self.jobs.running()
    }

    /// Returns the number of jobs that wait for a slot.
    pub fn queued(&self) -> usize {
        self.jobs.queued()
    }

    /// Returns the number of results that wait until they can be sent.
    pub fn unsent(&self) -> usize {
        self.outbox.unsent()
    }

    /// Returns the settings that the worker was made with.
    pub fn config(&self) -> &WorkerConfig {
        &self.config
    }
}
