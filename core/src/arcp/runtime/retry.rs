//! Submits that were sent before, found by the id of their frame or by their idempotency key (§7.2).

use alloc::string::String;
use alloc::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::Runtime;
use super::host::{JobKey, SessionKey};
use super::idempotency::Key;
use super::jobs::job::Job;
use super::jobs::state::JobState;
use super::sessions::watches::Role;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::job::{Accepted, Terminal};
use crate::arcp::wire::request::Submit;
use crate::digest::{Digest, member};
use crate::json::{Text, push_json_str};
use crate::lease::Lease;

/// The answer to a submit.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) request_id: &'a str,
    /// Whether no `job.accepted` is sent: the client that asked is gone with its connection.
    pub(super) silent: bool,
}

impl<'a> Answer<'a> {
    /// The answer to a submit of the present connection.
    pub(super) fn now(request_id: &'a str) -> Answer<'a> {
        Answer { request_id, silent: false }
    }
}

impl Runtime {
    /// Notes that the session waits for the host's answer to a submit. If its client binds replies in the order in which
    /// they arrive, nothing more is read from it until then: the answer to a later request might come first.
    pub(super) fn await_answer(&mut self, key: SessionKey, request_id: &str, id: JobKey) {
        let (Some(job), Some(session)) = (self.jobs.get_mut(id), self.sessions.get_mut(key)) else { return };
        job.add_waiter(key, session.epoch(), request_id);
        session.await_answer();
        session.remember_submit(request_id, id, job.ulid(), &self.config.limits);
        let in_order = session.dialect().row().binds_by_arrival;
        if let Some(conn) = session.conn().filter(|_| in_order)
            && self.conns.await_answer(conn)
        {
            self.outputs.not_reading(conn);
        }
    }

    /// If the session has sent this submit id before, answers it again without running the job again. Returns whether
    /// it has.
    pub(super) fn answer_repeated(&mut self, key: SessionKey, request_id: &str) -> Result<bool, Fault> {
        let Some(id) = self.sessions.get(key).and_then(|session| session.submitted(request_id)) else {
            return Ok(false);
        };
        self.may_answer(key, id)?;
        match self.jobs.get(id).map(Job::state) {
            Some(JobState::Asked) => self.await_answer(key, request_id, id),
            Some(_) => self.answer_submit(key, Answer::now(request_id), id),
            None => return Err(Fault::new(ErrorCode::JobNotFound, "the job of this submit is no longer kept")),
        }
        Ok(true)
    }

    /// If the key of a submit was used before, answers it as before, or refuses it if its parameters differ. Returns
    /// whether the key was used before.
    pub(super) fn answer_retried(
        &mut self,
        key: SessionKey,
        request_id: &str,
        record_key: &Key,
        fingerprint: &Digest,
    ) -> Result<bool, Fault> {
        let Some(record) = self.idempotency.find(record_key) else { return Ok(false) };
        if record.fingerprint() != fingerprint {
            let existing = alloc::format!("{}", record.ulid());
            return Err(Fault::new(
                ErrorCode::DuplicateKey,
                "the idempotency_key was used with other parameters; choose a new key",
            )
            .with_detail("existing_job_id", &existing));
        }
        let (id, outcome) = (record.job(), record.outcome());
        self.may_answer(key, id)?;
        match self.jobs.get(id).map(|job| (job.state(), job.ulid())) {
            Some((JobState::Asked, _)) => self.await_answer(key, request_id, id),
            Some((_, ulid)) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.remember_submit(request_id, id, ulid, &self.config.limits);
                }
                self.answer_submit(key, Answer::now(request_id), id);
            }
            None => {
                let Some((accepted, terminal)) = outcome else { return Ok(false) };
                let announcement = self.send_accepted(key, JobKey::default(), &accepted, Answer::now(request_id));
                self.show_past_terminal(key, &accepted, &terminal, announcement);
            }
        }
        Ok(true)
    }

    /// Answers a submit that the session waits for with `job.accepted`, and lets the session watch the job.
    pub(super) fn answer_submit(&mut self, key: SessionKey, answer: Answer<'_>, id: JobKey) {
        let request_id = answer.request_id;
        let Some(job) = self.jobs.get_mut(id) else { return };
        let (live, orphan) = (job.state().is_live(), job.owner().is_none());
        let (accepted, terminal) = (Arc::clone(job.accepted()), job.terminal().cloned());
        let no_events = job.history().end() == 0;
        let watched = self.sessions.get(key).and_then(|session| session.role(id)).is_some();
        if live && orphan {
            // The session that owned the job is closed, so this one becomes the owner (§7.2).
            if let Some(session) = self.sessions.get_mut(key) {
                job.own(key, session.id());
                session.job_begins();
                session.set_role(id, Role::Owner);
            }
        }
        if live && !watched {
            self.watch(key, id, if orphan { Role::Owner } else { Role::Attached });
        }
        let announcement = self.send_accepted(key, id, &accepted, answer);
        if let Some(terminal) = terminal {
            self.record_watching(key, id, Some(request_id), None, None);
            self.show_past_terminal(key, &accepted, &terminal, announcement);
        } else if let Some(session) = self.sessions.get_mut(key).filter(|session| session.role(id).is_some()) {
            // Only before the job's first event: afterwards the client has received it.
            let mut announced = None;
            if !watched || no_events {
                announced = announcement.as_ref().map(|announcement| announcement.id);
                session.announce(id, announcement);
            }
            self.record_watching(key, id, Some(request_id), None, announced);
        }
    }

    /// Sends an earlier terminal again, with a new number.
    pub(super) fn show_past_terminal(
        &mut self,
        key: SessionKey,
        accepted: &Accepted,
        terminal: &Terminal,
        announcement: Option<alloc::boxed::Box<super::sessions::announcement::Announcement>>,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let head = session.job_head(accepted).into();
        let (kind, payload, _) = self.terminal_for(key, accepted.id, terminal);
        if let Some(to) = self.number(key, kind, head, payload.clone(), None, announcement) {
            self.record_shown(accepted.about(), kind, &payload, None, to);
            self.press(key);
        }
    }

    /// Checks the limits for another answer to a submit: one more waiting submit, one more job of the session, and one
    /// more event in its log.
    fn may_answer(&self, key: SessionKey, id: JobKey) -> Result<(), Fault> {
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let limits = &self.config.limits;
        let jobs = limits.jobs_per_session;
        match self.jobs.get(id).map(|job| (job.state(), job.owner())) {
            Some((JobState::Asked, _)) if session.unanswered() >= jobs => {
                Err(Fault::limit("jobs_per_session", jobs as u64))
            }
            Some((state, None)) if state.is_live() && session.jobs() >= jobs => {
                Err(Fault::limit("jobs_per_session", jobs as u64))
            }
            Some((state, Some(owner))) if state == JobState::Asked || state.is_live() => {
                let known = owner == key || session.role(id).is_some();
                if known {
                    Ok(())
                } else if session.watched_of_others() < limits.subscriptions {
                    self.may_watch(key)
                } else {
                    Err(Fault::limit("subscriptions", limits.subscriptions as u64))
                }
            }
            Some((JobState::Asked | JobState::Pending | JobState::Running | JobState::Cancelling, None)) => Ok(()),
            // Its terminal is sent again.
            _ if session.has_room(1, 0, limits) => Ok(()),
            _ => Err(Fault::limit("log_events", limits.log_events as u64)),
        }
    }
}

/// The digest of what makes two submits of one key the same (§7.2).
///
/// `expires_at` is where the lease expires, wherever the submit says so; `max_budget` is what bounds a list of capabilities.
pub(super) fn fingerprint(
    submit: &Submit<'_>,
    lease: Option<&Lease>,
    expires_at: Option<&str>,
    max_budget: Option<&str>,
) -> Digest {
    let string = |text: &str| {
        let mut json = String::new();
        push_json_str(&mut json, text);
        json
    };
    let text = |text: &Text<'_>| string(text.as_str());
    let lease_request = submit.lease_request.filter(|_| lease.is_none_or(|lease| !lease.is_empty()));
    let secs = submit.max_runtime_sec.map(|secs| alloc::format!("{}", secs.0));
    let mut hasher = Sha256::new();
    member(&mut hasher, "agent", Some(&text(&submit.agent)));
    member(&mut hasher, "input", submit.input.map(RawValue::get).filter(|input| *input != "null"));
    member(&mut hasher, "lease_request", lease_request.map(RawValue::get));
    member(&mut hasher, "expires_at", expires_at.map(string).as_deref());
    member(&mut hasher, "max_runtime_sec", secs.as_deref());
    member(&mut hasher, "parent_job_id", submit.parent_job_id.as_ref().map(text).as_deref());
    member(&mut hasher, "delegate_id", submit.delegate_id.as_ref().map(text).as_deref());
    if max_budget.is_some() {
        member(&mut hasher, "max_budget", max_budget);
    }
    hasher.finalize().into()
}
