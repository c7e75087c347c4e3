//! Restoring a runtime from its journal.
//!
//! Records are applied in the order of their numbers, directly to sessions and jobs, without outputs. Then the runtime
//! handles the restart: it ends the jobs that cannot go on, runs the others, and starts the resume windows. These changes are output and
//! stored as usual.

mod events;
mod jobs;
mod questions;
mod sessions;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use super::Runtime;
use super::config::Config;
use super::host::{JobKey, Refused, SessionKey};
use super::record::Record;
use crate::arcp::wire::agent::AgentSpec;
use crate::arcp::wire::envelope::MAX_INTEGER;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::random::Random;
use crate::time::Time;

/// A summary of a restore: how many records were applied, and what the restart has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The number of the last record; 0 if there was none. The stores of the runtime continue from here.
    pub last_store: u64,
    /// Records that were applied.
    pub applied: u64,
    /// Records that were skipped because their number was not greater than the one before.
    pub repeated: u64,
    /// Records that were skipped because their session or job does not exist, exists already, or exceeds a limit of the
    /// [`Config`].
    pub ignored: u64,
    /// Jobs that had not ended, and that the restart has ended.
    pub interrupted: u64,
    /// Jobs that had not ended, and that are run again.
    pub rerun: u64,
    /// Jobs that had never run, and that go on waiting or run now.
    pub waiting: u64,
    /// Credentials that the host is asked to revoke.
    pub unrevoked: u64,
    /// Jobs for which the host was asked for credentials without an answer on record. The host is asked to revoke whatever
    /// it has minted for them.
    pub unanswered: u64,
    /// The time of the runtime: the given one, or the time of the latest record if the clock was set back since. The time
    /// of the inputs has to continue from here; otherwise no deadline passes until it has caught up. The wall clock is taken
    /// to show the given time.
    pub now: Time,
}

impl Runtime {
    /// Returns a runtime that continues where the runtime that made these records has stopped.
    ///
    /// `records` are the records of its [`Output::Store`](crate::arcp::Output::Store)s with their numbers, as far as
    /// they are durable. Each runtime of a journal continues the numbers of the one before.
    ///
    /// - Sessions are restored without a connection and can be resumed. One that had a connection has a whole resume window
    ///   from `now`.
    /// - Jobs that had not ended end now: with `INTERNAL_ERROR` and details `{"reason":"runtime restarted"}`, or as
    ///   cancelled or expired if they could only end so.
    /// - The host is asked to revoke the credentials that were not revoked: by their ids, without values, or by their
    ///   job if it was about to mint them.
    ///
    /// All this is in the outputs, with its stores. Agents have to be registered again, and [`Config::journal`] should
    /// be set, otherwise nothing that follows is stored.
    ///
    /// The jobs of the `agents` that have never run go on. Jobs that were running are run again if the agent says
    /// [`OnRestart::Rerun`](crate::arcp::OnRestart::Rerun), and otherwise end; see `docs/arcp.md`.
    ///
    /// Errors: [`Refused::Invalid`] for an agent, as [`Runtime::register`]. For records it is total. A record that does not fit the records before it is skipped and counted in [`Restored`].
    /// If events are missing, a session keeps those after the gap. The limits of `config` hold for any records.
    pub fn restore(
        config: Config,
        agents: impl IntoIterator<Item = AgentSpec>,
        seed: [u8; 32],
        now: Time,
        records: impl IntoIterator<Item = (u64, Record)>,
    ) -> Result<(Runtime, Restored), Refused> {
        let mut runtime = Runtime::new(config, seed, now);
        for agent in agents {
            runtime.register(agent)?;
        }
        let mut restoring = Restoring {
            runtime,
            restored: Restored::default(),
            last_store: 0,
            last_id: 0,
            latest: now,
            issued: BTreeMap::new(),
            asked: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            remnants: BTreeSet::new(),
        };
        for (seq, record) in records {
            restoring.take(seq, record);
        }
        Ok(restoring.finish(seed))
    }
}

struct Restoring {
    runtime: Runtime,
    restored: Restored,
    last_store: u64,
    /// The greatest of the ids that increase with time.
    last_id: u128,
    latest: Time,
    /// The number of values that were issued and not revoked, by credential.
    issued: BTreeMap<(JobUlid, String), u32>,
    /// Jobs for which the host was asked for credentials and has not answered.
    asked: BTreeSet<JobUlid>,
    /// Jobs and keys that were dropped because of a limit, and are not recorded as forgotten.
    forgotten: BTreeSet<Forgotten>,
    /// Ended jobs whose `job_accepted` is not there. A journal drops that one first.
    remnants: BTreeSet<JobUlid>,
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
        if let Some(told) = told {
            self.forgotten.remove(&told);
        }
        let charge = record.charge();
        match self.apply(record) {
            Some(()) => {
                self.restored.applied += 1;
                if let Some((keeper, bytes)) = charge {
                    self.runtime.charge_stored(keeper, bytes);
                }
            }
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

    /// Applies a record. Returns `None` if it is skipped.
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
            Record::SessionClosed { session } => {
                self.closed(session);
                Some(())
            }
            Record::Acknowledged { session, seq } => {
                let key = self.session(session).filter(|_| seq <= MAX_INTEGER)?;
                self.runtime.sessions.get_mut(key)?.restore_ack(seq);
                Some(())
            }
            Record::JobAccepted(accepted) => self.accepted(*accepted),
            Record::JobInput(request) => self.request(*request),
            Record::JobNoted { job, note } => {
                let id = self.job(job)?;
                let limit = self.runtime.config.limits.note_bytes;
                let job =
                    self.runtime.jobs.get_mut(id).filter(|job| job.terminal().is_none() && note.len() <= limit)?;
                job.keep_note(note);
                Some(())
            }
            Record::Watching(watching) => self.watching(*watching),
            Record::Unwatched { session, job } => {
                let (key, id) = (self.session(session)?, self.job(job)?);
                self.runtime.unwatch(key, id);
                Some(())
            }
            Record::WatchingElsewhere { session, jobs } => self.watching_elsewhere(session, &jobs),
            Record::JobEvent(event) => self.event(*event),
            Record::SessionEvent(event) => self.shown(*event),
            Record::JobDoomed { job, cancelled } => {
                let id = self.job(job)?;
                self.runtime.jobs.restore_doom(id, cancelled)
            }
            Record::JobEnded(ended) => self.ended(*ended),
            Record::JobForgotten { job } => {
                let Some(id) = self.job(job) else {
                    self.excuse(job);
                    return Some(());
                };
                self.runtime.jobs.get(id)?.terminal()?;
                self.runtime.forget_job(id);
                Some(())
            }
            Record::KeyForgotten { job } => {
                // The journal may have dropped the job with its key.
                if self.runtime.idempotency.key_of(job).is_some() {
                    self.runtime.forget_key(job);
                }
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
                // The journal may have dropped the record of its issue.
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

    /// Notes the end of a job that is not there.
    fn leave(&mut self, job: JobUlid) {
        let limits = &self.runtime.config.limits;
        if self.remnants.len() < limits.retained_jobs.saturating_add(limits.idempotency_records) {
            self.remnants.insert(job);
        }
    }

    /// Notes that a job that is not there was forgotten, so that its end was a remnant and is not ignored.
    fn excuse(&mut self, job: JobUlid) {
        if self.remnants.remove(&job) {
            self.restored.ignored -= 1;
            self.restored.applied += 1;
        }
    }

    fn session(&self, id: SessionUlid) -> Option<SessionKey> {
        self.runtime.sessions.find(id)
    }

    fn job(&self, id: JobUlid) -> Option<JobKey> {
        self.runtime.jobs.find(id)
    }

    /// Handles the restart once all records are applied.
    fn finish(mut self, seed: [u8; 32]) -> (Runtime, Restored) {
        let runtime = &mut self.runtime;
        runtime.outputs.continue_after(self.last_store);
        runtime.durability.reached(self.last_store, self.last_store);
        let wall = runtime.clock.wall();
        runtime.clock.advance(self.latest);
        runtime.clock.set_wall(wall);
        runtime.random = Random::resume(seed, self.last_id);
        let now = runtime.clock.now();
        self.restored.now = now;
        runtime.status_requests.begin(now);
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
        self.go_on();
        let runtime = &mut self.runtime;
        for key in runtime.sessions.keys() {
            // The guests of the sessions in other runtimes are gone.
            runtime.drop_elsewhere(key, None);
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

impl Restored {
    /// Returns whether every record was applied.
    pub const fn is_clean(&self) -> bool {
        self.repeated == 0 && self.ignored == 0
    }

    /// Returns what two runtimes of one host were restored from: the numbers added, the later time, and the greater number of
    /// a record.
    #[must_use]
    pub fn and(self, other: Restored) -> Restored {
        Restored {
            last_store: self.last_store.max(other.last_store),
            applied: self.applied + other.applied,
            repeated: self.repeated + other.repeated,
            ignored: self.ignored + other.ignored,
            interrupted: self.interrupted + other.interrupted,
            rerun: self.rerun + other.rerun,
            waiting: self.waiting + other.waiting,
            unrevoked: self.unrevoked + other.unrevoked,
            unanswered: self.unanswered + other.unanswered,
            now: self.now.max(other.now),
        }
    }
}
