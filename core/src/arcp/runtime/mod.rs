//! The runtime of ARCP. It is composed of components such as connections, sessions and jobs, and dispatches every input
//! once.
//!
//! ```text
//!  handle_frame     dispatch.rs   hello.rs resume.rs | submit.rs retry.rs | cancel.rs | question_answer.rs | status.rs ...
//!  handle_timeout   timeout.rs                |
//!  host commands    answer.rs handover.rs emit.rs result.rs delegate.rs authorize.rs approve.rs ask.rs rotate.rs revoke.rs replay.rs status.rs
//!                                             |
//!  components       Conns  Sessions  Jobs  Agents  Idempotency  Credentials  Durability  Replays  StatusRequests
//!                                             |
//!  flush.rs         at the end of every input: agents that may go on, jobs that got a slot, frames that may be sent
//!                                             |
//!  poll_output      Outputs
//! ```
//!
//! A component owns its state: its fields are private, and it keeps its own indices and counters. The handlers are
//! methods of [`Runtime`], each in the file that is named after what it does. They call components, and mark the work
//! that is left for the flush. Calls between handlers form no cycle.

mod access;
mod ack;
mod agents;
mod answer;
mod append;
mod approve;
mod ask;
mod asked;
mod authorize;
mod cancel;
mod cancellation;
mod clock;
mod close;
pub(crate) mod config;
mod conns;
mod credentials;
mod delegate;
mod dispatch;
mod drain;
mod durability;
mod emit;
mod end;
pub(crate) mod event;
mod evict;
mod family;
mod flush;
mod guest;
pub(crate) mod handover;
mod hello;
mod history;
pub(crate) mod host;
mod idempotency;
mod inquiries;
pub(crate) mod jobs;
mod journal;
mod line;
mod list;
mod listing;
mod liveness;
mod memory;
mod note;
mod outputs;
mod page;
pub(crate) mod policy;
mod question_answer;
mod question_list;
mod quota;
mod rates;
pub(crate) mod record;
mod refuse;
mod relay;
mod replay;
mod replays;
mod reply;
mod reserve;
mod restore;
mod result;
mod resume;
mod retry;
mod revoke;
mod rotate;
mod session_list;
mod sessions;
pub(crate) mod shard;
mod shares;
mod shutdown;
mod slots;
pub(crate) mod stats;
mod status;
mod status_requests;
mod stored;
mod submit;
mod subscribe;
mod timeout;
mod timers;
mod turn;
mod unfinished;
mod validate;
mod wall;
mod watch;
mod work;

use alloc::sync::Arc;

use self::agents::Agents;
use self::clock::Clock;
use self::config::Config;
use self::conns::Conns;
use self::credentials::Credentials;
use self::drain::Drain;
use self::durability::Durability;
use self::event::{Event, Output, Timer};
use self::host::{JobKey, JobView, Refused};
use self::idempotency::Idempotency;
use self::inquiries::Inquiries;
use self::jobs::Jobs;
use self::jobs::state::JobState;
use self::memory::Memory;
use self::outputs::Outputs;
use self::rates::Rates;
use self::replays::Replays;
pub use self::restore::Restored;
use self::sessions::Sessions;
use self::sessions::session::Session;
use self::sessions::state::SessionState;
use self::stats::{AgentStats, Stats, Totals};
use self::status_requests::StatusRequests;
use self::timers::{Deadline, Timers};
use self::unfinished::Unfinished;
use self::work::Work;
use super::wire::agent::AgentSpec;
use super::wire::ids::JobUlid;
use crate::random::Random;
use crate::time::Time;

/// All connections, sessions and jobs of one ARCP runtime.
///
/// The transport is reported by the `handle_*` methods, which are total. The other methods are the host's commands and
/// answers. All outputs come from [`Runtime::poll_output`], in one order. See the
/// [contract](crate#the-contract-of-a-machine).
///
/// ```
/// use nuncio_core::arcp::{AgentSpec, Config, Output, Runtime, Via};
/// use nuncio_core::time::Time;
///
/// let now = Time(1_779_000_000_000_000);
/// let mut runtime = Runtime::new(Config::default(), [7; 32], now);
/// runtime.register(AgentSpec::new("greet"))?;
///
/// let conn = runtime.handle_open(now, Via::Memory);
/// runtime.handle_frame(now, conn, b"not JSON");
/// let mut outputs = core::iter::from_fn(|| runtime.poll_output());
/// assert!(outputs.any(|output| matches!(output, Output::Send { frame, .. } if frame.starts_with(b"{\"arcp\":"))));
/// # Ok::<(), nuncio_core::arcp::Refused>(())
/// ```
#[derive(Clone, Debug)]
pub struct Runtime {
    config: Arc<Config>,
    random: Random,
    clock: Clock,
    conns: Conns,
    sessions: Sessions,
    jobs: Jobs,
    agents: Agents,
    idempotency: Idempotency,
    credentials: Credentials,
    durability: Durability,
    replays: Replays,
    outputs: Outputs,
    timers: Timers,
    /// When ended jobs and idempotency records are next checked for their age.
    eviction: Deadline,
    drain: Drain,
    totals: Totals,
    work: Work,
    unfinished: Unfinished,
    memory: Memory,
    submits: Rates<Arc<str>>,
    status_requests: StatusRequests,
    inquiries: Inquiries,
}

impl Runtime {
    /// Returns a runtime without agents. The same seed and the same inputs give the same outputs, byte for byte.
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Runtime {
        Runtime {
            random: Random::new(seed),
            clock: Clock::new(now),
            conns: Conns::default(),
            sessions: Sessions::default(),
            jobs: Jobs::default(),
            agents: Agents::new(config.shards > 1),
            idempotency: Idempotency::default(),
            credentials: Credentials::default(),
            durability: Durability::new(&config),
            replays: Replays::default(),
            inquiries: Inquiries::default(),
            outputs: Outputs::default(),
            timers: Timers::default(),
            eviction: Deadline::new(Timer::Eviction),
            drain: Drain::default(),
            totals: Totals::default(),
            work: Work::default(),
            unfinished: Unfinished::default(),
            memory: Memory::default(),
            submits: Rates::default(),
            status_requests: StatusRequests::new(now),
            config: Arc::new(config),
        }
    }

    /// Offers an agent (§7.5). One of the same name is replaced; its jobs go on.
    ///
    /// Errors: [`Refused::Invalid`] for a name, a version or a default that §7.5 does not allow.
    pub fn register(&mut self, spec: AgentSpec) -> Result<(), Refused> {
        validate::agent_spec(&spec)?;
        self.agents.register(spec);
        Ok(())
    }

    /// Returns the next output, if there is one. Outputs are acted on in this order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.poll()
    }

    /// Returns the next deadline and its reason. [`Runtime::handle_timeout`] is called when it has passed.
    pub fn poll_timeout(&self) -> Option<(Time, Timer)> {
        self.timers.next()
    }

    /// Returns a job, while it is kept.
    pub fn job(&self, id: JobKey) -> Option<JobView<'_>> {
        let job = self.jobs.get(id)?;
        let accepted = job.accepted();
        Some(JobView {
            id: accepted.id,
            session: job.owner().and_then(|key| self.sessions.get(key)).map(Session::id),
            principal: &accepted.principal,
            agent: &accepted.agent,
            version: accepted.version.as_deref(),
            state: job.state(),
            input: job.input(),
            lease: &accepted.lease,
            expires_at: accepted.expires_at,
            deadline: job.runtime_deadline(),
            budget: self.jobs.budget_of(id),
            granted: job.granted(),
            credentials: self.credentials.of(id),
            trace_id: accepted.trace_id,
            created_at: accepted.created_at,
            extensions: job.extensions(),
            restarts: job.restarts(),
            note: job.note(),
            parent: job.parent(),
            delegate_id: accepted.delegate_id.as_deref(),
        })
    }

    /// Returns the job of a wire id, while it is kept.
    pub fn find(&self, id: JobUlid) -> Option<JobKey> {
        self.jobs.find(id)
    }

    /// Returns the configuration the runtime was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the bytes this runtime holds, without constant overheads per entry: bounded by the limits of its
    /// [`Config`].
    pub fn bytes_held(&self) -> usize {
        self.conns.held()
            + self.sessions.held()
            + self.jobs.held()
            + self.idempotency.held()
            + self.credentials.held()
            + self.replays.held()
            + self.inquiries.held()
            + self.timers.held()
            + self.unfinished.held()
            + self.submits.held()
            + self.status_requests.held()
    }

    /// Returns what the runtime holds and has counted. It visits every session and job, so it should be called for a
    /// scrape, not for every frame.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            connections: self.conns.len(),
            questions_open: self.jobs.open_questions(),
            bytes_held: self.bytes_held(),
            totals: self.totals,
            ..Stats::default()
        };
        for session in self.sessions.iter() {
            match session.state() {
                SessionState::Live => stats.sessions_live += 1,
                SessionState::Detached => stats.sessions_detached += 1,
                SessionState::Closed => {}
            }
        }
        for job in self.jobs.iter() {
            match job.state() {
                JobState::Asked | JobState::Pending => stats.jobs_pending += 1,
                JobState::Running => stats.jobs_running += 1,
                JobState::Cancelling => stats.jobs_cancelling += 1,
                JobState::Success | JobState::Error | JobState::Cancelled | JobState::TimedOut => stats.jobs_kept += 1,
                JobState::Gone | JobState::Left => {}
            }
        }
        stats
    }

    /// Returns what the runtime holds and has counted for each of its agents, in the order of their names.
    ///
    /// Jobs of an agent that is not registered, as after a restart without it, are counted by [`Runtime::stats`] alone.
    pub fn agent_stats(&self) -> impl Iterator<Item = AgentStats> {
        self.agents.stats()
    }

    /// Queues an event for the host.
    fn event(&mut self, event: Event) {
        self.outputs.event(event);
    }
}
