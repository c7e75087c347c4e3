//! Subscriptions (§7.6).

use alloc::sync::Arc;

use super::Runtime;
use super::frames::Request;
use super::pump::credentials_now;
use crate::arcp::runtime::config::Access;
use crate::arcp::runtime::event::Event;
use crate::arcp::runtime::host::{JobId, SessionKey};
use crate::arcp::runtime::session::{Cursor, Role, Session};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::Accepted;
use crate::arcp::wire::reply::{self, Subscribed};
use crate::arcp::wire::request;
use crate::time::Time;

impl Runtime {
    pub(super) fn on_subscribe(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let subscribe: request::Subscribe<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::Subscribe)?;
        let named = request::job_id(subscribe.job_id, request.envelope.job_id.as_ref())?;
        let id = JobUlid::parse(&named).and_then(|ulid| self.find(ulid)).ok_or_else(unknown)?;
        let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(id)) else { return Ok(()) };
        let access = self.access(session, &job.accepted);
        let granted = access == Access::Observed;
        let (principal, owner) = (Arc::clone(&session.principal), Arc::clone(&job.accepted.principal));
        let (ulid, known) = (job.accepted.id, session.watches.contains_key(&id));
        let watches = session.others();
        self.event(Event::Subscription { principal, job: ulid, owner, granted });
        match access {
            Access::Hidden => return Err(unknown()),
            Access::Listed => {
                let message = "the policy does not let this principal watch the job";
                return Err(Fault::new(ErrorCode::PermissionDenied, message));
            }
            Access::Observed => {}
        }
        if !known && watches >= self.config.limits.subscriptions {
            return Err(Fault::limit("subscriptions", self.config.limits.subscriptions as u64));
        }
        let history = subscribe.history.unwrap_or(false);
        let from = subscribe.from_event_seq.map_or(0, |seq| seq.0);
        if history && self.replays() && self.beyond_memory(key, id, from) {
            return self.fetch_start(key, id, request.id, from);
        }
        self.subscribe(key, id, request.id, history.then_some(from), None);
        Ok(())
    }

    /// Whether a history begins with events that are no longer in memory.
    fn beyond_memory(&self, key: SessionKey, id: JobId, from: u64) -> bool {
        let Some(job) = self.jobs.get(id) else { return false };
        let own = job.state.is_live() && matches!(self.role_in(key, id), Some(Role::Owner | Role::Attached));
        !own && job.history.after(from).1
    }

    /// Answers, then shows the history after `from` if it was asked for, then what comes. `start` is where the journal
    /// has the first such event, and whether earlier ones are gone.
    pub(super) fn subscribe(
        &mut self,
        key: SessionKey,
        id: JobId,
        request_id: &str,
        from: Option<u64>,
        start: Option<(u64, bool)>,
    ) {
        let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(id)) else { return };
        let role = session.watches.get(&id).map(|watch| watch.role);
        let live = job.state.is_live();
        let own = live && matches!(role, Some(Role::Owner | Role::Attached));
        let form = session.form();
        let submitter = session.principal == job.accepted.principal;
        let end = job.history.end();
        let (start, truncated) = match from {
            Some(from) if !own => start.unwrap_or_else(|| job.history.after(from)),
            _ => (end, false),
        };
        let payload = reply::subscribed(
            &job.accepted,
            form,
            &Subscribed {
                request_id,
                status: job.state.as_str(),
                budget: self.budget_of(id),
                credentials: credentials_now(Some(job), submitter, form),
                from: job.last_seq,
                replayed: from.is_some() && !own,
                truncated,
            },
        );
        let python = session.python;
        self.reply_marked(key, "job.subscribed", Some(id), &payload, python && !own);
        if own {
            return;
        }
        if role.is_none() {
            self.watch(key, id, Role::Subscriber);
        }
        // A repeated subscription replays only if it asks for that; a delayed one and an ended job's stand at a cursor.
        let replays = from.is_some() || role.is_none();
        let mut cursor = None;
        if replays
            && (start < end || !live || python)
            && let Some(session) = self.sessions.get_mut(key)
        {
            let not_before = if python && session.conn.is_some() { Time::MAX } else { self.now };
            session.replaying.insert(id);
            if let Some(watch) = session.watches.get_mut(&id) {
                cursor = Some(start);
                let after = from.unwrap_or(0);
                watch.cursor = Some(Cursor { at: start, not_before, after, asked: false });
            }
        }
        self.journal_watching(key, id, None, cursor, None);
    }

    pub(super) fn on_unsubscribe(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let unsubscribe: request::Unsubscribe<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::Subscribe)?;
        let named = request::job_id(unsubscribe.job_id, request.envelope.job_id.as_ref())?;
        let found = JobUlid::parse(&named).and_then(|ulid| self.find(ulid));
        let watch = found.and_then(|id| self.sessions.get(key)?.watches.get(&id).map(|watch| (id, watch.role)));
        if let Some((id, Role::Subscriber)) = watch {
            self.journal_unwatched(key, id);
            self.unwatch(key, id);
        }
        Ok(())
    }

    /// Refuses what the session did not negotiate (§6.2).
    pub(super) fn needs(&self, key: SessionKey, feature: Feature) -> Result<(), Fault> {
        match self.sessions.get(key) {
            Some(session) if !session.features.has(feature) => {
                Err(Fault::invalid(alloc::format!("this session did not negotiate the feature {}", feature.as_str())))
            }
            _ => Ok(()),
        }
    }

    /// What a session may know of a job: everything of its own principal's, else what the policy says.
    pub(super) fn access(&self, session: &Session, job: &Accepted) -> Access {
        if session.principal == job.principal {
            Access::Observed
        } else {
            self.config.policy.access(&session.principal, &job.principal, &job.agent_ref(true))
        }
    }
}

/// The one answer for a job that is not there and for one that may not be known of.
pub(super) fn unknown() -> Fault {
    Fault::new(ErrorCode::JobNotFound, "there is no such job")
}
