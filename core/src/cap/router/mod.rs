//! The router of CAP. It accepts jobs from clients, asks the policy, sends the jobs to workers, and makes sure that
//! each job ends.
//!
//! ```text
//!  handle_packet     receive.rs   submit.rs | report.rs | cancel.rs | presence.rs
//!  handle_request    trust.rs                    |
//!  handle_timeout    timeout.rs                  |
//!  handle_wall       wall.rs                     |
//!  host              policy.rs   connection.rs   restore.rs
//!                                     |
//!  rules             admit.rs   answer.rs   retry.rs   settle.rs   alert.rs
//!                                     |
//!  components        Jobs   Queue   Workers   TrustAuthority   Cancelled   Alerts   Timers
//!                                     |
//!  flush.rs          at the end of every input: dispatch.rs sends what waits, old jobs are forgotten, changes are recorded
//!                                     |
//!  poll_output       Outbox, seal.rs
//! ```
//!
//! The path of a job (its states are in `job/state.rs`):
//!
//! ```text
//!  client --sys.job.submit--> router --JOB TOPIC or worker.ID.jobs--> worker --sys.job.result--> client, router
//! ```
//!
//! A worker publishes its result to clients and router itself. The router publishes only the results that it makes:
//! those of jobs that were denied, were cancelled, missed their deadline, or could not be run by any worker.
//!
//! An accepted job is a stored job: with [`RouterConfig::records`], no output is emitted before the record that it
//! depends on is durable. A router that is [restored](Router::restore) from its records continues with the jobs that it
//! has accepted.

mod admit;
mod alert;
mod answer;
mod cancel;
mod cancelled;
pub(crate) mod config;
mod connection;
pub(crate) mod decision;
mod dispatch;
mod flush;
pub(crate) mod job;
mod jobs;
mod keys;
mod outbox;
pub(crate) mod output;
mod policy;
mod presence;
mod queue;
mod receive;
pub(crate) mod record;
mod report;
mod restore;
mod retry;
mod seal;
mod settle;
mod submit;
mod timeout;
mod timers;
mod trust;
pub(crate) mod view;
mod wall;
mod workers;

use alloc::sync::Arc;

use self::cancelled::Cancelled;
use self::config::RouterConfig;
use self::jobs::Jobs;
use self::outbox::Outbox;
use self::output::{RouterOutput, RouterTimer};
use self::queue::Queue;
use self::timers::Timers;
use self::workers::Workers;
use crate::cap::signature::alert::Alerts;
use crate::cap::signature::profile::ProductionPackets;
use crate::cap::trust::authority::TrustAuthority;
use crate::clock::Clock;
use crate::random::Random;
use crate::time::Time;

/// One router on a bus.
///
/// Packets go in by [`Router::handle_packet`]; the host answers by [`Router::decide`] and [`Router::handle_stored`];
/// everything comes out of [`Router::poll_output`], in one order. See the [contract](crate#the-contract-of-a-machine).
///
/// ```
/// use std::sync::Arc;
///
/// use nuncio_core::cap::{Authentication, BusPacket, ComponentId, JobRequest, MapOrder, PublicKey, Reading, Subject, Timestamp};
/// use nuncio_core::cap::{Router, RouterConfig, RouterOutput, Verifier};
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
/// let config = RouterConfig::new(ComponentId::new("router-1")?, reading, Arc::new(Nothing));
/// let now = Time(1_779_000_000_000_000);
/// let mut router = Router::new(config, [7; 32], now); // with 32 random bytes
/// router.handle_connected(now);
///
/// let request = JobRequest { job_id: "job-1".into(), topic: "job.echo".into(), ..JobRequest::default() };
/// let packet = BusPacket {
///     trace_id: "trace-1".into(),
///     sender_id: "client-1".into(),
///     created_at: Some(Timestamp::from_time(now)),
///     protocol_version: 1,
///     payload: Some(request.into()),
///     ..BusPacket::default()
/// };
/// let submitted = packet.encode(MapOrder::Lexicographic);
/// router.handle_packet(now, &Subject::JobSubmit, &submitted, None);
/// let topic = Subject::parse("job.echo")?;
/// let mut outputs = core::iter::from_fn(|| router.poll_output());
/// assert!(outputs.any(|output| {
///     matches!(output, RouterOutput::Publish { subject, bytes } if subject == topic && bytes == submitted)
/// }));
/// # Ok::<(), nuncio_core::cap::InvalidSubject>(())
/// ```
#[derive(Clone, Debug)]
pub struct Router {
    config: Arc<RouterConfig>,
    random: Random,
    clock: Clock,
    jobs: Jobs,
    queue: Queue,
    workers: Workers,
    /// When each worker has sent a heartbeat on this connection of the bus, so that all are known.
    acquainted: Time,
    /// Gives sessions to workers, if the settings say so.
    trust: Option<TrustAuthority>,
    /// Packets of the production profile, if the settings ask for it.
    production: Option<ProductionPackets>,
    cancelled: Cancelled,
    alerts: Alerts,
    outbox: Outbox,
    timers: Timers,
}

impl Router {
    /// Returns a router without jobs whose bus is not there yet. The same seed and the same inputs give the same outputs,
    /// byte for byte, if the signer is deterministic.
    pub fn new(config: RouterConfig, seed: [u8; 32], now: Time) -> Router {
        Router {
            trust: config.trust.authority().cloned(),
            production: config.trust.production().map(|production| ProductionPackets::new(production.terms)),
            config: Arc::new(config),
            random: Random::new(seed),
            clock: Clock::new(now),
            jobs: Jobs::default(),
            queue: Queue::default(),
            workers: Workers::default(),
            acquainted: Time::MAX,
            cancelled: Cancelled::default(),
            alerts: Alerts::default(),
            outbox: Outbox::default(),
            timers: Timers::default(),
        }
    }

    /// Returns the next output, if there is one. Outputs are acted on in this order. What depends on a record comes out after
    /// [`Router::handle_stored`].
    pub fn poll_output(&mut self) -> Option<RouterOutput> {
        let output = self.outbox.poll()?;
        Some(self.freshen(output))
    }

    /// Returns the next deadline and its reason. [`Router::handle_timeout`] is called when it has passed.
    pub fn poll_timeout(&self) -> Option<(Time, RouterTimer)> {
        self.timers.next()
    }

    /// Returns the settings that the router was made with.
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }
}
