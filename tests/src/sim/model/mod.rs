//! The reference model: what must happen according to the specification and core/docs/arcp.md, written without looking
//! at the core.
//!
//! For every session and every job that the session is shown, it predicts the exact sequence of events and the
//! terminal; it also predicts the answers of `authorize`, the budget of every family, and the causes by which a job may
//! end. It knows nothing of connections, credit or logs: those decide when something is shown, never what.

mod approvals;
mod authority;
mod crash;
mod entry;
mod jobs;
mod questions;
pub(super) mod rules;
mod watches;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nuncio_core::arcp::{JobUlid, ReservationId};
use nuncio_core::time::Time;
use serde_json::Value;

use super::lease::{Cents, Counter};
use crate::world::{Frame, SECOND};
pub(super) use approvals::name_of;
pub(super) use crash::Recovered;
pub(super) use entry::{Ending, Entry};
pub(super) use questions::{Place, Question};

/// What is predicted for an operation that people have not decided about yet.
pub(super) const NEEDS_APPROVAL: &str = "NEEDS_APPROVAL";

/// §9.5: the time after which a job ends whose lease has expired.
const EXPIRY_GRACE: u64 = SECOND;
/// §7.4: the time that a cancelled agent has to end.
const CANCEL_GRACE: u64 = 30 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Asked,
    Pending,
    Running,
    Cancelling,
    Ended,
}

/// What becomes of a job that had not ended when the runtime was restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interrupted {
    Ends,
    GoesOn,
}

/// A job as core/docs/arcp.md §7 describes it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) principal: String,
    agent: String,
    pub(super) owner: Option<String>,
    pub(super) state: State,
    pub(super) lease: Value,
    pub(super) expires_at: Option<Time>,
    /// When its lease is over, in the time of the runtime: the earliest time at which the wall clock shows `expires_at`, as
    /// it was set since.
    over: Option<Time>,
    pub(super) parent: Option<JobUlid>,
    /// The features of its first owner; a child has those of its parent (§10).
    pub(super) features: BTreeSet<String>,
    delegate_id: Option<String>,
    key: Option<(String, String)>,
    budget: Option<BTreeMap<String, Counter>>,
    /// The currency and amount of each reservation that is open.
    reservations: BTreeMap<ReservationId, (String, Cents)>,
    max_runtime: Option<u64>,
    accepted_at: Time,
    started: Option<Time>,
    grace: Option<Time>,
    /// Whether an operation was refused as expired, so that the job can only end with `LEASE_EXPIRED` (§9.5).
    doomed: bool,
    /// What the restart means for the job, if the runtime was restarted before the job ended.
    interrupted: Option<Interrupted>,
    /// The runs that a restart has interrupted.
    restarts: u32,
    waiters: Vec<String>,
    history: Vec<Entry>,
    /// The outcome that the agent has reported, until the terminal is sent.
    planned: Option<Ending>,
    pub(super) ending: Option<Ending>,
    chunks: u64,
    bytes: u64,
    collected: String,
    pub(super) closed_stream: bool,
}

/// What a session is shown of a job.
#[derive(Clone, Debug, Default)]
struct Watch {
    /// The entries that it is shown, each with its place in the job's history.
    expected: Vec<(usize, Entry)>,
    sent: usize,
    /// Whether new events are added.
    live: bool,
    /// Whether further entries cannot be predicted: the subscription was repeated, or ended in the middle.
    unpredictable: bool,
    subscriber: bool,
    /// The number of subscriptions that were decided, and of those whose answer was sent.
    decided: u32,
    answered: u32,
}

#[derive(Clone, Debug, Default)]
struct Session {
    principal: String,
    features: BTreeSet<String>,
    acked: bool,
    watches: BTreeMap<JobUlid, Watch>,
}

/// The origin of a job.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Submit { session: String, payload: Value },
    Child { parent: JobUlid, delegate_id: String, agent: String, lease: Value, expires_at: Option<Time> },
}

#[derive(Clone, Debug)]
struct KeyRecord {
    job: JobUlid,
    params: Value,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    sessions: BTreeMap<String, Session>,
    pub(super) jobs: BTreeMap<JobUlid, Job>,
    keys: HashMap<(String, String), KeyRecord>,
    source: Option<Source>,
    /// The microseconds by which the wall clock is ahead.
    wall_offset: i64,
    /// Whether the runtime is being stopped, which ends all jobs that do not go on after a restart.
    stopping: bool,
    /// The subscribe that is processed in this step: session, job, history.
    subscribing: Option<(String, JobUlid, bool)>,
    /// The submit that is repeated in this step.
    resubmitted: Option<(String, JobUlid)>,
    sent: Vec<(String, Frame)>,
    /// Jobs that ended because an ancestor ends, which must be true at the end of the step.
    orphans: Vec<JobUlid>,
    /// Closed sessions: a crash may lose the record of their closing.
    closed_sessions: BTreeMap<String, Session>,
    /// Jobs whose `job.accepted` was sent, and those whose `job.cancelled` was sent.
    accepted_sent: BTreeSet<JobUlid>,
    cancelled_sent: BTreeSet<JobUlid>,
    /// The questions of all jobs, by their ids on the wire.
    asked: BTreeMap<(JobUlid, String), questions::Asked>,
    /// The answers to questions whose reply was sent.
    taken: BTreeMap<(JobUlid, String), Value>,
    /// The operations that people approve before a job does them, as the patterns of a lease.
    marks: Value,
    /// The principals that watch every job and answer its questions.
    approvers: BTreeSet<String>,
    /// The principals that cancel every job and read the state of the runtime.
    operators: BTreeSet<String>,
}

impl Model {
    /// Creates the model of a runtime with operations that people approve first, with approvers and operators.
    pub(super) fn new(marks: &str, approvers: BTreeSet<String>, operators: BTreeSet<String>) -> Model {
        let marks = serde_json::from_str(marks).expect("JSON");
        Model { marks, approvers, operators, ..Model::default() }
    }

    /// A session was welcomed for the first time (§6.2).
    pub(super) fn opened(&mut self, session: &str, principal: &str, features: BTreeSet<String>) {
        let fresh = Session { principal: principal.to_owned(), features, ..Session::default() };
        self.sessions.entry(session.to_owned()).or_insert(fresh);
    }

    /// A session closed: its jobs continue without an owner (§6.7, §6.3).
    pub(super) fn closed(&mut self, session: &str) {
        if let Some(closed) = self.sessions.remove(session) {
            self.closed_sessions.insert(session.to_owned(), closed);
        }
        for job in self.jobs.values_mut().filter(|job| job.owner.as_deref() == Some(session)) {
            job.owner = None;
        }
    }

    pub(super) fn knows_session(&self, session: &str) -> bool {
        self.sessions.contains_key(session)
    }

    /// Returns whether a session is one of an operator.
    pub(super) fn is_operated(&self, session: &str) -> bool {
        self.sessions.get(session).is_some_and(|session| self.operators.contains(&session.principal))
    }

    pub(super) fn acked(&mut self, session: &str) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.acked = true;
        }
    }

    pub(super) fn job(&self, id: JobUlid) -> Option<&Job> {
        self.jobs.get(&id)
    }

    pub(super) fn named(&self, id: &str) -> Option<JobUlid> {
        JobUlid::parse(id).filter(|id| self.jobs.contains_key(id))
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (JobUlid, &Job)> {
        let live = self.jobs.iter().filter(|(_, job)| job.state != State::Ended);
        live.map(|(id, job)| (*id, job))
    }

    /// Returns whether the agent may act.
    pub(super) fn runs(&self, id: JobUlid) -> bool {
        self.jobs.get(&id).is_some_and(|job| matches!(job.state, State::Running | State::Cancelling))
    }

    fn job_mut(&mut self, id: JobUlid) -> &mut Job {
        self.jobs.get_mut(&id).expect("the model knows the job")
    }

    /// The request that is processed in this step was refused.
    pub(super) fn refused(&mut self) {
        self.source = None;
        self.subscribing = None;
        self.resubmitted = None;
    }

    /// The step is over: a request that was not answered was refused.
    pub(super) fn step_over(&mut self, now: Time) {
        self.source = None;
        self.subscribing = None;
        if let Some((session, job)) = self.resubmitted.take() {
            self.submitted_again(&session, job);
        }
        for frame in std::mem::take(&mut self.sent) {
            self.compare(&frame.0, &frame.1);
        }
        for orphan in std::mem::take(&mut self.orphans) {
            let mut at = self.jobs[&orphan].parent;
            let mut ended = false;
            while let Some(parent) = at {
                ended |= self.jobs[&parent].state == State::Ended;
                at = self.jobs[&parent].parent;
            }
            rules::only_the_owner_cancels(&self.jobs[&orphan], ended);
        }
        for job in self.jobs.values().filter(|job| job.state != State::Ended) {
            rules::a_returned_job_ends(job);
            if job.state != State::Asked {
                rules::no_job_outlives_its_lease(job, now);
                rules::no_job_outlives_its_grace(job, now);
                rules::no_job_outlives_its_runtime(job, now);
            }
        }
    }
}
