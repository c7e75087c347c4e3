//! Submits that were sent before: by the id of their frame, or by their idempotency key (§7.2).

use alloc::string::String;
use alloc::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::Runtime;
use crate::arcp::runtime::host::{JobId, SessionKey};
use crate::arcp::runtime::job::{JobState, Waiter};
use crate::arcp::runtime::session::Sent;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::{Accepted, Terminal};
use crate::arcp::wire::request::Submit;
use crate::digest::Digest;
use crate::digest::member;
use crate::json::Text;
use crate::json::push_json_str;
use crate::lease::Lease;
use crate::time::Time;

/// What is known of an idempotent submit.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) digest: Digest,
    pub(super) job: JobId,
    pub(super) ulid: JobUlid,
    pub(super) at: Time,
    /// Known once the host has answered.
    pub(super) accepted: Option<Arc<Accepted>>,
    /// Kept here once the job itself is not.
    pub(super) terminal: Option<Arc<Terminal>>,
}

impl Runtime {
    /// The session waits for the host's answer to a submit.
    pub(super) fn wait_for(&mut self, key: SessionKey, request_id: &str, id: JobId) {
        let (Some(job), Some(session)) = (self.jobs.get_mut(id), self.sessions.get_mut(key)) else { return };
        job.waiters.push(Waiter { session: key, request_id: request_id.into() });
        session.unanswered += 1;
        self.remember(key, request_id, id);
    }

    pub(super) fn remember(&mut self, key: SessionKey, request_id: &str, id: JobId) {
        let (Some(job), Some(session)) = (self.jobs.get(id), self.sessions.get_mut(key)) else { return };
        if session.submits.iter().any(|sent| *sent.id == *request_id) {
            return;
        }
        session.submits.push_back(Sent { id: request_id.into(), job: id, ulid: job.accepted.id });
        if session.submits.len() > self.config.limits.submit_ids {
            session.submits.pop_front();
        }
    }

    /// A submit whose id this session has sent before is not run again, but answered again.
    pub(super) fn repeats(&mut self, key: SessionKey, request_id: &str) -> Result<bool, Fault> {
        let Some(session) = self.sessions.get(key) else { return Ok(true) };
        let Some(sent) = session.submits.iter().find(|sent| *sent.id == *request_id) else { return Ok(false) };
        let id = sent.job;
        self.may_answer(key, id)?;
        match self.jobs.get(id).map(|job| job.state) {
            Some(JobState::Asked) => self.wait_for(key, request_id, id),
            Some(_) => self.answer_submit(key, request_id, id),
            None => return Err(Fault::new(ErrorCode::JobNotFound, "the job of this submit is no longer kept")),
        }
        Ok(true)
    }

    /// A submit whose key was used before: the same is answered as it was then, another one is refused (§7.2).
    pub(super) fn retries(
        &mut self,
        key: SessionKey,
        request_id: &str,
        record_key: &(Arc<str>, Digest),
        digest: &Digest,
    ) -> Result<bool, Fault> {
        let Some(record) = self.records.get(record_key) else { return Ok(false) };
        if record.digest != *digest {
            let existing = alloc::format!("{}", record.ulid);
            return Err(Fault::new(
                ErrorCode::DuplicateKey,
                "the idempotency_key was used with other parameters; choose a new key",
            )
            .with_detail("existing_job_id", &existing));
        }
        let (id, accepted, terminal) = (record.job, record.accepted.clone(), record.terminal.clone());
        self.may_answer(key, id)?;
        match self.jobs.get(id).map(|job| job.state) {
            Some(JobState::Asked) => self.wait_for(key, request_id, id),
            Some(_) => {
                self.remember(key, request_id, id);
                self.answer_submit(key, request_id, id);
            }
            None => {
                let (Some(accepted), Some(terminal)) = (accepted, terminal) else { return Ok(false) };
                let announcement = self.send_accepted(key, None, &accepted, Some(request_id));
                self.show_past_terminal(key, &accepted, &terminal, announcement);
            }
        }
        Ok(true)
    }

    /// Whether there is room for what another answer to a submit brings with it: one more who waits, one more job in the
    /// session, one more event in its log.
    fn may_answer(&self, key: SessionKey, id: JobId) -> Result<(), Fault> {
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let job = self.jobs.get(id);
        let (subscriptions, jobs) = (self.config.limits.subscriptions, self.config.limits.jobs_per_session);
        match job.map(|job| (job.state, job.owner)) {
            Some((JobState::Asked, _)) if session.unanswered >= jobs => {
                Err(Fault::limit("jobs_per_session", jobs as u64))
            }
            Some((state, None)) if state.is_live() && session.jobs >= jobs => {
                Err(Fault::limit("jobs_per_session", jobs as u64))
            }
            Some((state, Some(owner))) if state == JobState::Asked || state.is_live() => {
                let known = owner == key || session.watches.contains_key(&id);
                if known || session.others() < subscriptions {
                    Ok(())
                } else {
                    Err(Fault::limit("subscriptions", subscriptions as u64))
                }
            }
            Some((JobState::Asked | JobState::Pending | JobState::Running | JobState::Cancelling, None)) => Ok(()),
            // Its terminal comes again.
            _ if self.session_has_room(key, 1, 0) => Ok(()),
            _ => Err(Fault::limit("log_events", self.config.limits.log_events as u64)),
        }
    }
}

/// What makes two submits of one key the same (§7.2).
pub(super) fn digest(submit: &Submit<'_>, lease: Option<&Lease>) -> Digest {
    let text = |text: &Text<'_>| {
        let mut json = String::new();
        push_json_str(&mut json, text.as_str());
        json
    };
    let lease_request = submit.lease_request.filter(|_| lease.is_none_or(|lease| !lease.is_empty()));
    let expires_at = submit.lease_constraints.as_ref().and_then(|constraints| constraints.expires_at.as_ref());
    let secs = submit.max_runtime_sec.map(|secs| alloc::format!("{}", secs.0));
    let mut hasher = Sha256::new();
    member(&mut hasher, "agent", Some(&text(&submit.agent)));
    member(&mut hasher, "input", submit.input.map(RawValue::get).filter(|input| *input != "null"));
    member(&mut hasher, "lease_request", lease_request.map(RawValue::get));
    member(&mut hasher, "expires_at", expires_at.map(text).as_deref());
    member(&mut hasher, "max_runtime_sec", secs.as_deref());
    member(&mut hasher, "parent_job_id", submit.parent_job_id.as_ref().map(text).as_deref());
    member(&mut hasher, "delegate_id", submit.delegate_id.as_ref().map(text).as_deref());
    hasher.finalize().into()
}
