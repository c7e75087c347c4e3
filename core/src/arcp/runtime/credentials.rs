//! Provisioned credentials: rotation and revocation (§9.8).

use alloc::borrow::Cow;
use alloc::string::String;

use super::Runtime;
use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{JobId, Refused, RevocationId};
use crate::arcp::runtime::record::Record;
use crate::arcp::wire::body::Body;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::JobUlid;
use crate::secret::Secret;
use crate::time::Time;

/// Microseconds before a failed revocation is tried again: doubled each time, up to an hour.
const FIRST_RETRY: u64 = 1_000_000;
const LAST_RETRY: u64 = 3_600_000_000;

/// A credential value that is still good upstream though its job no longer needs it.
#[derive(Clone, Debug)]
pub(super) struct Revocation {
    job: JobUlid,
    /// `None`: whatever was minted for the job.
    id: Option<String>,
    /// Unknown after a restart.
    value: Option<Secret>,
    /// Values that were issued and are not on record as revoked.
    values: u32,
    attempt: u32,
    /// When it is asked again; `None` while the host is asked.
    retry_at: Option<Time>,
}

impl Runtime {
    /// Gives a job's credential a new value (§9.8.2): its owner is told, everybody else learns only that it was rotated,
    /// and the prior value is revoked.
    ///
    /// Errors: [`Refused::Invalid`] if the job has no such credential, or the value is empty or one that a credential has,
    /// be it this one, and that was not revoked yet; else as [`Runtime::emit`].
    pub fn rotate(&mut self, now: Time, job: JobId, credential: &str, value: Secret) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            if value.expose().is_empty() {
                return Err(Refused::Invalid(Cow::Borrowed("a credential's value is not empty")));
            }
            let known =
                this.jobs.get(job).is_some_and(|job| job.credentials.iter().any(|known| known.id == credential));
            if !known {
                return Err(Refused::Invalid(Cow::Borrowed("the job has no such credential")));
            }
            let digest = value.digest();
            if this.values.contains(&digest) {
                return Err(Refused::Invalid(Cow::Borrowed("a credential's value is that of no other credential")));
            }
            let secret = Body::rotated(credential, Some(value.expose()));
            this.room(job, 1, secret.json().len())?;
            let Some(data) = this.jobs.get_mut(job) else { return Err(Refused::Stale) };
            let ulid = data.accepted.id;
            let Some(known) = data.credentials.iter_mut().find(|known| known.id == credential) else {
                return Err(Refused::Stale);
            };
            let prior = core::mem::replace(&mut known.value, value);
            this.values.insert(digest);
            this.store(Record::CredentialIssued { job: ulid, id: credential.into() });
            this.append(job, &Body::rotated(credential, None), Some(&secret));
            this.revoke(ulid, credential.into(), Some(prior), 1);
            Ok(())
        })
    }

    /// Asks the host to make a job, and its credentials if they can be shown. That it was asked is on record first, for it
    /// may mint them and never come to say so.
    pub(super) fn ask_host(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id) else { return };
        let (ulid, credentials) = (job.accepted.id, job.features.has(Feature::ProvisionedCredentials));
        if credentials {
            self.store(Record::CredentialsAsked { job: ulid });
        }
        self.event(Event::Submitted { job: id, credentials });
    }

    /// The host has answered, and what it has minted is on record.
    pub(super) fn host_answered(&mut self, ulid: JobUlid, features: Features) {
        if features.has(Feature::ProvisionedCredentials) {
            self.store(Record::CredentialsAnswered { job: ulid });
        }
    }

    /// Asks for the revocation of one value, or of so many unknown ones.
    pub(super) fn revoke(&mut self, job: JobUlid, id: String, value: Option<Secret>, values: u32) {
        self.ask_to_revoke(job, Some(id), value, values);
    }

    /// Asks for the revocation of whatever the host has minted for a job.
    pub(super) fn revoke_all(&mut self, job: JobUlid) {
        self.ask_to_revoke(job, None, None, 0);
    }

    fn ask_to_revoke(&mut self, job: JobUlid, id: Option<String>, value: Option<Secret>, values: u32) {
        let revocation = Revocation { job, id: id.clone(), value: value.clone(), values, attempt: 0, retry_at: None };
        let revocation = self.revocations.insert(revocation);
        self.event(Event::Revoke { revocation, job, id, value, attempt: 0 });
    }

    /// Answers [`Event::Revoke`]: the value, or without one every value of the credential or of the job, is no longer
    /// good upstream.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked.
    pub fn revoked(&mut self, now: Time, revocation: RevocationId) -> Result<(), Refused> {
        self.input(now, |this| {
            let done = this.revocations.remove(revocation).ok_or(Refused::Stale)?;
            this.disarm(done.retry_at, Timer::Revocation, revocation);
            if let Some(value) = &done.value {
                this.values.remove(&value.digest());
            }
            match done.id {
                Some(id) => {
                    for _ in 0..done.values {
                        this.store(Record::CredentialRevoked { job: done.job, id: id.clone() });
                    }
                }
                None => this.store(Record::CredentialsAnswered { job: done.job }),
            }
            Ok(())
        })
    }

    /// Answers [`Event::Revoke`]: the upstream could not be told. It is asked again, later each time, without end: a
    /// runtime that cannot revoke may not offer credentials at all (§14).
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or the next attempt waits already.
    pub fn revoke_failed(&mut self, now: Time, revocation: RevocationId) -> Result<(), Refused> {
        self.input(now, |this| {
            let now = this.now;
            let failed = this.revocations.get_mut(revocation).filter(|r| r.retry_at.is_none()).ok_or(Refused::Stale)?;
            let delay = FIRST_RETRY.saturating_mul(1 << failed.attempt.min(31)).min(LAST_RETRY);
            let at = now.plus_micros(delay);
            failed.attempt = failed.attempt.saturating_add(1);
            failed.retry_at = Some(at);
            this.arm(at, Timer::Revocation, revocation);
            Ok(())
        })
    }

    pub(super) fn revoke_again(&mut self, id: RevocationId) {
        let Some(revocation) = self.revocations.get_mut(id) else { return };
        revocation.retry_at = None;
        let Revocation { job, id: credential, value, attempt, .. } = revocation.clone();
        self.event(Event::Revoke { revocation: id, job, id: credential, value, attempt });
    }
}
