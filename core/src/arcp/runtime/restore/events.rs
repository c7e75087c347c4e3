//! Restores events and terminals of a journal to logs and histories.

use alloc::sync::Arc;

use super::Restoring;
use crate::arcp::runtime::host::SessionKey;
use crate::arcp::runtime::record::{JobEnded, JobEventRecord, Record, SessionEventRecord, Target};
use crate::arcp::runtime::sessions::log::Entry;
use crate::arcp::wire::envelope::{self, MAX_INTEGER};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::Terminal;

impl Restoring {
    /// Restores a frame to a session's log.
    fn number(&mut self, target: &Target, job: JobUlid, record: &Record) -> Option<SessionKey> {
        let key = self.session(target.session)?;
        let numbered = record.entry(target).filter(|_| target.seq <= MAX_INTEGER)?;
        let head = envelope::head(&target.session, Some(&numbered.trace_id), Some(&job)).into();
        let announcement = target.first.as_ref().and_then(|first| self.runtime.announcement(first, job));
        let (kind, payload) = (numbered.kind, numbered.payload);
        let entry = Entry { id: target.id, kind, head, payload, secret: None, announcement, after: 0 };
        let id = self.job(job);
        let session = self.runtime.sessions.get_mut(key)?;
        if !session.restore_entry(target.seq, entry, &self.runtime.config.limits) {
            return None;
        }
        if let Some(id) = id {
            session.announce(id, None);
        }
        Some(key)
    }

    pub(super) fn event(&mut self, event: JobEventRecord) -> Option<()> {
        let (ulid, position, seq, needs) = (event.job, event.position, event.seq, event.needs);
        let record = Record::JobEvent(event.into());
        let id = self.job(ulid);
        for target in record.targets() {
            let key = self.number(target, ulid, &record);
            // It was sent live, so the subscription had reached the end of the history.
            if let (Some(session), Some(id)) = (key.and_then(|key| self.runtime.sessions.get_mut(key)), id) {
                session.caught_up(id);
            }
        }
        let Record::JobEvent(event) = record else { return None };
        let (id, jobs) = (id?, &mut self.runtime.jobs);
        // An event that was not sent to the owner has the number of the event before it, which may have been dropped.
        let shared = !event.to.iter().any(|target| target.seq == seq);
        let question = event.question.map(|fact| (fact, event.payload.clone()));
        let past = (needs, event.payload);
        if let Some(job) = jobs.get_mut(id) {
            if let Some(begun) = event.begun {
                self.latest = self.latest.max(begun.since);
                job.restore_run(begun);
            }
            if needs.has(Feature::ResultChunk) {
                job.note_chunk();
            }
        }
        if !jobs.get_mut(id)?.restore_event(position, seq, shared, past, &self.runtime.config.limits) {
            return None;
        }
        if let Some((unit, amount)) = event.cost
            && let Some(holder) = jobs.purse(id, &unit)
        {
            // The former runtime has counted it, so it can be counted.
            let _ = jobs.get_mut(holder)?.spend(&unit, amount);
        }
        match question {
            Some((fact, payload)) => self.runtime.restore_question(id, fact, &payload),
            None => Some(()),
        }
    }

    pub(super) fn shown(&mut self, event: SessionEventRecord) -> Option<()> {
        let (ulid, position, ends) = (event.job, event.position, event.kind != "job.event");
        let record = Record::SessionEvent(event.into());
        let target = record.targets().first()?;
        let key = self.number(target, ulid, &record)?;
        let Some(id) = self.job(ulid) else { return Some(()) };
        if ends {
            self.runtime.unwatch(key, id);
        } else if let Some(position) = position {
            self.runtime.advance_replay(key, id, position.saturating_add(1));
        }
        Some(())
    }

    pub(super) fn ended(&mut self, ended: JobEnded) -> Option<()> {
        self.latest = self.latest.max(ended.at);
        let (ulid, at, seq) = (ended.job, ended.at, ended.seq);
        let terminal = Arc::new(Terminal { status: ended.status, kind: ended.kind, payload: ended.payload.clone() });
        let record = Record::JobEnded(ended.into());
        let id = self.job(ulid);
        for target in record.targets() {
            // It was sent live, so all history that the session had asked for was sent before.
            if let (Some(key), Some(id)) = (self.number(target, ulid, &record), id) {
                self.runtime.unwatch(key, id);
            }
        }
        let Some(id) = id else {
            self.leave(ulid);
            return None;
        };
        let runtime = &mut self.runtime;
        runtime.jobs.restore_end(id, terminal, seq, &mut runtime.timers)?;
        let job = runtime.jobs.get(id)?;
        let (owner, parent, budget) = (job.owner(), job.parent(), job.budget().cloned());
        for key in job.watchers().to_vec() {
            let live = runtime.sessions.get(key).is_none_or(|session| session.is_shown_live(id));
            if live {
                runtime.unwatch(key, id);
            }
        }
        runtime.jobs.conclude(id, at);
        runtime.idempotency.end(ulid);
        if let Some(session) = owner.and_then(|key| runtime.sessions.get_mut(key)) {
            session.job_ends();
        }
        runtime.jobs.leave_family(id, parent, budget.as_ref());
        runtime.evict_restored();
        Some(())
    }
}
