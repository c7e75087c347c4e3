//! The runtime's side of ARCP: it composes connections, sessions and jobs.
//!
//! ```text
//! handle_frame --> frames.rs --> greeting.rs            hello, resume, admit
//!                             |> sessions.rs            ping, ack, close, detach
//!                             |> submit.rs terms.rs     job.submit; repeat.rs: sent before
//!                             |> delegate.rs            delegation
//!                             |> end.rs                 cancel, every way a job ends
//!                             `> watch.rs list.rs       subscribe, list
//! host commands --------------> accept.rs emit.rs stream.rs credentials.rs
//! the journal <---------------> journal.rs replay.rs restore.rs
//! all of them append to logs (emit.rs) and queue replies; pump.rs turns both into Output::Send while there is credit
//! ```

mod accept;
pub(crate) mod config;
pub(crate) mod conn;
mod credentials;
mod delegate;
mod emit;
mod end;
pub(crate) mod event;
mod evict;
mod flush;
mod frames;
mod greeting;
pub(crate) mod host;
pub(crate) mod job;
mod journal;
mod list;
pub(crate) mod log;
mod pump;
pub(crate) mod record;
mod repeat;
mod replay;
mod restore;
pub(crate) mod session;
mod sessions;
pub(crate) mod stats;
mod stream;
mod submit;
mod terms;
mod timeout;
mod timers;
mod watch;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;

use slotmap::{Key, SlotMap};

use self::credentials::Revocation;
use self::flush::Work;
use self::repeat::Record as IdempotencyRecord;
use self::replay::Replay;
pub use self::restore::Restored;
use crate::arcp::runtime::config::Config;
use crate::arcp::runtime::conn::Conn;
use crate::arcp::runtime::event::{Event, Output, Timer};
use crate::arcp::runtime::host::{ConnId, JobId, JobView, Refused, ReplayId, RevocationId, SessionKey};
use crate::arcp::runtime::job::{Job, JobState};
use crate::arcp::runtime::session::{Session, SessionState};
use crate::arcp::runtime::stats::{Stats, Totals};
use crate::arcp::runtime::timers::Timers;
use crate::arcp::wire::agent::AgentSpec;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::{JobUlid, SessionId};
use crate::budget::{Budget, Currency};
use crate::digest::Digest;
use crate::random::Random;
use crate::time::Time;

/// All connections, sessions and jobs of one ARCP runtime.
///
/// Bytes go in by the `handle_*` methods, which are total; the host answers and commands by the others; everything comes
/// out of [`Runtime::poll_output`], in one order. See the [contract](crate#the-contract-of-a-machine).
#[derive(Clone, Debug)]
pub struct Runtime {
    config: Arc<Config>,
    random: Random,
    now: Time,
    outputs: VecDeque<Output>,
    work: Work,
    stored: u64,
    /// The last store that the host reported as durable.
    durable: u64,
    /// Jobs whose agents wait for the journal.
    unstored: BTreeSet<JobId>,
    /// The journal cannot be written: no new work.
    paused: bool,
    conns: SlotMap<ConnId, Conn>,
    ungreeted: usize,
    /// Counts hellos, in the order in which they came.
    hellos: u64,
    sessions: SlotMap<SessionKey, Session>,
    session_ids: BTreeMap<SessionId, SessionKey>,
    tokens: BTreeMap<Digest, SessionKey>,
    /// Sessions per principal.
    principals: BTreeMap<Arc<str>, usize>,
    jobs: SlotMap<JobId, Job>,
    /// Every job that was accepted and is still kept; the ids grow, so this is the order of their making.
    job_ids: BTreeMap<JobUlid, JobId>,
    live_jobs: usize,
    agents: BTreeMap<String, Agent>,
    /// Ended jobs, the oldest first.
    ended: VecDeque<(Time, JobId)>,
    ended_bytes: usize,
    records: BTreeMap<(Arc<str>, Digest), IdempotencyRecord>,
    /// The keys of `records` in the order of their jobs.
    record_order: BTreeMap<JobUlid, (Arc<str>, Digest)>,
    /// Bytes held by records whose job is no longer kept.
    record_bytes: usize,
    revocations: SlotMap<RevocationId, Revocation>,
    /// Digests of the credential values that are good upstream: no other credential may have them.
    values: BTreeSet<Digest>,
    replays: SlotMap<ReplayId, Replay>,
    /// The last jobs that were refused while their host may still answer.
    late: VecDeque<(JobId, JobUlid, Features)>,
    timers: Timers,
    eviction_at: Option<Time>,
    draining: bool,
    drained: bool,
    totals: Totals,
    /// The text of the millisecond it was last asked for.
    stamp: (u64, String),
}

/// How many refused jobs are remembered for an answer that comes late.
const LATE_ANSWERS: usize = 1024;

#[derive(Clone, Debug)]
struct Agent {
    spec: AgentSpec,
    running: u32,
    waiting: VecDeque<JobId>,
}

impl Runtime {
    /// A runtime without agents. The same seed and the same inputs give the same outputs, byte for byte.
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Runtime {
        Runtime {
            config: Arc::new(config),
            random: Random::new(seed),
            now,
            outputs: VecDeque::new(),
            work: Work::default(),
            stored: 0,
            durable: 0,
            unstored: BTreeSet::new(),
            paused: false,
            conns: SlotMap::with_key(),
            ungreeted: 0,
            hellos: 0,
            sessions: SlotMap::with_key(),
            session_ids: BTreeMap::new(),
            tokens: BTreeMap::new(),
            principals: BTreeMap::new(),
            jobs: SlotMap::with_key(),
            job_ids: BTreeMap::new(),
            live_jobs: 0,
            agents: BTreeMap::new(),
            ended: VecDeque::new(),
            ended_bytes: 0,
            records: BTreeMap::new(),
            record_order: BTreeMap::new(),
            record_bytes: 0,
            revocations: SlotMap::with_key(),
            values: BTreeSet::new(),
            replays: SlotMap::with_key(),
            late: VecDeque::new(),
            timers: Timers::default(),
            eviction_at: None,
            draining: false,
            drained: false,
            totals: Totals::default(),
            stamp: (0, Time(0).to_rfc3339()),
        }
    }

    /// Puts an agent on offer (§7.5). One of the same name is replaced; its jobs go on.
    ///
    /// Errors: [`Refused::Invalid`] for a name, a version or a default that §7.5 does not allow.
    pub fn register(&mut self, spec: AgentSpec) -> Result<(), Refused> {
        terms::check_agent(&spec)?;
        match self.agents.get_mut(&spec.name) {
            Some(agent) => agent.spec = spec,
            None => {
                let agent = Agent { running: 0, waiting: VecDeque::new(), spec };
                self.agents.insert(agent.spec.name.clone(), agent);
            }
        }
        Ok(())
    }

    /// The next output, if there is one. Outputs are acted on in this order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next deadline and its reason. [`Runtime::handle_timeout`] is called when it has passed.
    pub fn poll_timeout(&self) -> Option<(Time, Timer)> {
        self.timers.next()
    }

    /// A job, while it is kept.
    pub fn job(&self, id: JobId) -> Option<JobView<'_>> {
        let job = self.jobs.get(id)?;
        Some(JobView {
            id: job.accepted.id,
            session: job.owner.and_then(|key| self.sessions.get(key)).map(|session| session.id),
            principal: &job.accepted.principal,
            agent: &job.accepted.agent,
            version: job.accepted.version.as_deref(),
            state: job.state,
            input: job.input.as_deref(),
            lease: &job.accepted.lease,
            expires_at: job.accepted.expires_at,
            deadline: job.deadlines.runtime,
            budget: self.budget_of(id),
            granted: job.granted.as_ref(),
            credentials: &job.credentials,
            trace_id: job.accepted.trace_id,
            extensions: job.extensions.as_deref(),
            parent: job.parent,
            delegate_id: job.accepted.delegate_id.as_deref(),
        })
    }

    /// The job of a wire id, while it is kept.
    pub fn find(&self, id: JobUlid) -> Option<JobId> {
        self.job_ids.get(&id).copied()
    }

    /// What the runtime was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Bytes this runtime holds, but for constant overheads per entry: bounded by the limits of its [`Config`].
    pub fn bytes_held(&self) -> usize {
        let conns: usize = self.conns.values().map(Conn::held).sum();
        let sessions: usize = self.sessions.values().map(Session::held).sum();
        let jobs: usize = self.jobs.values().map(Job::held).sum();
        conns
            + sessions
            + jobs
            + self.record_bytes
            + self.records.len() * 160
            + self.revocations.len() * 256
            + self.values.len() * 64
            + self.replays.len() * 256
            + self.timers.len() * 32
    }

    /// What the runtime holds and has counted. It looks at every session and job: for a scrape, not for every frame.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            connections: self.conns.len(),
            bytes_held: self.bytes_held(),
            totals: self.totals,
            ..Stats::default()
        };
        for session in self.sessions.values() {
            match session.state {
                SessionState::Live => stats.sessions_live += 1,
                SessionState::Detached => stats.sessions_detached += 1,
                SessionState::Closed => {}
            }
        }
        for job in self.jobs.values() {
            match job.state {
                JobState::Asked | JobState::Pending => stats.jobs_pending += 1,
                JobState::Running => stats.jobs_running += 1,
                JobState::Cancelling => stats.jobs_cancelling += 1,
                JobState::Success | JobState::Error | JobState::Cancelled | JobState::TimedOut => stats.jobs_kept += 1,
                JobState::Gone => {}
            }
        }
        stats
    }

    fn stamp(&mut self) -> &str {
        if self.stamp.0 != self.now.millis() {
            self.stamp = (self.now.millis(), self.now.to_rfc3339());
        }
        &self.stamp.1
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event { event, after: self.stored });
    }

    /// The budgets a job spends from, the nearest first: its own and those above it.
    fn budgets(&self, id: JobId) -> impl Iterator<Item = (JobId, &Budget)> {
        let mut at = Some(id);
        let line = core::iter::from_fn(move || {
            let id = at?;
            let job = self.jobs.get(id)?;
            at = job.parent;
            Some((id, job))
        });
        line.filter_map(|(id, job)| Some((id, job.budget.as_ref()?)))
    }

    /// Whose counter a job spends this currency from: the nearest one's that has it. A lease that names other currencies
    /// alone would else be more than its parent's (§9.4).
    fn purse(&self, id: JobId, currency: &str) -> Option<JobId> {
        self.budgets(id).find(|(_, budget)| budget.remaining_of(currency).is_some()).map(|(holder, _)| holder)
    }

    /// The budget that is shown of a job: its own, or the nearest above it.
    fn budget_of(&self, id: JobId) -> Option<&Budget> {
        self.budgets(id).next().map(|(_, budget)| budget)
    }

    /// A currency of which nothing remains for a job, if there is one.
    fn exhausted(&self, id: JobId) -> Option<&Currency> {
        let mut all = self.budgets(id).flat_map(|(holder, budget)| budget.exhausted().map(move |one| (holder, one)));
        all.find_map(|(holder, currency)| (self.purse(id, currency.as_str()) == Some(holder)).then_some(currency))
    }

    fn arm(&mut self, at: Time, timer: Timer, key: impl Key) {
        self.timers.arm(at, timer, key.data().as_ffi());
    }

    fn disarm(&mut self, at: Option<Time>, timer: Timer, key: impl Key) {
        self.timers.disarm(at, timer, key.data().as_ffi());
    }
}
