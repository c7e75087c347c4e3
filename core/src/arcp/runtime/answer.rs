//! The host's answer to a submit, and the start of a job (§7.1, §7.3).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Runtime;
use super::agents::Slot;
use super::asked::Asked;
use super::conns::replies::Reply;
use super::event::Event;
use super::host::{JobKey, Refused, SessionKey};
use super::jobs::job::Job;
use super::jobs::state::{Cause, JobState};
use super::record::{JobAccepted, Record};
use super::retry::Answer;
use super::sessions::announcement::{Announced, Announcement};
use super::sessions::session::Session;
use super::sessions::watches::Role;
use crate::arcp::wire::body::Body;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{EnvelopeId, JobUlid};
use crate::arcp::wire::job::{Accepted, FinalStatus};
use crate::arcp::wire::reply;
use crate::time::Time;

impl Runtime {
    /// Answers [`Event::Submitted`]: the job is accepted, with these credentials. It runs when its agent has a slot.
    ///
    /// Errors, which change nothing except that credentials which come too late are revoked: [`Refused::Stale`],
    /// [`Refused::NotNegotiated`] for credentials that the session may not see, [`Refused::Limit`], [`Refused::Invalid`]
    /// for an empty member, a repeated id, or a value that another credential has and that was not revoked yet (§9.8.2).
    pub fn start(&mut self, now: Time, job: JobKey, credentials: Vec<Credential>) -> Result<(), Refused> {
        self.input(now, |this| {
            let asked = this.jobs.get(job).filter(|job| job.state() == JobState::Asked);
            let Some((ulid, features)) = asked.map(|job| (job.ulid(), job.features())) else {
                this.revoke_late(job, credentials);
                return Err(Refused::Stale);
            };
            if !credentials.is_empty() && !features.has(Feature::ProvisionedCredentials) {
                return Err(Refused::NotNegotiated("provisioned_credentials"));
            }
            this.credentials.check(&credentials, this.config.limits.credentials_per_job)?;
            for credential in &credentials {
                this.outputs.store(Record::CredentialIssued { job: ulid, id: credential.id.clone() });
            }
            this.credentials.issue(job, credentials);
            this.host_answered(ulid, features);
            this.accept(job);
            if this.jobs.get(job).is_some_and(|job| job.state() == JobState::Pending) {
                this.enqueue(job);
            }
            Ok(())
        })
    }

    /// Answers [`Event::Submitted`]: the job is refused with this fault.
    ///
    /// Errors: [`Refused::Stale`].
    pub fn decline(&mut self, now: Time, job: JobKey, fault: Fault) -> Result<(), Refused> {
        self.input(now, |this| {
            let asked = this.jobs.get(job).filter(|job| job.state() == JobState::Asked);
            let Some((ulid, features)) = asked.map(|job| (job.ulid(), job.features())) else {
                if let Some(declined) = this.jobs.declined(job) {
                    this.host_answered(declined.ulid, declined.features);
                }
                return Err(Refused::Stale);
            };
            this.host_answered(ulid, features);
            this.drop_asked(job, fault);
            Ok(())
        })
    }

    /// Revokes credentials of a job that was declined before the host has answered.
    fn revoke_late(&mut self, job: JobKey, credentials: Vec<Credential>) {
        let Some(declined) = self.jobs.declined(job) else { return };
        for credential in credentials {
            self.outputs.store(Record::CredentialIssued { job: declined.ulid, id: credential.id.clone() });
            self.credentials.note_value(&credential.value);
            self.revoke(declined.ulid, Some(credential.id), Some(credential.value), 1);
        }
        self.host_answered(declined.ulid, declined.features);
    }

    /// Records that the host has answered, and the credentials that it has minted.
    fn host_answered(&mut self, ulid: JobUlid, features: Features) {
        if features.has(Feature::ProvisionedCredentials) {
            self.outputs.store(Record::CredentialsAnswered { job: ulid });
        }
    }

    fn accept(&mut self, id: JobKey) {
        let wall = self.clock.wall();
        let Some(job) = self.jobs.get_mut(id) else { return };
        // Its session may have closed while the host was asked.
        let owner = job.owner().filter(|key| self.sessions.get(*key).is_some());
        if owner.is_none() {
            job.disown();
        }
        let (parent, delegated_at, granted) = (job.parent(), job.delegated_at(), job.granted().is_some());
        let Some((accepted, waiters)) = self.jobs.accept(id, wall, &mut self.timers) else { return };
        if let Some(job) = self.jobs.get_mut(id) {
            let (now, offset) = (self.clock.now(), self.clock.offset());
            job.begin_lease(id, now, offset, self.config.expiry_grace, &mut self.timers);
        }
        self.totals.jobs += 1;
        self.agents.count_accepted(&accepted.agent);
        self.idempotency.accept(&accepted);
        self.record_accepted(id);
        if let Some(owner) = owner {
            self.watch(owner, id, Role::Owner);
            if waiters.is_empty() {
                self.announce_child(owner, id, delegated_at);
            }
        }
        for waiter in waiters {
            // A session that has closed in the meantime cannot own the job.
            let Some(session) = self.sessions.get_mut(waiter.session) else { continue };
            session.submit_answered();
            let silent = session.has_lost_request(waiter.epoch);
            self.answer_submit(waiter.session, Answer { request_id: &waiter.request_id, silent }, id);
            self.touch(waiter.session);
        }
        if let (true, Some(parent)) = (granted, parent) {
            self.show_remaining(parent);
        }
    }

    fn record_accepted(&mut self, id: JobKey) {
        self.record(|this| {
            let job = this.jobs.get(id)?;
            let record = JobAccepted {
                accepted: Arc::clone(job.accepted()),
                owner: job.owner().and_then(|key| this.sessions.get(key)).map(Session::id),
                features: job.features(),
                small_chunks: job.has_small_chunks(),
                key: this.idempotency.key_of(job.ulid()),
            };
            Some(Record::JobAccepted(record.into()))
        });
        let stored = self.outputs.stored();
        if let Some(job) = self.jobs.get_mut(id) {
            job.accepted_in(stored);
        }
    }

    /// Sends a `job.accepted` unless it is `silent`, and returns it so that it can be sent again before the job's first
    /// event.
    pub(super) fn send_accepted(
        &mut self,
        key: SessionKey,
        id: JobKey,
        accepted: &Arc<Accepted>,
        answer: Answer<'_>,
    ) -> Option<Box<Announcement>> {
        let envelope = EnvelopeId::next(&mut self.random, self.clock.now());
        let session = self.sessions.get(key)?;
        let shown = self.credentials_for(session, id, accepted);
        let payload = reply::accepted(accepted, session.form(), shown, Some(answer.request_id));
        let conn = session.conn().filter(|_| !answer.silent);
        let announcement = Announcement {
            id: envelope,
            request_id: Some(answer.request_id.into()),
            epoch: if conn.is_some() { session.epoch() } else { 0 },
            kind: Announced::Accepted(id, Arc::clone(accepted)),
        };
        if let Some(conn) = conn {
            let reply = session.dialect().reply_id(envelope, Some(answer.request_id));
            let head = session.watch_head(id).unwrap_or_else(|| session.job_head(accepted).into());
            let frame = envelope::reply(reply, "job.accepted", &head, &payload);
            self.queue(conn, Reply::new(frame));
        }
        Some(announcement.into())
    }

    /// Queues the `job.accepted` of a delegated job after its `delegate` event, for a client that has asked for it. It
    /// is held back while a submit is unanswered. Other clients would take it for the answer to a submit.
    fn announce_child(&mut self, key: SessionKey, id: JobKey, after: u64) {
        let envelope = EnvelopeId::next(&mut self.random, self.clock.now());
        let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(id)) else { return };
        if !session.has(Feature::AcceptedReplay) {
            self.record_watching(key, id, None, None, None);
            return;
        }
        let accepted = Arc::clone(job.accepted());
        let shown = self.credentials_for(session, id, &accepted);
        let payload = reply::accepted(&accepted, session.form(), shown, None);
        let head = session.job_head(&accepted);
        // If replies already pile up, it is sent before the child's first event instead, as after a resume. The peer
        // must not be closed for a queue that delegations have filled.
        let conn = session.conn().filter(|conn| self.conns.get(*conn).is_some_and(|open| !open.is_paused()));
        let epoch = if conn.is_some() { session.epoch() } else { 0 };
        if let Some(session) = self.sessions.get_mut(key) {
            let kind = Announced::Accepted(id, accepted);
            let announcement = Announcement { id: envelope, request_id: None, epoch, kind };
            session.announce(id, Some(announcement.into()));
        }
        self.record_watching(key, id, None, None, Some(envelope));
        if let Some(conn) = conn {
            let frame = envelope::frame(envelope, "job.accepted", &head, None, &[&payload]);
            self.queue(conn, Reply::child(frame, after));
        }
    }

    /// Declines a job that the host was asked about.
    pub(super) fn drop_asked(&mut self, id: JobKey, fault: Fault) {
        let Some((job, waiters)) = self.jobs.decline(id, &mut self.timers) else { return };
        let ulid = job.ulid();
        if let Some(parent) = self.jobs.leave_family(id, job.parent(), job.budget()) {
            self.show_remaining(parent);
        }
        if let Some(session) = job.owner().and_then(|key| self.sessions.get_mut(key)) {
            session.job_ends();
        }
        self.idempotency.decline(ulid);
        let delegated = waiters.is_empty();
        for waiter in waiters {
            let Some(session) = self.sessions.get_mut(waiter.session) else { continue };
            session.submit_answered();
            session.forget_submits(ulid);
            if let Some(conn) = session.conn().filter(|_| !session.has_lost_request(waiter.epoch)) {
                let (agent, trace_id) = (Some(job.accepted().agent.clone()), Some(job.accepted().trace_id));
                let asked = Asked::Submit { agent, trace_id };
                self.refuse_request(conn, Some(&waiter.request_id), &asked, &fault);
            }
            self.touch(waiter.session);
        }
        if let (Some(parent), Some(delegate_id)) = (job.parent(), &job.accepted().delegate_id)
            && let Some(running) = self.jobs.get_mut(parent).filter(|job| job.state().is_running())
        {
            if delegated {
                self.append(parent, &Body::tool_error(delegate_id, &fault), None);
            } else {
                // A refused submit leaves no record. The name of a refused delegation stays used, because the parent's
                // events contain it.
                running.forget_delegation(delegate_id);
            }
        }
        self.event(Event::Ended { job: id, status: FinalStatus::Error, fault: Some(fault), result: None });
        self.check_drained();
    }

    /// Refuses a submit that the host has not answered in time.
    pub(super) fn submit_lapsed(&mut self, id: JobKey) {
        self.drop_asked(id, Fault::new(ErrorCode::InternalError, "the runtime could not start the job in time"));
    }

    /// Runs an accepted job, or queues it for a slot of its agent.
    pub(super) fn enqueue(&mut self, id: JobKey) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.wait(self.clock.now());
        let agent = &job.accepted().agent;
        let reruns = self.agents.reruns(agent);
        match self.agents.claim(agent, id) {
            Slot::Taken => {
                if reruns {
                    self.record_request(id);
                }
                self.run(id);
            }
            Slot::Waiting => {
                self.record_request(id);
                self.want_slot(id);
            }
            Slot::NoAgent => {
                self.end_fault(id, Cause::Aborted, Fault::new(ErrorCode::InternalError, "the agent is gone"));
            }
        }
    }

    /// Runs a job that has a slot of its agent.
    pub(super) fn run(&mut self, id: JobKey) {
        let now = self.clock.now();
        let Some(waited) = self.jobs.run(id, now, &mut self.timers) else { return };
        let Some(job) = self.jobs.get(id) else { return };
        self.agents.count_run(&job.accepted().agent, waited);
        if job.runtime_deadline().is_some_and(|at| at <= now) {
            // It passed before a restart, or while the job waited for a slot again.
            self.time_out(id);
            return;
        }
        let phase = if job.restarts() > 0 { "restarted" } else { "running" };
        let repeated = self.durability.is_kept() && self.agents.reruns(&job.accepted().agent);
        let begun = job.repeatable_run().filter(|_| repeated);
        self.append_begin(id, &Body::status_unchecked(phase, None), begun);
        self.event(Event::Start { job: id });
    }

    /// Records what an accepted job needs to be run after a restart. A job that runs at once and is not run again needs
    /// nothing: its client is not told of it before its first event is on record.
    fn record_request(&mut self, id: JobKey) {
        if self.durability.is_kept()
            && let Some(request) = self.jobs.get_mut(id).and_then(Job::take_request)
        {
            self.outputs.store(Record::JobInput(request.into()));
        }
    }
}
