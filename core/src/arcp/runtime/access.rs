//! What a session may do, and which jobs it may see (§6.2, §6.6, §7.6, §9.8).

use super::Runtime;
use super::host::{JobKey, SessionKey};
use super::jobs::job::Job;
use super::jobs::questions::Asked;
use super::policy::Access;
use super::sessions::session::Session;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::Accepted;

impl Runtime {
    /// Refuses a feature that a session did not negotiate (§6.2).
    pub(super) fn needs(&self, key: SessionKey, feature: Feature) -> Result<(), Fault> {
        match self.sessions.get(key) {
            Some(session) if !session.has(feature) => Err(super::validate::not_negotiated(feature)),
            _ => Ok(()),
        }
    }

    /// Returns a session's access to a job: full access to jobs of its own principal, and to all jobs if that is an
    /// operator or an approver; otherwise what the policy grants.
    pub(super) fn access(&self, session: &Session, job: &Accepted) -> Access {
        if *session.principal() == job.principal || self.sees_all(session.principal()) {
            Access::Observed
        } else {
            self.config.policy.access(session.principal(), &job.principal, &job.agent_ref(true))
        }
    }

    /// Returns whether a principal may watch every job.
    pub(super) fn sees_all(&self, principal: &str) -> bool {
        self.config.is_operator(principal) || self.config.is_approver(principal)
    }

    /// Returns whether a principal may answer a question of a job that it may see (ours).
    pub(super) fn may_answer_question(&self, principal: &str, job: &Accepted, asked: &Asked) -> bool {
        if asked.is_approval() && !self.config.self_approval && *principal == *job.principal {
            return false;
        }
        self.may_answer_questions(principal, job)
    }

    /// Returns whether a principal may answer the questions of a job that it may see, as far as these are no approvals (ours).
    pub(super) fn may_answer_questions(&self, principal: &str, job: &Accepted) -> bool {
        self.config.is_approver(principal)
            || self.config.policy.may_answer(principal, &job.principal, &job.agent_ref(true))
    }

    /// Returns the job that a session names, if its principal may see it. Unknown jobs and jobs that it may not see get
    /// the same error.
    pub(super) fn visible(&self, key: SessionKey, named: &str) -> Result<JobKey, Fault> {
        let found = JobUlid::parse(named).and_then(|ulid| self.jobs.find(ulid));
        let known = found.filter(|id| {
            let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(*id)) else { return false };
            self.access(session, job.accepted()) != Access::Hidden
        });
        known.ok_or_else(unknown_job)
    }

    /// Returns whether a session may cancel a job that it may see (§7.4). The owner session may. Once that is closed,
    /// every session of the same principal may. Operators always may (ours).
    pub(super) fn may_cancel(&self, key: SessionKey, job: &Job) -> bool {
        let Some(principal) = self.sessions.get(key).map(Session::principal) else { return false };
        let orphan = job.owner().is_none_or(|owner| self.sessions.get(owner).is_none());
        job.owner() == Some(key)
            || orphan && *principal == job.accepted().principal
            || self.config.is_operator(principal)
    }

    /// Returns the credentials of a job that a session may see: only those of live jobs of its own principal (§9.8,
    /// §14).
    pub(super) fn credentials_for(&self, session: &Session, job: JobKey, accepted: &Accepted) -> &[Credential] {
        let live = self.jobs.get(job).is_some_and(|job| job.state().is_live());
        if live && *session.principal() == accepted.principal && session.has(Feature::ProvisionedCredentials) {
            self.credentials.of(job)
        } else {
            &[]
        }
    }

    /// Returns the maximum frame size of a session in bytes. For a closed session it is the maximum of any session.
    pub(super) fn frame_limit(&self, key: Option<SessionKey>) -> usize {
        let limits = &self.config.limits;
        match key.and_then(|key| self.sessions.get(key)) {
            Some(session) if session.is_stdio() => limits.stdio_frame_bytes.min(limits.frame_bytes),
            _ => limits.frame_bytes,
        }
    }
}

/// The error for an unknown job, and for a job that the principal may not see.
pub(super) fn unknown_job() -> Fault {
    Fault::new(ErrorCode::JobNotFound, "there is no such job")
}
