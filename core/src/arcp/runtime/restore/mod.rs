//! A runtime from its journal.
//!
//! Records are applied in the order of their numbers, straight to sessions and jobs, without outputs. What the runtime does
//! about the crash itself comes afterwards, and is stored like everything else.

mod events;
mod sessions;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::Runtime;
use super::config::Config;
use super::host::{JobId, SessionKey};
use super::jobs::state::Cause;
use super::record::Record;
use crate::arcp::wire::envelope::MAX_INTEGER;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::{JobUlid, SessionId};
use crate::random::Random;
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
    /// Jobs whose host was asked for credentials and is not on record as having answered: whatever they were, they are
    /// asked to be revoked.
    pub unanswered: u64,
    /// The runtime's time: what was given, or the time of the latest record, if the clock was set back since. Its clock
    /// must go on from here, or no deadline passes until it has caught up.
    pub now: Time,
}

impl Runtime {
    /// A runtime that goes on where the one that made these records has stopped. `records` are those of its
    /// [`Output::Store`](crate::arcp::Output::Store)s with their numbers, as far as they are durable; those of every
    /// runtime of one journal count on from one another.
    ///
    /// Sessions are there without a connection and can be resumed; one that had a connection has a whole resume window
    /// from `now`. Jobs that were not at their end have ended: `INTERNAL_ERROR` with details
    /// `{"reason":"runtime restarted"}`, or as what they were doomed to end as. Unrevoked credentials are asked to be
    /// revoked, without their values, and those of a job whose host was about to mint them without their ids. All this is
    /// in the outputs, with its stores.
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
            asked: BTreeSet::new(),
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
    /// Jobs whose host has not said which there are.
    asked: BTreeSet<JobUlid>,
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
        let limits = &self.runtime.config.limits;
        let room = limits.retained_jobs.saturating_add(limits.idempotency_records);
        for record in self.runtime.outputs.discard() {
            let Some(forgotten) = Forgotten::of(&record) else { continue };
            if told != Some(forgotten) && self.forgotten.len() < room {
                self.forgotten.insert(forgotten);
            }
        }
    }

    /// `None` for a record that is passed over.
    fn apply(&mut self, record: Record) -> Option<()> {
        match record {
            Record::SessionOpened(opened) => self.opened(&opened),
            Record::SessionToken(token) => {
                let key = self.session(token.session)?;
                let runtime = &mut self.runtime;
                runtime.sessions.restore_tokens(key, token.newest, token.proved);
                runtime.sessions.restore_lapse(key, None, false, &mut runtime.timers);
                Some(())
            }
            Record::SessionDetached { session, at, goodbye } => {
                self.latest = self.latest.max(at);
                let key = self.session(session)?;
                let runtime = &mut self.runtime;
                let lapses = at.plus_secs(runtime.config.resume_window_secs());
                runtime.sessions.restore_lapse(key, Some(lapses), goodbye, &mut runtime.timers);
                Some(())
            }
            Record::SessionClosed { session } => self.closed(session),
            Record::Acknowledged { session, seq } => {
                let key = self.session(session).filter(|_| seq <= MAX_INTEGER)?;
                self.runtime.sessions.get_mut(key)?.restore_ack(seq);
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
                self.runtime.jobs.restore_doom(id, cancelled)
            }
            Record::JobEnded(ended) => self.ended(*ended),
            Record::JobForgotten { job } => {
                let id = self.job(job)?;
                self.runtime.jobs.get(id)?.terminal()?;
                self.runtime.forget_job(id);
                Some(())
            }
            Record::KeyForgotten { job } => {
                self.runtime.idempotency.key_of(job)?;
                self.runtime.forget_key(job);
                Some(())
            }
            Record::CredentialsAsked { job } => {
                self.last_id = self.last_id.max(job.0);
                let room = self.runtime.config.limits.jobs.saturating_add(self.runtime.config.limits.revocations);
                if self.asked.len() >= room {
                    return None;
                }
                self.asked.insert(job);
                Some(())
            }
            Record::CredentialsAnswered { job } => {
                // One that came late may have been followed by another.
                self.asked.remove(&job);
                Some(())
            }
            Record::CredentialIssued { job, id } => {
                let held =
                    self.runtime.config.limits.jobs.saturating_mul(self.runtime.config.limits.credentials_per_job);
                let room = self.issued.len() < held.saturating_add(self.runtime.config.limits.revocations);
                if !room && !self.issued.contains_key(&(job, id.clone())) {
                    return None;
                }
                let values = self.issued.entry((job, id)).or_default();
                *values = values.saturating_add(1);
                Some(())
            }
            Record::CredentialRevoked { job, id } => {
                let key = (job, id);
                // The record of its issue may have been let go of before.
                if let Some(values) = self.issued.get_mut(&key) {
                    *values -= 1;
                    if *values == 0 {
                        self.issued.remove(&key);
                    }
                }
                Some(())
            }
        }
    }

    fn session(&self, id: SessionId) -> Option<SessionKey> {
        self.runtime.sessions.find(id)
    }

    fn job(&self, id: JobUlid) -> Option<JobId> {
        self.runtime.jobs.find(id)
    }

    /// What the crash means for those who are there.
    fn finish(mut self, seed: [u8; 32]) -> (Runtime, Restored) {
        let runtime = &mut self.runtime;
        runtime.outputs.continue_after(self.last_store);
        runtime.durability.reached(self.last_store, self.last_store);
        runtime.clock.advance(self.latest);
        runtime.random = Random::resume(seed, self.last_id);
        let now = runtime.clock.now();
        self.restored.now = now;
        for forgotten in core::mem::take(&mut self.forgotten) {
            runtime.record(|_| {
                Some(match forgotten {
                    Forgotten::Job(job) => Record::JobForgotten { job },
                    Forgotten::Key(job) => Record::KeyForgotten { job },
                })
            });
        }
        let lapses = now.plus_secs(runtime.config.resume_window_secs());
        for key in runtime.sessions.keys() {
            let Some(session) = runtime.sessions.get(key).filter(|session| session.lapses().is_none()) else {
                continue;
            };
            let id = session.id();
            runtime.sessions.restore_lapse(key, Some(lapses), false, &mut runtime.timers);
            runtime.record(|_| Some(Record::SessionDetached { session: id, at: now, goodbye: false }));
        }
        let accepted: Vec<JobId> = runtime.jobs.after(None).map(|(id, _)| id).collect();
        // Children were made after their parents: the deepest end first.
        for id in accepted.into_iter().rev() {
            if runtime.jobs.get(id).is_some_and(|job| job.state().is_live()) {
                self.restored.interrupted += 1;
                runtime.end_fault(id, Cause::Aborted, restarted());
            }
        }
        for ((job, id), values) in core::mem::take(&mut self.issued) {
            self.restored.unrevoked += 1;
            runtime.revoke(job, Some(id), None, values);
        }
        for job in core::mem::take(&mut self.asked) {
            self.restored.unanswered += 1;
            runtime.revoke(job, None, None, 0);
        }
        runtime.evict();
        runtime.flush();
        self.restored.last_store = self.last_store;
        (self.runtime, self.restored)
    }
}

fn restarted() -> Fault {
    Fault::new(ErrorCode::InternalError, "the runtime restarted while it ran; submit it again with a new key")
        .with_detail("reason", "runtime restarted")
}

impl Restored {
    /// Whether every record was carried out.
    pub const fn is_clean(&self) -> bool {
        self.repeated == 0 && self.ignored == 0
    }
}
