//! A runtime from its journal.
//!
//! Records are applied in the order of their numbers, straight to sessions and jobs, without outputs. What the runtime does
//! about the crash itself comes afterwards, and is stored like everything else.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Runtime;
use super::submit::Record as IdempotencyRecord;
use crate::arcp::config::Config;
use crate::arcp::error::{ErrorCode, Fault};
use crate::arcp::event::{Output, Timer};
use crate::arcp::host::{JobId, SessionKey};
use crate::arcp::ids::{Ids, JobUlid, SessionId};
use crate::arcp::job::{Deadlines, History, Job, JobEvent, JobState, Past, Terminal};
use crate::arcp::log::{Entry, Log};
use crate::arcp::record::{
    First, JobAccepted, JobEnded, JobEventRecord, Record, SessionEventRecord, SessionOpened, Target, Watching,
};
use crate::arcp::session::{Cursor, Role, Session, SessionState};
use crate::arcp::wire::{self, MAX_INTEGER};
use crate::budget::Budget;
use crate::time::Time;

/// What became of the records that a runtime was restored from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The number of the last record; 0 if there was none. The stores of the runtime go on from here.
    pub last_store: u64,
    /// Records that were carried out.
    pub applied: u64,
    /// Records with a number that was not greater than the one before: repeated, or out of order. Passed over.
    pub repeated: u64,
    /// Records about a session or job that is not there, or is known already, or is beyond a limit of the
    /// [`Config`]. Passed over.
    pub ignored: u64,
    /// Jobs that were not at their end: they have ended now.
    pub interrupted: u64,
    /// Credentials that are asked to be revoked.
    pub unrevoked: u64,
}

impl Runtime {
    /// A runtime that goes on where the one that made these records has stopped. `records` are those of its
    /// [`Output::Store`](crate::arcp::Output::Store)s with their numbers, as far as they are durable; those of every
    /// runtime of one journal count on from one another.
    ///
    /// Sessions are there without a connection and can be resumed; one that had a connection has a whole resume window
    /// from `now`. Jobs that were not at their end have ended: `INTERNAL_ERROR` with details
    /// `{"reason":"runtime restarted"}`, or as what they were doomed to end as. Unrevoked credentials are asked to be
    /// revoked, without their values. All this is in the outputs, with its stores.
    ///
    /// It is total. A record that does not fit to what came before is passed over, and counted in [`Restored`]; where
    /// events are missing, a session keeps what comes after the gap. Everything is bounded by `config`, whatever the
    /// records say. Agents are to be registered anew. [`Config::journal`] should be set, or what follows is not stored.
    pub fn restore(
        config: Config,
        seed: [u8; 32],
        now: Time,
        records: impl IntoIterator<Item = (u64, Record)>,
    ) -> (Runtime, Restored) {
        let mut restoring = Restoring {
            runtime: Runtime::new(config, seed, now),
            restored: Restored::default(),
            last_store: 0,
            last_id: 0,
            latest: now,
            issued: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        };
        for (seq, record) in records {
            restoring.take(seq, record);
        }
        restoring.finish(seed)
    }
}

struct Restoring {
    runtime: Runtime,
    restored: Restored,
    last_store: u64,
    /// The greatest id that grows with time.
    last_id: u128,
    latest: Time,
    /// Values of credentials that were issued and not revoked.
    issued: BTreeMap<(JobUlid, String), u32>,
    /// What had no room, or grew too old, and is not on record as forgotten.
    forgotten: BTreeSet<Forgotten>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Forgotten {
    Job(JobUlid),
    Key(JobUlid),
}

impl Forgotten {
    fn of(record: &Record) -> Option<Forgotten> {
        if let Record::JobForgotten { job } = record {
            Some(Forgotten::Job(*job))
        } else if let Record::KeyForgotten { job } = record {
            Some(Forgotten::Key(*job))
        } else {
            None
        }
    }
}

impl Restoring {
    fn take(&mut self, seq: u64, record: Record) {
        if seq <= self.last_store {
            self.restored.repeated += 1;
            return;
        }
        if seq > MAX_INTEGER {
            self.restored.ignored += 1;
            return;
        }
        self.last_store = seq;
        for target in record.targets() {
            self.last_id = self.last_id.max(target.id.0);
        }
        let told = Forgotten::of(&record);
        let known = told.is_some_and(|told| self.forgotten.remove(&told));
        match self.apply(record) {
            Some(()) => self.restored.applied += 1,
            None if known => self.restored.applied += 1,
            None => self.restored.ignored += 1,
        }
        let room = self.runtime.config.retained_jobs.saturating_add(self.runtime.config.idempotency_records);
        for output in core::mem::take(&mut self.runtime.outputs) {
            let Output::Store { record, .. } = output else { continue };
            let Some(forgotten) = Forgotten::of(&record) else { continue };
            if told != Some(forgotten) && self.forgotten.len() < room {
                self.forgotten.insert(forgotten);
            }
        }
    }

    /// `None` for a record that is passed over.
    fn apply(&mut self, record: Record) -> Option<()> {
        match record {
            Record::SessionOpened(opened) => self.opened(*opened),
            Record::SessionToken(token) => {
                let key = self.session(token.session)?;
                self.set_tokens(key, token.newest, token.proved)?;
                self.runtime.sessions.get_mut(key)?.lapses = None;
                Some(())
            }
            Record::SessionDetached { session, at } => {
                self.latest = self.latest.max(at);
                let window = u64::from(self.runtime.config.resume_window_secs.max(1));
                let key = self.session(session)?;
                self.runtime.sessions.get_mut(key)?.lapses = Some(at.plus_secs(window));
                Some(())
            }
            Record::SessionClosed { session } => self.closed(session),
            Record::Acknowledged { session, seq } => {
                let key = self.session(session)?;
                let session = self.runtime.sessions.get_mut(key).filter(|_| seq <= MAX_INTEGER)?;
                session.log.restore_ack(seq);
                session.recorded_ack = Some(seq);
                Some(())
            }
            Record::JobAccepted(accepted) => self.accepted(*accepted),
            Record::Watching(watching) => self.watching(*watching),
            Record::Unwatched { session, job } => {
                let (key, id) = (self.session(session)?, self.job(job)?);
                self.runtime.unwatch(key, id);
                Some(())
            }
            Record::JobEvent(event) => self.event(*event),
            Record::SessionEvent(event) => self.shown(*event),
            Record::JobDoomed { job, cancelled } => {
                let id = self.job(job)?;
                let job = self.runtime.jobs.get_mut(id).filter(|job| job.state.is_live())?;
                if cancelled {
                    job.state = JobState::Cancelling;
                } else {
                    job.expired = true;
                }
                Some(())
            }
            Record::JobEnded(ended) => self.ended(*ended),
            Record::JobForgotten { job } => {
                let id = self.job(job)?;
                self.runtime.jobs.get(id).filter(|job| job.terminal.is_some())?;
                if self.runtime.ended.front().is_some_and(|(_, first)| *first == id) {
                    self.runtime.ended.pop_front();
                } else {
                    self.runtime.ended.retain(|(_, ended)| *ended != id);
                }
                self.runtime.forget_job(id);
                Some(())
            }
            Record::KeyForgotten { job } => {
                self.runtime.record_order.get(&job)?;
                self.runtime.forget_record(job);
                Some(())
            }
            Record::CredentialIssued { job, id } => {
                let held = self.runtime.config.jobs.saturating_mul(self.runtime.config.credentials_per_job);
                let room = self.issued.len() < held.saturating_add(self.runtime.config.revocations);
                if !room && !self.issued.contains_key(&(job, id.clone())) {
                    return None;
                }
                let values = self.issued.entry((job, id)).or_default();
                *values = values.saturating_add(1);
                Some(())
            }
            Record::CredentialRevoked { job, id } => {
                let key = (job, id);
                let values = self.issued.get_mut(&key)?;
                *values -= 1;
                if *values == 0 {
                    self.issued.remove(&key);
                }
                Some(())
            }
        }
    }

    fn session(&self, id: SessionId) -> Option<SessionKey> {
        self.runtime.session_ids.get(&id).copied()
    }

    fn job(&self, id: JobUlid) -> Option<JobId> {
        self.runtime.job_ids.get(&id).copied()
    }

    fn opened(&mut self, opened: SessionOpened) -> Option<()> {
        self.latest = self.latest.max(opened.at);
        let runtime = &mut self.runtime;
        let full = runtime.sessions.len() >= runtime.config.sessions;
        if full || runtime.session_ids.contains_key(&opened.session) {
            return None;
        }
        let principal = match runtime.principals.get_key_value(&opened.principal) {
            Some((known, _)) => Arc::clone(known),
            None => opened.principal,
        };
        *runtime.principals.entry(Arc::clone(&principal)).or_default() += 1;
        let key = runtime.sessions.insert(Session {
            id: opened.session,
            principal,
            state: SessionState::Detached,
            features: opened.features,
            python: opened.python,
            stdio: opened.stdio,
            conn: None,
            epoch: 0,
            newest: opened.token,
            proved: None,
            log: Log::new(),
            recorded_ack: None,
            fetching: false,
            watches: BTreeMap::new(),
            replaying: BTreeSet::new(),
            blocked: BTreeSet::new(),
            jobs: 0,
            unanswered: 0,
            submits: VecDeque::new(),
            head: wire::head(&opened.session, None, None).into(),
            lapses: None,
        });
        runtime.session_ids.insert(opened.session, key);
        runtime.tokens.insert(opened.token, key);
        Some(())
    }

    fn set_tokens(&mut self, key: SessionKey, newest: [u8; 32], proved: Option<[u8; 32]>) -> Option<()> {
        let session = self.runtime.sessions.get_mut(key)?;
        let before = [Some(session.newest), session.proved];
        session.newest = newest;
        session.proved = proved;
        for token in before.into_iter().flatten() {
            self.runtime.tokens.remove(&token);
        }
        for token in proved.into_iter().chain([newest]) {
            self.runtime.tokens.insert(token, key);
        }
        Some(())
    }

    fn closed(&mut self, session: SessionId) -> Option<()> {
        let key = self.session(session)?;
        self.runtime.lapse(key);
        Some(())
    }

    fn accepted(&mut self, record: JobAccepted) -> Option<()> {
        let accepted = record.accepted;
        self.last_id = self.last_id.max(accepted.id.0);
        self.latest = self.latest.max(accepted.accepted_at).max(accepted.created_at);
        if self.runtime.job_ids.contains_key(&accepted.id) || self.runtime.live_jobs >= self.runtime.config.jobs {
            return None;
        }
        let parent = accepted.parent.and_then(|parent| self.job(parent));
        let runtime = &mut self.runtime;
        let granted = accepted.lease.budget().cloned();
        if let (Some(amounts), Some(parent)) = (&granted, parent) {
            // What was granted once is granted; only what is shown as remaining depends on it.
            let _ = runtime.set_aside(parent, amounts);
        }
        let depth = parent.and_then(|id| runtime.jobs.get(id)).map_or(0, |parent| parent.depth.saturating_add(1));
        let key = record.key.map(|(key, asked)| ((Arc::clone(&accepted.principal), key), asked));
        if key.is_some() {
            runtime.make_record_room();
        }
        let id = runtime.jobs.insert(Job {
            state: JobState::Pending,
            // Its session comes with `Watching`, or never knew of it.
            owner: None,
            features: record.features,
            small_chunks: record.small_chunks,
            input: None,
            extensions: None,
            max_runtime_secs: None,
            budget: granted.clone().map(Budget::new),
            granted,
            parent,
            children: Vec::new(),
            delegate_ids: BTreeSet::new(),
            depth,
            delegated_at: 0,
            credentials: Vec::new(),
            last_seq: 0,
            history: History::default(),
            watchers: Vec::new(),
            stream: None,
            gathered: None,
            tail: None,
            waiters: Vec::new(),
            key: key.as_ref().map(|(key, _)| key.clone()),
            expired: false,
            blocked: false,
            deadlines: Deadlines::default(),
            terminal: None,
            accepted: Arc::clone(&accepted),
        });
        if let Some((key, digest)) = key {
            let (ulid, at) = (accepted.id, accepted.created_at);
            let accepted = Some(Arc::clone(&accepted));
            // A key that was used again replaces what was known of it.
            if let Some(old) = runtime.records.get(&key).map(|record| record.ulid) {
                runtime.forget_record(old);
            }
            runtime.record_order.insert(ulid, key.clone());
            runtime.records.insert(key, IdempotencyRecord { digest, job: id, ulid, at, accepted, terminal: None });
        }
        runtime.job_ids.insert(accepted.id, id);
        runtime.live_jobs += 1;
        if let Some(parent) = parent.and_then(|id| runtime.jobs.get_mut(id)) {
            parent.children.push(id);
        }
        Some(())
    }

    fn watching(&mut self, record: Watching) -> Option<()> {
        let (key, id) = (self.session(record.session)?, self.job(record.job)?);
        let runtime = &mut self.runtime;
        if let Some(announced) = record.announced {
            self.last_id = self.last_id.max(announced.0);
        }
        if let Some(request_id) = &record.request_id {
            runtime.remember(key, request_id, id);
        }
        let Some(role) = record.role else { return Some(()) };
        let live = runtime.jobs.get(id)?.state.is_live();
        if !live && record.from.is_none() {
            return Some(());
        }
        if !runtime.sessions.get(key)?.watches.contains_key(&id) {
            let watches = runtime.sessions.get(key)?.watches.len();
            if watches >= runtime.config.subscriptions.saturating_add(runtime.config.jobs_per_session) {
                return None;
            }
            runtime.watch(key, id, role);
        }
        if live && role == Role::Owner && runtime.jobs.get(id)?.owner.is_none() {
            runtime.jobs.get_mut(id)?.owner = Some(key);
            runtime.sessions.get_mut(key)?.jobs += 1;
        }
        let first = record.announced.map(|id| First { id, request_id: record.request_id });
        let announcement = first.and_then(|first| runtime.announcement(&first, record.job));
        let session = runtime.sessions.get_mut(key)?;
        let watch = session.watches.get_mut(&id)?;
        let other = role == Role::Owner && runtime.jobs.get(id)?.owner != Some(key);
        watch.role = if other { Role::Attached } else { role };
        if announcement.is_some() {
            watch.announcement = announcement;
        }
        if let Some(at) = record.from {
            watch.cursor = Some(Cursor { at, not_before: Time(0), after: 0, asked: false });
            session.replaying.insert(id);
        }
        Some(())
    }

    /// Puts a frame into a session's log.
    fn number(&mut self, target: &Target, job: JobUlid, record: &Record) -> Option<SessionKey> {
        let key = self.session(target.session)?;
        let numbered = record.entry(target).filter(|_| target.seq <= MAX_INTEGER)?;
        let head = wire::head(&target.session, Some(&numbered.trace_id), Some(&job)).into();
        let accepted = target.first.as_ref().and_then(|first| self.runtime.announcement(first, job));
        let (kind, payload) = (numbered.kind, numbered.payload.clone());
        let entry = Entry { id: target.id, kind, head, payload, secret: None, accepted };
        let (max_events, max_bytes) = (self.runtime.config.log_events, self.runtime.config.log_bytes);
        let id = self.job(job);
        let session = self.runtime.sessions.get_mut(key)?;
        if !session.log.restore(target.seq, entry, max_events, max_bytes) {
            return None;
        }
        if let Some(watch) = id.and_then(|id| session.watches.get_mut(&id)) {
            watch.announcement = None;
        }
        Some(key)
    }

    fn event(&mut self, event: JobEventRecord) -> Option<()> {
        let (ulid, position, seq, needs) = (event.job, event.position, event.seq, event.needs);
        let record = Record::JobEvent(event.into());
        let id = self.job(ulid);
        for target in record.targets() {
            let key = self.number(target, ulid, &record);
            // It is shown live: the subscription had come to the end of the history.
            if let (Some(session), Some(id)) = (key.and_then(|key| self.runtime.sessions.get_mut(key)), id) {
                session.replaying.remove(&id);
                if let Some(watch) = session.watches.get_mut(&id) {
                    watch.cursor = None;
                }
            }
        }
        let Record::JobEvent(event) = record else { return None };
        let id = id?;
        let (max_events, max_bytes) = (self.runtime.config.history_events, self.runtime.config.history_bytes);
        let job = self.runtime.jobs.get_mut(id).filter(|job| job.terminal.is_none())?;
        if position < job.history.end() {
            return None;
        }
        job.history.skip_to(position, seq);
        job.history.push(Past { seq, needs, payload: event.payload }, max_events, max_bytes);
        job.last_seq = seq;
        if let Some((unit, amount)) = event.cost
            && let Some(holder) = self.runtime.budget_holder(id)
            && let Some(budget) = self.runtime.jobs.get_mut(holder).and_then(|job| job.budget.as_mut())
        {
            // It was counted once, so it can be counted.
            let _ = budget.spend(&unit, amount);
        }
        Some(())
    }

    fn shown(&mut self, event: SessionEventRecord) -> Option<()> {
        let (ulid, position, ends) = (event.job, event.position, event.kind != "job.event");
        let record = Record::SessionEvent(event.into());
        let target = record.targets().first()?;
        let key = self.number(target, ulid, &record)?;
        let Some(id) = self.job(ulid) else { return Some(()) };
        if ends {
            self.runtime.unwatch(key, id);
        } else if let Some(position) = position {
            let session = self.runtime.sessions.get_mut(key)?;
            if let Some(cursor) = session.watches.get_mut(&id).and_then(|watch| watch.cursor.as_mut()) {
                cursor.at = position.saturating_add(1);
            }
        }
        Some(())
    }

    fn ended(&mut self, ended: JobEnded) -> Option<()> {
        self.latest = self.latest.max(ended.at);
        let (ulid, at, seq) = (ended.job, ended.at, ended.seq);
        let terminal = Arc::new(Terminal {
            status: ended.status,
            kind: ended.kind,
            payload: ended.payload.clone(),
            python: ended.python.clone(),
        });
        let record = Record::JobEnded(ended.into());
        for target in record.targets() {
            self.number(target, ulid, &record);
        }
        let id = self.job(ulid)?;
        let runtime = &mut self.runtime;
        let job = runtime.jobs.get_mut(id).filter(|job| job.terminal.is_none())?;
        job.state = JobState::of(terminal.status);
        job.terminal = Some(terminal);
        job.last_seq = seq;
        let (owner, parent) = (job.owner, job.parent);
        let bytes = job.held();
        for key in job.watchers.clone() {
            let history =
                runtime.sessions.get(key).and_then(|s| s.watches.get(&id)).is_some_and(|w| w.cursor.is_some());
            if !history {
                runtime.unwatch(key, id);
            }
        }
        runtime.live_jobs = runtime.live_jobs.saturating_sub(1);
        if let Some(session) = owner.and_then(|key| runtime.sessions.get_mut(key)) {
            session.jobs = session.jobs.saturating_sub(1);
        }
        runtime.return_budget(id, parent);
        runtime.ended.push_back((at, id));
        runtime.ended_bytes += bytes;
        runtime.evict();
        Some(())
    }

    /// What the crash means for those who are there.
    fn finish(mut self, seed: [u8; 32]) -> (Runtime, Restored) {
        let runtime = &mut self.runtime;
        runtime.stored = self.last_store;
        runtime.durable = self.last_store;
        runtime.now = self.latest;
        runtime.ids = Ids::resume(seed, self.last_id);
        runtime.drained = false;
        let now = runtime.now;
        for forgotten in core::mem::take(&mut self.forgotten) {
            runtime.journal(|_| {
                Some(match forgotten {
                    Forgotten::Job(job) => Record::JobForgotten { job },
                    Forgotten::Key(job) => Record::KeyForgotten { job },
                })
            });
        }
        let window = u64::from(runtime.config.resume_window_secs.max(1));
        let sessions: Vec<SessionKey> = runtime.session_ids.values().copied().collect();
        for key in &sessions {
            let Some(session) = runtime.sessions.get_mut(*key) else { continue };
            let (id, detached) = (session.id, session.lapses.is_some());
            let lapses = *session.lapses.get_or_insert(now.plus_secs(window));
            runtime.arm(lapses, Timer::ResumeWindow, *key);
            if !detached {
                runtime.journal(|_| Some(Record::SessionDetached { session: id, at: now }));
            }
        }
        let live: Vec<JobId> = runtime.job_ids.values().copied().collect();
        // Children were made after their parents: the deepest end first.
        for id in live.into_iter().rev() {
            if runtime.jobs.get(id).is_some_and(|job| job.state.is_live()) {
                self.restored.interrupted += 1;
                runtime.end_fault(id, JobEvent::Abort, restarted());
            }
        }
        for key in sessions {
            while runtime.refill(key) {}
        }
        for ((job, id), values) in core::mem::take(&mut self.issued) {
            self.restored.unrevoked += 1;
            runtime.revoke(job, id, None, values);
        }
        runtime.evict();
        self.restored.last_store = self.last_store;
        (self.runtime, self.restored)
    }
}

fn restarted() -> Fault {
    Fault::new(ErrorCode::InternalError, "the runtime was restarted while the job ran; submit it again")
        .with_detail("reason", "runtime restarted")
}

impl JobState {
    fn of(status: crate::arcp::host::FinalStatus) -> JobState {
        use crate::arcp::host::FinalStatus;
        match status {
            FinalStatus::Success => JobState::Success,
            FinalStatus::Error => JobState::Error,
            FinalStatus::Cancelled => JobState::Cancelled,
            FinalStatus::TimedOut => JobState::TimedOut,
        }
    }
}

impl Restored {
    /// Whether every record was carried out.
    pub const fn is_clean(&self) -> bool {
        self.repeated == 0 && self.ignored == 0
    }
}
