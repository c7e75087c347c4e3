//! Restores sessions of a journal, and the jobs that they watch.

use alloc::sync::Arc;

use super::Restoring;
use crate::arcp::runtime::jobs::job::JobSpec;
use crate::arcp::runtime::record::{First, JobAccepted, JobInput, SessionOpened, Watching};
use crate::arcp::runtime::sessions::session::Opening;
use crate::arcp::runtime::sessions::watches::Role;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::time::Time;
use crate::trace::TraceId;

impl Restoring {
    pub(super) fn opened(&mut self, opened: &SessionOpened) -> Option<()> {
        self.latest = self.latest.max(opened.at);
        let runtime = &mut self.runtime;
        if runtime.sessions.len() >= runtime.config.limits.sessions {
            return None;
        }
        let opening = Opening {
            id: opened.session,
            principal: runtime.sessions.principal(&opened.principal),
            features: opened.features,
            dialect: opened.dialect,
            stdio: opened.stdio,
        };
        runtime.sessions.restore(opening, opened.token).map(|_| ())
    }

    pub(super) fn closed(&mut self, session: SessionUlid) {
        // The journal may have dropped all other records of the session.
        if let Some(key) = self.session(session) {
            self.runtime.lapse(key);
        }
    }

    pub(super) fn watching_elsewhere(&mut self, session: SessionUlid, jobs: &[(JobUlid, TraceId)]) -> Option<()> {
        let key = self.session(session)?;
        if jobs.len() > self.runtime.config.limits.subscriptions {
            return None;
        }
        self.runtime.sessions.get_mut(key)?.watch_only_elsewhere(jobs);
        Some(())
    }

    pub(super) fn accepted(&mut self, record: JobAccepted) -> Option<()> {
        let accepted = record.accepted;
        self.last_id = self.last_id.max(accepted.id.0);
        let runtime = &mut self.runtime;
        if runtime.jobs.find(accepted.id).is_some() || runtime.jobs.live() >= runtime.config.limits.jobs {
            return None;
        }
        let parent = accepted.parent.and_then(|parent| runtime.jobs.find(parent));
        if let (Some(amounts), Some(parent)) = (accepted.lease.budget(), parent) {
            // A lease that was granted stays granted; the parent's budget decides only what is shown as remaining.
            let _ = runtime.jobs.set_aside(parent, amounts);
        }
        let spec = JobSpec {
            accepted: Arc::unwrap_or_clone(Arc::clone(&accepted)),
            // A later `Watching` names its session. Without one the session was never told of the job.
            owner: None,
            session: record.owner,
            features: record.features,
            small_chunks: record.small_chunks,
            input: None,
            extensions: None,
            max_runtime_secs: None,
            parent,
        };
        let id = runtime.jobs.restore(spec, &mut runtime.timers);
        if let Some((key, fingerprint)) = record.key {
            let key = (key, Arc::clone(&accepted.principal));
            runtime.make_idempotency_room(&accepted.principal);
            // If the key was used again, the new record replaces the old one.
            if let Some(old) = runtime.idempotency.find(&key).map(super::super::idempotency::Record::ulid) {
                runtime.forget_key(old);
            }
            runtime.idempotency.begin(key, fingerprint, id, accepted.id, accepted.created_at);
            runtime.idempotency.accept(&accepted);
        }
        Some(())
    }

    pub(super) fn request(&mut self, request: JobInput) -> Option<()> {
        let id = self.job(request.job)?;
        let runtime = &mut self.runtime;
        runtime.jobs.restore_request(id, request, &runtime.config.limits)
    }

    pub(super) fn watching(&mut self, record: Watching) -> Option<()> {
        let (key, id) = (self.session(record.session)?, self.job(record.job)?);
        let runtime = &mut self.runtime;
        if let Some(announced) = record.announced {
            self.last_id = self.last_id.max(announced.0);
        }
        if let Some(request_id) = &record.request_id {
            runtime.sessions.get_mut(key)?.remember_submit(request_id, id, record.job, &runtime.config.limits);
        }
        let Some(role) = record.role else { return Some(()) };
        let live = runtime.jobs.get(id)?.state().is_live();
        if !live && record.from.is_none() {
            return Some(());
        }
        let session = runtime.sessions.get(key)?;
        if session.role(id).is_none() {
            let limits = &runtime.config.limits;
            if session.watched_len() >= limits.subscriptions.saturating_add(limits.jobs_per_session) {
                return None;
            }
            runtime.watch(key, id, role);
        }
        if live && role == Role::Owner && runtime.jobs.get(id)?.owner().is_none() {
            runtime.jobs.get_mut(id)?.own(key, record.session);
            runtime.sessions.get_mut(key)?.job_begins();
        }
        let first = record.announced.map(|id| First { id, request_id: record.request_id });
        let announcement = first.and_then(|first| runtime.announcement(&first, record.job));
        let other = role == Role::Owner && runtime.jobs.get(id)?.owner() != Some(key);
        let session = runtime.sessions.get_mut(key)?;
        session.set_role(id, if other { Role::Attached } else { role });
        if announcement.is_some() {
            session.announce(id, announcement);
        }
        if let Some(at) = record.from {
            session.replay_from(id, at, 0, Time(0));
        }
        Some(())
    }
}
