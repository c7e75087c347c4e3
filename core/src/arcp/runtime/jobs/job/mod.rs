//! One job: its request, its state and its family. `events.rs` has its events and its watchers.

mod budget;
mod ending;
mod events;
mod holding;
mod lease;
mod record;
mod rerun;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::value::RawValue;

use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{JobKey, SessionKey};
use crate::arcp::runtime::jobs::ending::JobEnd;
use crate::arcp::runtime::jobs::expiry::Expiry;
use crate::arcp::runtime::jobs::history::History;
use crate::arcp::runtime::jobs::output::JobOutput;
use crate::arcp::runtime::jobs::questions::Questions;
use crate::arcp::runtime::jobs::recorded::Recorded;
use crate::arcp::runtime::jobs::reservations::Reservations;
use crate::arcp::runtime::jobs::runs::Runs;
use crate::arcp::runtime::jobs::state::{Cause, JobState};
use crate::arcp::runtime::line::Line;
use crate::arcp::runtime::memory::Charge;
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::{Accepted, FinalStatus, Terminal};
use crate::budget::{Amounts, Budget};
use crate::time::Time;

/// The bytes that the name of a delegation holds besides its text.
const NAME_BYTES: usize = 48;

/// The parts that a job is made from.
#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
    pub(crate) accepted: Accepted,
    /// The session it belongs to.
    pub(crate) owner: Option<SessionKey>,
    /// The id of that session, also if it is closed.
    pub(crate) session: Option<SessionUlid>,
    /// What that session negotiated.
    pub(crate) features: Features,
    /// Whether the chunks of its result are small: its owner is on stdio, or its dialect wants that.
    pub(crate) small_chunks: bool,
    pub(crate) input: Option<Arc<RawValue>>,
    pub(crate) extensions: Option<Box<RawValue>>,
    pub(crate) max_runtime_secs: Option<u64>,
    pub(crate) parent: Option<JobKey>,
}

/// A submit that waits for the host's answer.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) session: SessionKey,
    /// The epoch of the session's connection that it came on.
    pub(crate) epoch: u32,
    pub(crate) request_id: Box<str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    state: JobState,
    accepted: Arc<Accepted>,
    /// The session that may cancel it, and whose event numbers are the job's; `None` once that is closed.
    owner: Option<SessionKey>,
    /// The session that was its owner last.
    session: Option<SessionUlid>,
    features: Features,
    small_chunks: bool,
    input: Option<Arc<RawValue>>,
    extensions: Option<Box<RawValue>>,
    max_runtime_secs: Option<u64>,
    runs: Runs,
    /// Its own amounts; `None` if it draws on its parent's or has no budget.
    granted: Option<Amounts>,
    budget: Option<Budget>,
    reservations: Reservations,
    questions: Questions,
    parent: Option<JobKey>,
    children: Line<JobKey>,
    delegate_ids: BTreeSet<Box<str>>,
    depth: u32,
    /// The number of the parent's `delegate` event, which its `job.accepted` follows.
    delegated_at: u64,
    /// The owner's number of its last event.
    last_seq: u64,
    history: History,
    recorded: Recorded,
    /// The sessions that watch the job.
    watchers: Vec<SessionKey>,
    output: JobOutput,
    waiters: Vec<Waiter>,
    expiry: Expiry,
    /// Whether its agent waits for space in a log or for the journal.
    blocked: bool,
    submit_deadline: Deadline,
    runtime_deadline: Deadline,
    grace_deadline: Deadline,
    /// How it ends once the jobs below it have ended.
    ending: Option<Box<JobEnd>>,
    terminal: Option<Arc<Terminal>>,
    /// Its place among the ended jobs, once it is one of them.
    concluded: Option<u64>,
    charge: Charge,
    /// The bytes of what never changes.
    fixed: usize,
    /// The bytes of the names of its delegations.
    names: usize,
}

impl Job {
    /// Creates a job that the host is asked about.
    pub(super) fn new(spec: JobSpec, depth: u32) -> Job {
        let granted = spec.accepted.lease.budget().cloned();
        let fixed = spec.accepted.held() + 512;
        Job {
            state: JobState::Asked,
            accepted: Arc::new(spec.accepted),
            owner: spec.owner,
            session: spec.session,
            features: spec.features,
            small_chunks: spec.small_chunks,
            input: spec.input,
            extensions: spec.extensions,
            max_runtime_secs: spec.max_runtime_secs,
            runs: Runs::default(),
            budget: granted.clone().map(Budget::new),
            granted,
            reservations: Reservations::default(),
            questions: Questions::new(),
            parent: spec.parent,
            children: Line::default(),
            delegate_ids: BTreeSet::new(),
            depth,
            delegated_at: 0,
            last_seq: 0,
            history: History::default(),
            recorded: Recorded::default(),
            watchers: Vec::new(),
            output: JobOutput::default(),
            waiters: Vec::new(),
            expiry: Expiry::new(),
            blocked: false,
            submit_deadline: Deadline::new(Timer::Submit),
            runtime_deadline: Deadline::new(Timer::Runtime),
            grace_deadline: Deadline::new(Timer::Grace),
            ending: None,
            terminal: None,
            concluded: None,
            charge: Charge::default(),
            fixed,
            names: 0,
        }
    }

    pub(crate) fn state(&self) -> JobState {
        self.state
    }

    pub(crate) fn ulid(&self) -> JobUlid {
        self.accepted.id
    }

    pub(crate) fn accepted(&self) -> &Arc<Accepted> {
        &self.accepted
    }

    /// Returns the session that may cancel it, or `None` once that is closed.
    pub(crate) fn owner(&self) -> Option<SessionKey> {
        self.owner
    }

    /// Returns the id of the session whose event numbers are the job's: its owner, or the last one if that is closed.
    pub(crate) fn session(&self) -> Option<SessionUlid> {
        self.session
    }

    /// Gives it to a session.
    pub(crate) fn own(&mut self, owner: SessionKey, session: SessionUlid) {
        (self.owner, self.session) = (Some(owner), Some(session));
    }

    /// Leaves it without an owner, because its session is closed.
    pub(crate) fn disown(&mut self) {
        self.owner = None;
    }

    /// How long its agent may run, in seconds.
    pub(crate) fn max_runtime_secs(&self) -> Option<u64> {
        self.max_runtime_secs
    }

    /// The features of the session that submitted it.
    pub(crate) fn features(&self) -> Features {
        self.features
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether the chunks of its result are small.
    pub(crate) fn has_small_chunks(&self) -> bool {
        self.small_chunks
    }

    pub(crate) fn input(&self) -> Option<&Arc<RawValue>> {
        self.input.as_ref()
    }

    pub(crate) fn extensions(&self) -> Option<&RawValue> {
        self.extensions.as_deref()
    }

    pub(super) fn start_submit_deadline(&mut self, id: JobKey, at: Time, timers: &mut Timers) {
        self.submit_deadline.set(at, id, timers);
    }

    /// Accepts the job. Returns the submits that wait for the answer.
    pub(super) fn accept(
        &mut self,
        id: JobKey,
        wall: Time,
        budget: Option<Budget>,
        timers: &mut Timers,
    ) -> Option<Vec<Waiter>> {
        if !self.state.accept() {
            return None;
        }
        let accepted = Arc::make_mut(&mut self.accepted);
        accepted.accepted_at = wall;
        accepted.budget = budget;
        self.submit_deadline.clear(id, timers);
        Some(core::mem::take(&mut self.waiters))
    }

    /// Declines the job, for the host or for the runtime. Returns the submits that wait for the answer.
    pub(super) fn decline(&mut self, id: JobKey, timers: &mut Timers) -> Option<Vec<Waiter>> {
        if !self.state.decline() {
            return None;
        }
        self.submit_deadline.clear(id, timers);
        Some(core::mem::take(&mut self.waiters))
    }

    /// Starts the job, because its agent has a slot. Returns how long it has waited for one, or `None` if it did not.
    pub(super) fn run(&mut self, id: JobKey, now: Time, timers: &mut Timers) -> Option<Duration> {
        if !self.state.run() {
            return None;
        }
        let waited = self.runs.in_phase(now).unwrap_or_default();
        let since = self.runs.begin(now);
        if let Some(secs) = self.max_runtime_secs {
            self.runtime_deadline.set(since.plus_secs(secs), id, timers);
        }
        Some(waited)
    }

    /// Cancels the job: a running one has until a deadline to stop, and the result is true. One that waits for a slot
    /// must be ended instead, and the result is false.
    pub(super) fn cancel(&mut self, id: JobKey, deadline: Time, timers: &mut Timers) -> bool {
        if self.state != JobState::Running || !self.state.cancel() {
            return false;
        }
        self.grace_deadline.set(deadline, id, timers);
        true
    }

    /// Returns when `max_runtime_sec` ends it, or `None` before it runs.
    pub(crate) fn runtime_deadline(&self) -> Option<Time> {
        self.runtime_deadline.at()
    }

    /// Restores that it was cancelled.
    pub(super) fn restore_cancelling(&mut self) {
        if self.state == JobState::Pending && self.state.run() {
            let _ = self.state.cancel();
        }
    }

    /// Returns the cause that counts. A refusal as expired takes precedence over its time limit and its parent's end
    /// (§9.5).
    fn effective(&self, cause: Cause) -> Cause {
        if self.expiry.is_refused() && self.state == JobState::Running { Cause::Expired } else { cause }
    }

    /// Returns whether a cause would end it now.
    pub(crate) fn would_end(&self, cause: Cause) -> bool {
        let mut state = self.state;
        state.end(self.effective(cause)).is_some()
    }

    /// Ends the job if the cause ends it now, and returns how. Its terminal follows.
    pub(super) fn end(&mut self, id: JobKey, cause: Cause, timers: &mut Timers) -> Option<FinalStatus> {
        let status = self.state.end(self.effective(cause))?;
        self.end_deadlines(id, timers);
        self.blocked = false;
        self.output.end();
        self.input = None;
        self.extensions = None;
        self.runs.end();
        self.delegate_ids.clear();
        self.names = 0;
        Some(status)
    }

    fn end_deadlines(&mut self, id: JobKey, timers: &mut Timers) {
        self.submit_deadline.clear(id, timers);
        self.runtime_deadline.clear(id, timers);
        self.expiry.clear(id, timers);
        self.grace_deadline.clear(id, timers);
    }

    pub(crate) fn terminal(&self) -> Option<&Arc<Terminal>> {
        self.terminal.as_ref()
    }

    pub(super) fn set_terminal(&mut self, terminal: Arc<Terminal>) {
        self.terminal = Some(terminal);
    }

    /// Notes its place among the ended jobs.
    pub(super) fn conclude(&mut self, place: u64) {
        self.concluded = Some(place);
    }

    /// Its place among the ended jobs, if it is one of them.
    pub(super) fn concluded(&self) -> Option<u64> {
        self.concluded
    }

    pub(super) fn restore_end(&mut self, terminal: Arc<Terminal>, seq: u64) {
        self.state = JobState::ended(terminal.status);
        self.terminal = Some(terminal);
        self.last_seq = seq;
        self.input = None;
        self.extensions = None;
        self.runs.end();
    }

    /// The job that delegated it.
    pub(crate) fn parent(&self) -> Option<JobKey> {
        self.parent
    }

    /// The jobs it delegated that have not ended.
    pub(crate) fn children(&self) -> impl DoubleEndedIterator<Item = JobKey> {
        self.children.iter()
    }

    pub(super) fn adopt(&mut self, child: JobKey, delegate_id: Option<&str>) {
        self.children.push(child);
        if let Some(delegate_id) = delegate_id {
            self.names += delegate_id.len() + NAME_BYTES;
            self.delegate_ids.insert(delegate_id.into());
        }
    }

    pub(super) fn release(&mut self, child: JobKey) {
        self.children.remove(child);
    }

    /// Levels of delegation above it.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// The number of delegations it has named.
    pub(crate) fn delegations(&self) -> usize {
        self.delegate_ids.len()
    }

    pub(crate) fn has_delegated(&self, delegate_id: &str) -> bool {
        self.delegate_ids.contains(delegate_id)
    }

    /// Lets a name be used again, because its submit was refused and left no record.
    pub(crate) fn forget_delegation(&mut self, delegate_id: &str) {
        if self.delegate_ids.remove(delegate_id) {
            self.names -= delegate_id.len() + NAME_BYTES;
        }
    }

    /// The number of the parent's `delegate` event, which its `job.accepted` follows.
    pub(crate) fn delegated_at(&self) -> u64 {
        self.delegated_at
    }

    /// It was delegated by the event of this number.
    pub(crate) fn delegated(&mut self, at: u64) {
        self.delegated_at = at;
    }

    /// The questions that it has asked people.
    pub(crate) fn questions(&self) -> &Questions {
        &self.questions
    }

    pub(crate) fn questions_mut(&mut self) -> &mut Questions {
        &mut self.questions
    }

    /// Notes a submit that waits for the host's answer.
    pub(crate) fn add_waiter(&mut self, session: SessionKey, epoch: u32, request_id: &str) {
        self.waiters.push(Waiter { session, epoch, request_id: request_id.into() });
    }

    /// Notes that its agent waits for space in a log or for the journal. Returns whether it did not wait before.
    pub(crate) fn block(&mut self) -> bool {
        !core::mem::replace(&mut self.blocked, true)
    }

    /// Notes that its agent may go on. Returns whether it waited.
    pub(crate) fn unblock(&mut self) -> bool {
        core::mem::take(&mut self.blocked)
    }
}
