//! Subscriptions (§7.6).

use alloc::sync::Arc;

use super::access::unknown_job;
use super::dispatch::Request;
use super::event::Event;
use super::host::{JobKey, SessionKey};
use super::policy::Access;
use super::sessions::announcement::Announcement;
use super::sessions::session::Session;
use super::sessions::watches::Role;
use super::{Runtime, work};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::reply::{self, Subscribed};
use crate::arcp::wire::request;
use crate::time::Time;

impl Runtime {
    pub(super) fn on_subscribe(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let subscribe: request::Subscribe<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::Subscribe)?;
        let named = request::job_id(subscribe.job_id, request.envelope.job_id.as_ref())?;
        if self.announces_again(key, request.id) {
            return Ok(());
        }
        let stores = |session: &&mut Session| subscribe.history == Some(true) && !session.is_guest();
        if let Some(session) = self.sessions.get_mut(key).filter(stores) {
            // Every event of the history is stored for this session.
            let principal = Arc::clone(session.principal());
            self.make_journal_room(&principal)?;
        }
        let ulid = JobUlid::parse(&named).ok_or_else(unknown_job)?;
        let Some(id) = self.jobs.find(ulid) else { return self.subscribe_elsewhere(key, request, ulid) };
        let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(id)) else { return Ok(()) };
        let access = self.access(session, job.accepted());
        let granted = access == Access::Observed;
        let (principal, owner) = (Arc::clone(session.principal()), Arc::clone(&job.accepted().principal));
        let watched = session.role(id).is_some();
        self.event(Event::Subscription { principal, job: ulid, owner, granted });
        match access {
            Access::Hidden => return Err(unknown_job()),
            Access::Listed => {
                let message = "the policy does not let this principal watch the job";
                return Err(Fault::new(ErrorCode::PermissionDenied, message));
            }
            Access::Observed => {}
        }
        if !watched {
            self.may_subscribe(key)?;
        }
        let history = subscribe.history.unwrap_or(false);
        let from = subscribe.from_event_seq.map_or(0, |seq| seq.0);
        if history && self.durability.is_readable() && self.begins_before_memory(key, id, from) {
            return self.fetch_start(key, id, request.id, from);
        }
        self.subscribe(key, id, request.id, history.then_some(from), None);
        Ok(())
    }

    /// Whether a subscribe is one that the client sends again because it has lost its connection, and whose answer goes before the
    /// events of the subscription on the new one. Its history does not begin anew, so that each connection brings the client
    /// nearer to its end.
    fn announces_again(&mut self, key: SessionKey, request_id: &str) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        self.work.charge(session.resumed_events() / work::PASSED);
        session.announces_again(request_id)
    }

    /// Asks the other runtimes about the job of a subscription.
    fn subscribe_elsewhere(&mut self, key: SessionKey, request: &Request<'_>, job: JobUlid) -> Result<(), Fault> {
        if self.subscribed_again(key, request, job) {
            return Ok(());
        }
        if self.watched_elsewhere(key, job).is_none() {
            self.may_subscribe(key)?;
        }
        self.ask_elsewhere(key, request)
    }

    /// Refuses another subscription of a session that has too many, or whose principal has.
    fn may_subscribe(&self, key: SessionKey) -> Result<(), Fault> {
        let max = self.config.limits.subscriptions;
        if self.sessions.get(key).is_some_and(|session| session.watched_of_others() >= max) {
            return Err(Fault::limit("subscriptions", max as u64));
        }
        self.may_watch(key)
    }

    /// Refuses another watched job of a session whose principal watches too many.
    pub(super) fn may_watch(&self, key: SessionKey) -> Result<(), Fault> {
        let max = self.config.limits.subscriptions_per_principal;
        let watched = self.sessions.get(key).map(|session| self.memory.subscriptions_of(session.principal()));
        if watched.is_some_and(|watched| watched >= max) {
            return Err(Fault::limit("subscriptions_per_principal", max as u64));
        }
        Ok(())
    }

    /// Returns whether a session watches a job as its owner, or because it has repeated the submit.
    fn sees_as_own(&self, key: SessionKey, id: JobKey) -> bool {
        let role = self.sessions.get(key).and_then(|session| session.role(id));
        let live = self.jobs.get(id).is_some_and(|job| job.state().is_live());
        live && matches!(role, Some(Role::Owner | Role::Attached))
    }

    /// Returns whether a history begins with events that are no longer in memory.
    fn begins_before_memory(&self, key: SessionKey, id: JobKey, from: u64) -> bool {
        !self.sees_as_own(key, id) && self.jobs.get(id).is_some_and(|job| job.history().after(from).1)
    }

    /// Answers the subscribe. Then the history after `from` follows if it was requested, then live events. `start` is
    /// the position of the first event that the journal has, and whether earlier ones were dropped.
    pub(super) fn subscribe(
        &mut self,
        key: SessionKey,
        id: JobKey,
        request_id: &str,
        from: Option<u64>,
        start: Option<(u64, bool)>,
    ) {
        let own = self.sees_as_own(key, id);
        let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(id)) else { return };
        let (role, connected) = (session.role(id), session.conn().is_some());
        let delayed = session.dialect().row().subscription_delay.is_some();
        let (live, end) = (job.state().is_live(), job.history().end());
        let (start, truncated) = match from {
            Some(from) if !own => start.unwrap_or_else(|| job.history().after(from)),
            _ => (end, false),
        };
        let credentials = self.credentials_for(session, id, job.accepted());
        // Credentials are not kept a second time: a client that has lost them asks again.
        let announces = !own && !delayed && credentials.is_empty();
        let payload = reply::subscribed(
            job.accepted(),
            session.form(),
            &Subscribed {
                request_id,
                status: job.state().as_str(),
                budget: self.jobs.budget_of(id),
                credentials,
                from: job.last_seq(),
                replayed: from.is_some() && !own,
                truncated,
                accepted_at: (session.dialect() == Dialect::NUNCIO).then_some(job.accepted().accepted_at),
            },
        );
        let after = if role.is_some() && !own { session.last_seq() } else { 0 };
        let sent = self.reply_subscribed(key, request_id, id, &payload, delayed && !own, after);
        if own {
            return;
        }
        if role.is_none() {
            self.watch(key, id, Role::Subscriber);
        }
        if let Some(session) = self.sessions.get_mut(key) {
            let announcement = sent
                .filter(|_| announces)
                .map(|envelope| Announcement::subscribed(envelope, request_id, payload.into(), session.epoch()).into());
            session.announce(id, announcement);
        }
        // A repeated subscription replays only if it requests that. A delayed subscription and one to an ended job need
        // a cursor as well.
        let replays = from.is_some() || role.is_none();
        let mut cursor = None;
        if replays
            && (start < end || !live || delayed)
            && let Some(session) = self.sessions.get_mut(key)
        {
            let not_before = if delayed && connected { Time::MAX } else { self.clock.now() };
            cursor = session.replay_from(id, start, from.unwrap_or(0), not_before).then_some(start);
        }
        self.record_watching(key, id, None, cursor, None);
    }

    pub(super) fn on_unsubscribe(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let unsubscribe: request::Unsubscribe<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::Subscribe)?;
        let named = request::job_id(unsubscribe.job_id, request.envelope.job_id.as_ref())?;
        let Some(ulid) = JobUlid::parse(&named) else { return Ok(()) };
        let Some(id) = self.jobs.find(ulid) else {
            self.unsubscribe_elsewhere(key, request, ulid);
            return Ok(());
        };
        if self.sessions.get(key).and_then(|session| session.role(id)) == Some(Role::Subscriber) {
            self.record_unwatched(key, id);
            self.unwatch(key, id);
        }
        Ok(())
    }
}
