//! The host's answer to a submit, and the slots of its agent (§7.1, §7.3).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Runtime;
use super::pump::credentials_now;
use crate::arcp::runtime::conn::Reply;
use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{JobId, Refused, SessionKey};
use crate::arcp::runtime::job::{JobEvent, JobState, Waiter};
use crate::arcp::runtime::log::Announcement;
use crate::arcp::runtime::record::{JobAccepted, Record, Watching};
use crate::arcp::runtime::session::{Role, Watch, job_head};
use crate::arcp::wire::body::Body;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{EnvelopeId, JobUlid};
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::{envelope, reply};
use crate::digest::Digest;
use crate::time::Time;

impl Runtime {
    /// Answers [`Event::Submitted`]: the job is accepted, with these credentials. It runs when its agent has a slot.
    ///
    /// Errors, all of which change nothing but that credentials which came too late are revoked: [`Refused::Stale`],
    /// [`Refused::NotNegotiated`] for credentials nobody may be shown, [`Refused::Limit`], [`Refused::Invalid`] for an
    /// empty member, a repeated id, or a value that another credential has and that was not revoked yet (§9.8.2).
    pub fn start(&mut self, now: Time, job: JobId, credentials: Vec<Credential>) -> Result<(), Refused> {
        self.input(now, |this| {
            let Some(data) = this.jobs.get(job).filter(|job| job.state == JobState::Asked) else {
                if let Some((ulid, features)) = this.refused_before(job) {
                    for credential in credentials {
                        this.store(Record::CredentialIssued { job: ulid, id: credential.id.clone() });
                        this.values.insert(credential.value.digest());
                        this.revoke(ulid, credential.id, Some(credential.value), 1);
                    }
                    this.host_answered(ulid, features);
                }
                return Err(Refused::Stale);
            };
            check_credentials(&credentials, data.features.has(Feature::ProvisionedCredentials))?;
            let max = this.config.limits.credentials_per_job;
            if credentials.len() > max {
                return Err(Refused::Limit { limit: "credentials_per_job", max: max as u64 });
            }
            let (ulid, features) = (data.accepted.id, data.features);
            let values: BTreeSet<Digest> = credentials.iter().map(|credential| credential.value.digest()).collect();
            if values.len() < credentials.len() || !values.is_disjoint(&this.values) {
                return Err(Refused::Invalid(Cow::Borrowed("a credential's value is that of no other credential")));
            }
            this.values.extend(values);
            for credential in &credentials {
                this.store(Record::CredentialIssued { job: ulid, id: credential.id.clone() });
            }
            this.host_answered(ulid, features);
            this.accept(job, credentials);
            this.run(job);
            Ok(())
        })
    }

    /// Answers [`Event::Submitted`]: the job is refused with this fault.
    ///
    /// Errors: [`Refused::Stale`].
    pub fn decline(&mut self, now: Time, job: JobId, fault: Fault) -> Result<(), Refused> {
        self.input(now, |this| {
            let asked = this.jobs.get(job).filter(|job| job.state == JobState::Asked);
            let Some((ulid, features)) = asked.map(|job| (job.accepted.id, job.features)) else {
                if let Some((ulid, features)) = this.refused_before(job) {
                    this.host_answered(ulid, features);
                }
                return Err(Refused::Stale);
            };
            this.host_answered(ulid, features);
            this.drop_asked(job, fault);
            Ok(())
        })
    }

    /// A job that was refused before the host had answered.
    fn refused_before(&self, job: JobId) -> Option<(JobUlid, Features)> {
        self.late.iter().find(|(late, ..)| *late == job).map(|(_, ulid, features)| (*ulid, *features))
    }

    fn accept(&mut self, id: JobId, credentials: Vec<Credential>) {
        let now = self.now;
        let budget = self.budget_of(id).cloned();
        let grace = self.config.expiry_grace;
        let Some(job) = self.jobs.get_mut(id) else { return };
        let Some(state) = job.state.next(JobEvent::Accept) else { return };
        job.state = state;
        job.credentials = credentials;
        let accepted = Arc::make_mut(&mut job.accepted);
        accepted.accepted_at = now;
        accepted.budget = budget;
        let accepted = Arc::clone(&job.accepted);
        // Its session may have closed while the host was asked.
        job.owner = job.owner.filter(|key| self.sessions.contains_key(*key));
        let (owner, parent, delegated_at) = (job.owner, job.parent, job.delegated_at);
        let key = job.key.clone();
        let waiters = core::mem::take(&mut job.waiters);
        let submit_at = job.deadlines.submit.take();
        let expiry = accepted.expires_at.map(|at| at.plus(grace).max(now.plus_micros(1)));
        job.deadlines.expiry = expiry;
        let own_budget = job.granted.is_some();
        self.job_ids.insert(accepted.id, id);
        self.totals.jobs += 1;
        self.disarm(submit_at, Timer::Submit, id);
        if let Some(at) = expiry {
            self.arm(at, Timer::Expiry, id);
        }
        if let Some(record) = key.and_then(|key| self.records.get_mut(&key)) {
            record.accepted = Some(Arc::clone(&accepted));
        }
        self.journal(|this| {
            let job = this.jobs.get(id)?;
            let digest = job.key.as_ref().and_then(|key| Some((key.1, this.records.get(key)?.digest)));
            let record = JobAccepted {
                accepted: Arc::clone(&job.accepted),
                owner: this.session_id(owner),
                features: job.features,
                small_chunks: job.small_chunks,
                key: digest,
            };
            Some(Record::JobAccepted(record.into()))
        });
        if let Some(owner) = owner {
            self.watch(owner, id, Role::Owner);
        }
        if waiters.is_empty()
            && let Some(owner) = owner
        {
            self.announce_child(owner, id, delegated_at);
        }
        for waiter in waiters {
            // One that has closed meanwhile can own nothing.
            let Some(session) = self.sessions.get_mut(waiter.session) else { continue };
            session.unanswered = session.unanswered.saturating_sub(1);
            self.answer_submit(waiter.session, &waiter.request_id, id);
            self.touch_session(waiter.session);
        }
        if let (true, Some(parent)) = (own_budget, parent) {
            self.show_remaining(parent);
        }
    }

    /// Puts a job into a session's stream from now on.
    pub(super) fn watch(&mut self, key: SessionKey, id: JobId, role: Role) {
        let (Some(session), Some(job)) = (self.sessions.get_mut(key), self.jobs.get_mut(id)) else { return };
        let head = job_head(session.id, &job.accepted).into();
        session.watches.insert(id, Watch { role, head, cursor: None, announcement: None });
        if !job.watchers.contains(&key) {
            job.watchers.push(key);
        }
    }

    /// Answers a submit that the session is waiting for with `job.accepted`, and shows it the job if it is not shown yet.
    pub(super) fn answer_submit(&mut self, key: SessionKey, request_id: &str, id: JobId) {
        let Some(job) = self.jobs.get(id) else { return };
        let live = job.state.is_live();
        let (orphan, accepted) = (job.owner.is_none(), Arc::clone(&job.accepted));
        let watched = self.sessions.get(key).is_some_and(|session| session.watches.contains_key(&id));
        if live && orphan {
            // The session it belonged to is closed: this one takes its place (§7.2).
            if let Some(job) = self.jobs.get_mut(id) {
                job.owner = Some(key);
            }
            if let Some(session) = self.sessions.get_mut(key) {
                session.jobs += 1;
                if let Some(watch) = session.watches.get_mut(&id) {
                    watch.role = Role::Owner;
                }
            }
        }
        if live && !watched {
            self.watch(key, id, if orphan { Role::Owner } else { Role::Attached });
        }
        let announcement = self.send_accepted(key, Some(id), &accepted, Some(request_id));
        let terminal = self.jobs.get(id).and_then(|job| job.terminal.clone());
        if let Some(terminal) = terminal {
            self.journal_watching(key, id, Some(request_id), None, None);
            self.show_past_terminal(key, &accepted, &terminal, announcement);
        } else if let Some(watch) = self.sessions.get_mut(key).and_then(|session| session.watches.get_mut(&id)) {
            // Only before its first event: later ones are known to the client.
            let first = !watched || self.jobs.get(id).is_some_and(|job| job.history.end() == 0);
            let mut announced = None;
            if first {
                announced = announcement.as_ref().map(|announcement| announcement.id);
                watch.announcement = announcement;
            }
            self.journal_watching(key, id, Some(request_id), None, announced);
        }
    }

    pub(super) fn journal_watching(
        &mut self,
        key: SessionKey,
        id: JobId,
        request_id: Option<&str>,
        from: Option<u64>,
        announced: Option<EnvelopeId>,
    ) {
        self.journal(|this| {
            let (session, job) = (this.session_id(Some(key))?, this.jobs.get(id)?.accepted.id);
            let (role, request_id) = (this.role_in(key, id), request_id.map(Into::into));
            Some(Record::Watching(Watching { session, job, role, from, request_id, announced }.into()))
        });
    }

    /// A terminal of the past, again under a new number.
    pub(super) fn show_past_terminal(
        &mut self,
        key: SessionKey,
        accepted: &crate::arcp::wire::job::Accepted,
        terminal: &crate::arcp::wire::job::Terminal,
        announcement: Option<Box<Announcement>>,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let head = job_head(session.id, accepted).into();
        let (kind, payload) = self.terminal_for(key, terminal);
        if let Some(to) = self.number(key, kind, head, payload.clone(), None, announcement) {
            self.journal_shown(accepted, kind, &payload, None, to);
            self.press(key);
        }
        self.touch_session(key);
    }

    /// Queues a `job.accepted`; what it returns can be written again before the job's first event.
    pub(super) fn send_accepted(
        &mut self,
        key: SessionKey,
        id: Option<JobId>,
        accepted: &Arc<crate::arcp::wire::job::Accepted>,
        request_id: Option<&str>,
    ) -> Option<Box<Announcement>> {
        let envelope = EnvelopeId::next(&mut self.random, self.now);
        let session = self.sessions.get(key)?;
        let form = session.form();
        let submitter = session.principal == accepted.principal;
        let job = id.and_then(|id| self.jobs.get(id));
        let shown = credentials_now(job, submitter, form);
        let payload = reply::accepted(accepted, form, shown, request_id);
        let head = job_head(session.id, accepted);
        let announcement = Announcement {
            id: envelope,
            job: id.unwrap_or_default(),
            accepted: Arc::clone(accepted),
            request_id: request_id.map(Into::into),
            epoch: if session.conn.is_some() { session.epoch } else { 0 },
        };
        if let Some(conn) = session.conn {
            let frame = envelope::frame(envelope, "job.accepted", &head, None, &[&payload]);
            self.queue(conn, Reply { frame, after: 0, hold: false, subscribed: None, free: false });
        }
        Some(announcement.into())
    }

    /// The `job.accepted` of a delegated job: behind its `delegate` event, and not while a submit is unanswered. The
    /// Python client would bind it to somebody else's submit and is sent none.
    fn announce_child(&mut self, key: SessionKey, id: JobId, after: u64) {
        let envelope = EnvelopeId::next(&mut self.random, self.now);
        if self.sessions.get(key).is_some_and(|session| session.python) {
            self.journal_watching(key, id, None, None, None);
            return;
        }
        let (Some(session), Some(job)) = (self.sessions.get_mut(key), self.jobs.get(id)) else { return };
        let form = session.form();
        let accepted = Arc::clone(&job.accepted);
        let shown = credentials_now(Some(job), session.principal == accepted.principal, form);
        let payload = reply::accepted(&accepted, form, shown, None);
        let head = job_head(session.id, &accepted);
        // Where others wait already it goes before the child's first event, as it would after a cut: a queue that fills by
        // delegations is no fault of the peer's.
        let conn = session.conn.filter(|conn| self.conns.get(*conn).is_some_and(|open| !open.paused));
        let epoch = if conn.is_some() { session.epoch } else { 0 };
        if let Some(watch) = session.watches.get_mut(&id) {
            let announcement = Announcement { id: envelope, job: id, accepted, request_id: None, epoch };
            watch.announcement = Some(announcement.into());
        }
        self.journal_watching(key, id, None, None, Some(envelope));
        if let Some(conn) = conn {
            let frame = envelope::frame(envelope, "job.accepted", &head, None, &[&payload]);
            self.queue(conn, Reply { frame, after, hold: true, subscribed: None, free: false });
            self.touch(conn);
        }
    }

    /// A job that was asked for does not come to be.
    pub(super) fn drop_asked(&mut self, id: JobId, fault: Fault) {
        let Some(job) = self.jobs.get(id).filter(|job| job.state == JobState::Asked) else { return };
        let (ulid, features, parent, owner) = (job.accepted.id, job.features, job.parent, job.owner);
        let delegate_id = job.accepted.delegate_id.clone();
        let key = job.key.clone();
        let submit_at = job.deadlines.submit;
        let waiters: Vec<Waiter> = job.waiters.clone();
        self.disarm(submit_at, Timer::Submit, id);
        self.leave_family(id, parent);
        self.jobs.remove(id);
        self.live_jobs -= 1;
        self.late.push_back((id, ulid, features));
        if self.late.len() > super::LATE_ANSWERS {
            self.late.pop_front();
        }
        if let Some(session) = owner.and_then(|key| self.sessions.get_mut(key)) {
            session.jobs -= 1;
        }
        if let Some(key) = key {
            self.records.remove(&key);
            self.record_order.remove(&ulid);
        }
        let delegated = waiters.is_empty();
        for waiter in waiters {
            let Some(session) = self.sessions.get_mut(waiter.session) else { continue };
            session.unanswered = session.unanswered.saturating_sub(1);
            session.submits.retain(|sent| sent.ulid != ulid);
            if let Some(conn) = session.conn {
                self.refuse(conn, Some(&waiter.request_id), &fault);
                self.touch(conn);
            }
        }
        if let (Some(parent), Some(delegate_id)) = (parent, delegate_id)
            && let Some(job) = self.jobs.get_mut(parent).filter(|job| job.state.is_running())
        {
            if delegated {
                self.append(parent, &Body::tool_error(&delegate_id, &fault), None);
            } else {
                // A refused submit leaves no trace; the name of a delegation stood in the parent's events.
                job.delegate_ids.remove(&delegate_id);
            }
        }
        self.event(Event::Ended { job: id, status: FinalStatus::Error, fault: Some(fault), result: None });
        self.check_drained();
    }

    /// No answer to `Submitted` came in time.
    pub(super) fn submit_lapsed(&mut self, id: JobId) {
        self.drop_asked(id, Fault::new(ErrorCode::InternalError, "the runtime could not start the job in time"));
    }

    /// Runs a pending job, if its agent has a slot.
    fn run(&mut self, id: JobId) {
        let now = self.now;
        let Some(job) = self.jobs.get(id).filter(|job| job.state == JobState::Pending) else { return };
        let Some(agent) = self.agents.get_mut(&*job.accepted.agent) else {
            self.end_fault(id, JobEvent::Abort, Fault::new(ErrorCode::InternalError, "the agent is gone"));
            return;
        };
        if agent.spec.max_concurrent.is_some_and(|max| agent.running >= max) {
            agent.waiting.push_back(id);
            return;
        }
        agent.running += 1;
        let Some(job) = self.jobs.get_mut(id) else { return };
        if let Some(state) = job.state.next(JobEvent::Run) {
            job.state = state;
        }
        let deadline = job.max_runtime_secs.map(|secs| now.plus_secs(secs));
        job.deadlines.runtime = deadline;
        if let Some(at) = deadline {
            self.arm(at, Timer::Runtime, id);
        }
        self.append(id, &Body::status_unchecked("running", None), None);
        self.event(Event::Start { job: id });
    }

    /// Runs the next job that waits for a slot of this agent.
    pub(super) fn run_next(&mut self, agent: &str) {
        if let Some(next) = self.agents.get_mut(agent).and_then(|agent| agent.waiting.pop_front()) {
            self.run(next);
        }
    }

    /// A pending job has ended: it waits for no slot any more.
    pub(super) fn leave_queue(&mut self, agent: &str, id: JobId) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.waiting.retain(|waiting| *waiting != id);
        }
    }
}

fn check_credentials(credentials: &[Credential], negotiated: bool) -> Result<(), Refused> {
    if !credentials.is_empty() && !negotiated {
        return Err(Refused::NotNegotiated("provisioned_credentials"));
    }
    for (index, credential) in credentials.iter().enumerate() {
        if credential.id.is_empty() || credential.value.expose().is_empty() || credential.endpoint.is_empty() {
            return Err(Refused::Invalid(Cow::Borrowed("a credential has an id, a value and an endpoint")));
        }
        if credentials.iter().take(index).any(|earlier| earlier.id == credential.id) {
            return Err(Refused::Invalid(Cow::Borrowed("the ids of a job's credentials are different")));
        }
    }
    Ok(())
}
