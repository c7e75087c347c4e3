//! The reference: what must come of what was put in, after the specification and core/docs/arcp.md, written without a
//! look at the core.
//!
//! It foretells, for every session and every job that session is shown, the exact sequence of events and the terminal;
//! the answers of `authorize`; the budget of every family; and by which causes a job may end. It knows nothing of
//! connections, credit or logs: those decide when something is shown, never what.

mod crash;
mod entry;
mod jobs;
mod money;
mod watches;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nuncio_core::arcp::JobUlid;
use nuncio_core::time::Time;
use serde_json::Value;

use super::lease::Counter;
use crate::world::{Frame, SECOND};
pub(super) use crash::Left;
pub(super) use entry::{Ending, Entry};

/// §9.5: a job may outlive its lease by so much.
const EXPIRY_GRACE: u64 = SECOND;
/// §7.4: a cancelled agent has so much time.
const CANCEL_GRACE: u64 = 30 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Asked,
    Pending,
    Running,
    Cancelling,
    Ended,
}

/// A job as core/docs/arcp.md §7 has it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) principal: String,
    pub(super) owner: Option<String>,
    pub(super) state: State,
    pub(super) lease: Value,
    pub(super) expires_at: Option<Time>,
    pub(super) parent: Option<JobUlid>,
    /// Of its first owner; a child has its parent's (§10).
    pub(super) features: BTreeSet<String>,
    delegate_id: Option<String>,
    key: Option<(String, String)>,
    budget: Option<BTreeMap<String, Counter>>,
    max_runtime: Option<u64>,
    accepted_at: Time,
    started: Option<Time>,
    grace: Option<Time>,
    /// An operation was refused as expired: it can only end so (§9.5).
    doomed: bool,
    /// The runtime was restarted before it ended: its end is next.
    interrupted: bool,
    waiters: Vec<String>,
    history: Vec<Entry>,
    /// What its agent made of it, until the terminal is told.
    planned: Option<Ending>,
    pub(super) ending: Option<Ending>,
    chunks: u64,
    bytes: u64,
    gathered: String,
    pub(super) closed_stream: bool,
}

/// What a session is shown of a job.
#[derive(Clone, Debug, Default)]
struct Watch {
    /// What it is shown, with the place in the job's history.
    expected: Vec<(usize, Entry)>,
    seen: usize,
    /// New events are added.
    live: bool,
    /// What comes is no longer foretold: the subscription was repeated, or ended in the middle.
    loose: bool,
    subscriber: bool,
    /// Subscriptions that were decided, and those whose answer has left the runtime.
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

/// What asks for a job.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Submit { session: String, payload: Value },
    Child { parent: JobUlid, delegate_id: String, lease: Value, expires_at: Option<Time> },
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
    /// Subscribe asked for in this step: session, job, history.
    asking: Option<(String, JobUlid, bool)>,
    /// Submitted once more in this step.
    again: Option<(String, JobUlid)>,
    seen: Vec<(String, Frame)>,
    /// Ended because an ancestor ends: which must be so once the step is over.
    orphans: Vec<JobUlid>,
    /// Sessions that have closed: it may turn out that nobody has written that down.
    gone: BTreeMap<String, Session>,
    /// Jobs whose `job.accepted` has left the runtime, and those whose `job.cancelled` has: these will be.
    shown: BTreeSet<JobUlid>,
    promised: BTreeSet<JobUlid>,
}

impl Model {
    /// A session was welcomed for the first time (§6.2).
    pub(super) fn opened(&mut self, session: &str, principal: &str, features: BTreeSet<String>) {
        let fresh = Session { principal: principal.to_owned(), features, ..Session::default() };
        self.sessions.entry(session.to_owned()).or_insert(fresh);
    }

    /// §6.7, §6.3: its jobs go on without an owner.
    pub(super) fn closed(&mut self, session: &str) {
        if let Some(closed) = self.sessions.remove(session) {
            self.gone.insert(session.to_owned(), closed);
        }
        for job in self.jobs.values_mut().filter(|job| job.owner.as_deref() == Some(session)) {
            job.owner = None;
        }
    }

    pub(super) fn knows_session(&self, session: &str) -> bool {
        self.sessions.contains_key(session)
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

    /// The agent may act.
    pub(super) fn runs(&self, id: JobUlid) -> bool {
        self.jobs.get(&id).is_some_and(|job| matches!(job.state, State::Running | State::Cancelling))
    }

    fn job_mut(&mut self, id: JobUlid) -> &mut Job {
        self.jobs.get_mut(&id).expect("the model knows the job")
    }

    /// What was asked for in this step was refused.
    pub(super) fn refused(&mut self) {
        self.source = None;
        self.asking = None;
        self.again = None;
    }

    /// The step is over: what was asked for and not answered was refused.
    pub(super) fn step_over(&mut self, now: Time) {
        self.source = None;
        self.asking = None;
        if let Some((session, job)) = self.again.take() {
            self.submitted_again(&session, job);
        }
        for frame in std::mem::take(&mut self.seen) {
            self.compare(&frame.0, &frame.1);
        }
        for orphan in std::mem::take(&mut self.orphans) {
            let mut at = self.jobs[&orphan].parent;
            let mut ended = false;
            while let Some(parent) = at {
                ended |= self.jobs[&parent].state == State::Ended;
                at = self.jobs[&parent].parent;
            }
            assert!(ended, "§7.4 cancel_only_by_owner: {} was cancelled without a cause", self.jobs[&orphan].id);
        }
        for job in self.jobs.values().filter(|job| job.state != State::Ended) {
            assert!(job.planned.is_none(), "§7.3: the agent of {} has returned and it has not ended", job.id);
            let late = |at: Option<Time>| at.is_some_and(|at| at < now);
            if job.state != State::Asked {
                // A host may answer after the lease is over: the job then ends the next time timers go off.
                let over = job.expires_at.map(|at| at.plus_micros(EXPIRY_GRACE).max(job.accepted_at.plus_micros(1)));
                let cancelling = job.state == State::Cancelling;
                assert!(cancelling || !late(over), "§9.5 no_authority_after_expiry: {} outlives its lease", job.id);
                assert!(!late(job.grace), "§7.4: {} outlives its grace", job.id);
                let runtime = job.started.zip(job.max_runtime);
                let over = runtime.map(|(started, seconds)| started.plus_micros(seconds * SECOND));
                assert!(cancelling || !late(over), "§7.1: {} outlives max_runtime_sec", job.id);
            }
        }
    }
}
