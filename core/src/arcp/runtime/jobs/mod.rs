//! All jobs of a runtime: live ones, and ended ones that are still kept.

mod asked;
mod asking;
mod ended;
pub(crate) mod ending;
mod expiry;
mod family;
pub(crate) mod history;
pub(crate) mod job;
mod live;
pub(crate) mod output;
pub(crate) mod questions;
mod recorded;
mod reservations;
pub(crate) mod runs;
pub(crate) mod state;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;

use slotmap::SlotMap;

use self::asking::Asking;
use self::ended::Ended;
use self::job::{Job, JobSpec, Waiter};
use self::live::Live;
use self::questions::Questions;
use self::state::Cause;
use super::config::Limits;
use super::host::{JobKey, SessionKey};
use super::memory::{Charges, Holder as _, Memory};
use super::record::JobInput;
use super::shares::Room;
use super::stored::Period;
use super::timers::Timers;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::{Accepted, FinalStatus, Terminal};
use crate::budget::Budget;
use crate::clock::WallOffset;
use crate::time::Time;

/// The number of declined jobs that are remembered, in case the host answers late.
const LATE_ANSWERS: usize = 1024;

/// The jobs by their wire ids, the order in which ended ones are forgotten, and the agents that may go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    table: SlotMap<JobKey, Job>,
    /// Every job that was accepted and is still kept, in the order in which they were made, because the ids increase.
    by_ulid: BTreeMap<JobUlid, JobKey>,
    /// The same jobs, by their principals.
    by_principal: BTreeMap<Arc<str>, BTreeMap<JobUlid, JobKey>>,
    /// Jobs that have not ended, and the bytes of their inputs and extensions.
    live: Live,
    ended: Ended,
    asking: Asking,
    /// The last jobs that were declined before the host had answered.
    declined: VecDeque<Declined>,
    /// Jobs that waited for space in a log or for the journal, and may go on.
    woken: VecDeque<JobKey>,
    charges: Charges<JobKey>,
}

/// A job that was declined before the host had answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declined {
    id: JobKey,
    pub(super) ulid: JobUlid,
    pub(super) features: Features,
}

/// The parts of a job that was removed.
#[derive(Debug)]
pub(super) struct Forgotten {
    pub(super) ulid: JobUlid,
    pub(super) watchers: Vec<SessionKey>,
    pub(super) terminal: Option<Arc<Terminal>>,
}

impl Jobs {
    pub(super) fn get(&self, id: JobKey) -> Option<&Job> {
        self.table.get(id)
    }

    /// Returns a job, for changes that concern the job alone.
    pub(super) fn get_mut(&mut self, id: JobKey) -> Option<&mut Job> {
        self.charges.mark(&mut self.table, id);
        self.table.get_mut(id)
    }

    /// Charges the bytes that jobs hold to their principals.
    pub(super) fn account(&mut self, memory: &mut Memory, period: Period) {
        self.charges.settle(&mut self.table, memory, period);
    }

    /// Charges the bytes of a record about a job.
    pub(super) fn store(&mut self, key: JobKey, bytes: u64, period: Period) {
        if let Some(job) = self.get_mut(key) {
            job.charge_mut().store(bytes, period);
        }
    }

    /// Returns an ended job of the principal whose ended jobs hold most bytes.
    pub(super) fn heaviest_ended(&self) -> Option<JobKey> {
        self.ended.heaviest()
    }

    /// Returns the oldest ended job of a principal that is still kept.
    pub(super) fn oldest_ended_of(&self, principal: &str) -> Option<JobKey> {
        self.ended.oldest_of(principal)
    }

    /// The job of a wire id, while it is kept.
    pub(super) fn find(&self, ulid: JobUlid) -> Option<JobKey> {
        self.by_ulid.get(&ulid).copied()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Job> {
        self.table.values()
    }

    /// All jobs, whether accepted or not.
    pub(super) fn ids(&self) -> Vec<JobKey> {
        self.table.keys().collect()
    }

    /// The accepted jobs after a wire id, in the order in which they were made.
    pub(super) fn after(&self, ulid: Option<JobUlid>) -> impl DoubleEndedIterator<Item = (JobKey, &Job)> {
        let from = ulid.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_ulid.range((from, Bound::Unbounded));
        range.filter_map(|(_, id)| Some((*id, self.table.get(*id)?)))
    }

    /// The accepted jobs of a principal after a wire id, in the order in which they were made.
    pub(super) fn of_principal(&self, principal: &str, ulid: Option<JobUlid>) -> impl Iterator<Item = (JobKey, &Job)> {
        let from = ulid.map_or(Bound::Unbounded, Bound::Excluded);
        let own = self.by_principal.get(principal).into_iter();
        let range = own.flat_map(move |own| own.range((from, Bound::Unbounded)));
        range.filter_map(|(_, id)| Some((*id, self.table.get(*id)?)))
    }

    /// Notes that a job was accepted, so that it is found and listed.
    fn index(&mut self, id: JobKey) {
        let Some(job) = self.table.get(id) else { return };
        self.by_ulid.insert(job.ulid(), id);
        let principal = &job.accepted().principal;
        let own = match self.by_principal.get_mut(principal) {
            Some(own) => own,
            None => self.by_principal.entry(Arc::clone(principal)).or_default(),
        };
        own.insert(job.ulid(), id);
    }

    /// Jobs that have not ended.
    pub(super) fn live(&self) -> usize {
        self.live.all().entries
    }

    /// Returns the limit that leaves no place for another job of a principal, with an input and extensions of `bytes`.
    pub(super) fn without_place(
        &self,
        principal: &str,
        bytes: usize,
        limits: &Limits,
    ) -> Option<(&'static str, usize)> {
        self.live.without_place(principal, bytes, limits)
    }

    /// Restores the request of a job that has not ended. Returns `None` if there is no room for it.
    pub(super) fn restore_request(&mut self, id: JobKey, request: JobInput, limits: &Limits) -> Option<()> {
        let job = self.table.get_mut(id)?;
        let len = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let (principal, before) = (Arc::clone(&job.accepted().principal), job.input_len());
        let others = self.live.all().bytes - before;
        if others + len(&request.input) + len(&request.extensions) > limits.input_bytes {
            return None;
        }
        let restored = job.restore_request(request);
        self.charges.mark(&mut self.table, id);
        let job = self.table.get(id)?;
        self.live.resize(&principal, before, job.input_len());
        restored
    }

    /// Creates a job that the host is asked about. The host has until `answer_by` to answer.
    pub(super) fn ask(&mut self, spec: JobSpec, answer_by: Time, timers: &mut Timers) -> JobKey {
        let id = self.insert(spec);
        if let Some(job) = self.table.get_mut(id) {
            job.start_submit_deadline(id, answer_by, timers);
        }
        id
    }

    /// Restores a job that was accepted.
    pub(super) fn restore(&mut self, spec: JobSpec, timers: &mut Timers) -> JobKey {
        let (at, budget) = (spec.accepted.accepted_at, spec.accepted.budget.clone());
        let id = self.insert(spec);
        if let Some(job) = self.table.get_mut(id) {
            job.accept(id, at, budget, timers);
        }
        self.index(id);
        id
    }

    fn insert(&mut self, spec: JobSpec) -> JobKey {
        let (parent, delegate_id) = (spec.parent, spec.accepted.delegate_id.clone());
        let depth = parent.and_then(|id| self.table.get(id)).map_or(0, |parent| parent.depth().saturating_add(1));
        let job = Job::new(spec, depth);
        self.live.begin(&job.accepted().principal, job.input_len());
        let id = self.table.insert(job);
        self.charges.mark(&mut self.table, id);
        if let Some(parent) = parent {
            self.charges.mark(&mut self.table, parent);
        }
        if let Some(parent) = parent.and_then(|id| self.table.get_mut(id)) {
            parent.adopt(id, delegate_id.as_deref());
        }
        id
    }

    /// Accepts a job. Returns its accepted form, and the submits that wait for the
    /// answer.
    pub(super) fn accept(
        &mut self,
        id: JobKey,
        wall: Time,
        timers: &mut Timers,
    ) -> Option<(Arc<Accepted>, Vec<Waiter>)> {
        let budget = self.budget_of(id).map(Budget::remainder);
        let job = self.table.get_mut(id)?;
        let waiters = job.accept(id, wall, budget, timers)?;
        let accepted = Arc::clone(job.accepted());
        self.index(id);
        Some((accepted, waiters))
    }

    /// Notes that the wall clock was set: leases may be over earlier.
    pub(super) fn follow_wall(&mut self, now: Time, offset: WallOffset, grace: Duration, timers: &mut Timers) {
        for (id, job) in &mut self.table {
            job.follow_wall(id, now, offset, grace, timers);
        }
    }

    /// Declines a job, and removes it from its family and the table. Returns it with the submits that wait for the
    /// answer.
    pub(super) fn decline(&mut self, id: JobKey, timers: &mut Timers) -> Option<(Job, Vec<Waiter>)> {
        let waiters = self.table.get_mut(id)?.decline(id, timers)?;
        let job = self.table.remove(id)?;
        self.charges.free(&job);
        self.live.end(&job.accepted().principal);
        self.live.resize(&job.accepted().principal, job.input_len(), 0);
        self.declined.push_back(Declined { id, ulid: job.ulid(), features: job.features() });
        if self.declined.len() > LATE_ANSWERS {
            self.declined.pop_front();
        }
        Some((job, waiters))
    }

    /// Removes and returns a job that was declined before the host had answered.
    pub(super) fn declined(&self, id: JobKey) -> Option<Declined> {
        self.declined.iter().find(|declined| declined.id == id).copied()
    }

    /// Runs a job that has a slot of its agent. Returns how long it has waited for one, or `None` if it did not.
    pub(super) fn run(&mut self, id: JobKey, now: Time, timers: &mut Timers) -> Option<Duration> {
        self.table.get_mut(id)?.run(id, now, timers)
    }

    /// Asks a running job to stop until a deadline. Returns whether it was running.
    pub(super) fn cancel(&mut self, id: JobKey, deadline: Time, timers: &mut Timers) -> bool {
        self.table.get_mut(id).is_some_and(|job| job.cancel(id, deadline, timers))
    }

    /// Restores that a job can only end as cancelled or as expired.
    pub(super) fn restore_doom(&mut self, id: JobKey, cancelled: bool) -> Option<()> {
        let job = self.table.get_mut(id).filter(|job| job.state().is_live())?;
        if cancelled {
            job.restore_cancelling();
        } else {
            job.expire_lease();
        }
        Some(())
    }

    /// Ends a job if the cause ends it now, and returns how. [`Jobs::conclude`] follows once its watchers have its
    /// terminal.
    pub(super) fn end(&mut self, id: JobKey, cause: Cause, timers: &mut Timers) -> Option<FinalStatus> {
        self.charges.mark(&mut self.table, id);
        let job = self.table.get_mut(id)?;
        let input = job.input_len();
        let status = job.end(id, cause, timers)?;
        self.live.resize(&job.accepted().principal, input, job.input_len());
        self.close_questions(id, Questions::end, timers);
        self.release_all(id);
        Some(status)
    }

    /// Leaves a job to the next start of the runtime, without a terminal. Returns whether it was left.
    pub(super) fn leave(&mut self, id: JobKey, timers: &mut Timers) -> bool {
        let Some(job) = self.table.get_mut(id) else { return false };
        let is_left = job.leave(id, timers);
        if is_left {
            self.live.end(&job.accepted().principal);
            self.close_questions(id, Questions::leave, timers);
        }
        is_left
    }

    pub(super) fn set_terminal(&mut self, id: JobKey, terminal: Arc<Terminal>) {
        if let Some(job) = self.get_mut(id) {
            job.set_terminal(terminal);
        }
    }

    /// Keeps an ended job for listings, subscriptions and retries.
    pub(super) fn conclude(&mut self, id: JobKey, at: Time) {
        let Some(job) = self.table.get_mut(id) else { return };
        let principal = Arc::clone(&job.accepted().principal);
        let place = self.ended.push(&principal, at, id, job.held());
        job.conclude(place);
        self.live.end(&principal);
    }

    /// Restores the end of a job. Returns `None` if it is known.
    pub(super) fn restore_end(
        &mut self,
        id: JobKey,
        terminal: Arc<Terminal>,
        seq: u64,
        timers: &mut Timers,
    ) -> Option<()> {
        self.charges.mark(&mut self.table, id);
        let job = self.table.get_mut(id).filter(|job| job.terminal().is_none())?;
        self.live.resize(&job.accepted().principal, job.input_len(), 0);
        job.restore_end(terminal, seq);
        self.close_questions(id, Questions::end, timers);
        Some(())
    }

    // Jobs that wait.

    /// Notes that a job which waited for space in a log or for the journal may go on.
    pub(super) fn wake(&mut self, jobs: impl IntoIterator<Item = JobKey>) {
        self.woken.extend(jobs);
    }

    pub(super) fn next_woken(&mut self) -> Option<JobKey> {
        self.woken.pop_front()
    }

    // Ended jobs.

    /// Returns when a job has ended, if it has.
    pub(super) fn ended_at(&self, job: &Job) -> Option<Time> {
        self.ended.at(job.concluded()?)
    }

    /// Returns when the oldest ended job has ended.
    pub(super) fn oldest_ended_at(&self) -> Option<Time> {
        self.ended.oldest().map(|(at, _)| at)
    }

    /// Returns the ended job to remove, because its principal or all have too many, or because it ended before `expired`.
    pub(super) fn surplus(&self, limits: &Limits, expired: impl Fn(Time) -> bool) -> Option<JobKey> {
        let surplus = self.ended.surplus(limits);
        surplus.or_else(|| self.ended.oldest().filter(|(at, _)| expired(*at)).map(|(_, id)| id))
    }

    /// Returns the ended job to remove while jobs are restored. Those that a session still watches stay until all
    /// numbers are known, and no other job is removed in their place. Age is checked at the end.
    pub(super) fn restored_surplus(&self, limits: &Limits) -> Option<JobKey> {
        let is_watched = |id: JobKey| self.table.get(id).is_some_and(|job| !job.watchers().is_empty());
        let mut watched = Room::default();
        for job in self.ended.iter().take_while(|id| is_watched(*id)).filter_map(|id| self.table.get(id)) {
            watched.entries += 1;
            watched.bytes += job.held();
        }
        self.ended.surplus_besides(watched, limits, |id| !is_watched(id))
    }

    /// Removes an ended job.
    pub(super) fn forget(&mut self, id: JobKey) -> Option<Forgotten> {
        let place = self.table.get(id)?.concluded()?;
        let job = self.table.remove(id)?;
        self.charges.free(&job);
        self.ended.remove(&job.accepted().principal, place);
        self.by_ulid.remove(&job.ulid());
        let principal = &job.accepted().principal;
        if let Some(own) = self.by_principal.get_mut(principal) {
            own.remove(&job.ulid());
            if own.is_empty() {
                self.by_principal.remove(principal);
            }
        }
        Some(Forgotten { ulid: job.ulid(), watchers: job.watchers().to_vec(), terminal: job.terminal().cloned() })
    }

    pub(super) fn held(&self) -> usize {
        self.table.values().map(Job::held).sum::<usize>() + self.asking.held()
    }
}
