//! Events of a journal: into logs and histories, up to the terminals.

use alloc::sync::Arc;

use super::Restoring;
use crate::arcp::runtime::host::SessionKey;
use crate::arcp::runtime::job::{JobState, Past};
use crate::arcp::runtime::log::Entry;
use crate::arcp::runtime::record::{JobEnded, JobEventRecord, Record, SessionEventRecord, Target};
use crate::arcp::wire::envelope::{self, MAX_INTEGER};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::job::Terminal;

impl Restoring {
    /// Puts a frame into a session's log.
    pub(super) fn number(&mut self, target: &Target, job: JobUlid, record: &Record) -> Option<SessionKey> {
        let key = self.session(target.session)?;
        let numbered = record.entry(target).filter(|_| target.seq <= MAX_INTEGER)?;
        let head = envelope::head(&target.session, Some(&numbered.trace_id), Some(&job)).into();
        let accepted = target.first.as_ref().and_then(|first| self.runtime.announcement(first, job));
        let (kind, payload) = (numbered.kind, numbered.payload.clone());
        let entry = Entry { id: target.id, kind, head, payload, secret: None, accepted, after: 0 };
        let (max_events, max_bytes) = (self.runtime.config.limits.log_events, self.runtime.config.limits.log_bytes);
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

    pub(super) fn event(&mut self, event: JobEventRecord) -> Option<()> {
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
        let (max_events, max_bytes) =
            (self.runtime.config.limits.history_events, self.runtime.config.limits.history_bytes);
        let job = self.runtime.jobs.get_mut(id).filter(|job| job.terminal.is_none())?;
        if position < job.history.end() {
            return None;
        }
        // An event that its owner was not shown has the number of the one before it, which may be gone.
        let shared = !event.to.iter().any(|target| target.seq == seq);
        job.history.skip_to(position, seq.saturating_add(u64::from(shared)));
        job.history.push(Past { seq, needs, payload: event.payload }, max_events, max_bytes);
        job.last_seq = seq;
        if let Some((unit, amount)) = event.cost
            && let Some(holder) = self.runtime.purse(id, &unit)
            && let Some(budget) = self.runtime.jobs.get_mut(holder).and_then(|job| job.budget.as_mut())
        {
            // It was counted once, so it can be counted.
            let _ = budget.spend(&unit, amount);
        }
        Some(())
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
            let session = self.runtime.sessions.get_mut(key)?;
            if let Some(cursor) = session.watches.get_mut(&id).and_then(|watch| watch.cursor.as_mut()) {
                cursor.at = position.saturating_add(1);
            }
        }
        Some(())
    }

    pub(super) fn ended(&mut self, ended: JobEnded) -> Option<()> {
        self.latest = self.latest.max(ended.at);
        let (ulid, at, seq) = (ended.job, ended.at, ended.seq);
        let terminal = Arc::new(Terminal {
            status: ended.status,
            kind: ended.kind,
            payload: ended.payload.clone(),
            python: ended.python.clone(),
        });
        let record = Record::JobEnded(ended.into());
        let id = self.job(ulid);
        for target in record.targets() {
            // It was shown live: whatever history the session had asked for came before.
            if let (Some(key), Some(id)) = (self.number(target, ulid, &record), id) {
                self.runtime.unwatch(key, id);
            }
        }
        let id = id?;
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
        runtime.evict_restored();
        Some(())
    }
}

impl JobState {
    fn of(status: FinalStatus) -> JobState {
        match status {
            FinalStatus::Success => JobState::Success,
            FinalStatus::Error => JobState::Error,
            FinalStatus::Cancelled => JobState::Cancelled,
            FinalStatus::TimedOut => JobState::TimedOut,
        }
    }
}
