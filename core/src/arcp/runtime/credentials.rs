//! Provisioned credentials of jobs, and those that are still to be revoked (§9.8).

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use slotmap::SlotMap;

use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{JobKey, Refused, RevocationId};
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::ids::JobUlid;
use crate::digest::Digest;
use crate::secret::Secret;
use crate::time::Time;

/// Microseconds before a failed revocation is tried again the first time; doubled each time.
const FIRST_RETRY: u64 = 1_000_000;
/// Microseconds before a failed revocation is tried again at most.
const LAST_RETRY: u64 = 3_600_000_000;

/// The credentials of live jobs, and the values that the host is asked to revoke.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    of_jobs: BTreeMap<JobKey, Vec<Credential>>,
    /// Digests of all values that are valid upstream: no other credential may have one of them.
    values: BTreeSet<Digest>,
    revocations: SlotMap<RevocationId, Revocation>,
}

/// A value that is still valid upstream although its job no longer needs it.
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
    /// When the host is asked again; clear while the host is being asked.
    retry: Deadline,
}

impl Revocation {
    pub(super) fn job(&self) -> JobUlid {
        self.job
    }

    /// The credential, or `None` for whatever was minted for the job.
    pub(super) fn credential(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Values that were issued and are not on record as revoked.
    pub(super) fn values(&self) -> u32 {
        self.values
    }

    fn event(&self, revocation: RevocationId) -> Event {
        let (id, value) = (self.id.clone(), self.value.clone());
        Event::Revoke { revocation, job: self.job, id, value, attempt: self.attempt }
    }
}

fn invalid(sentence: &'static str) -> Refused {
    Refused::Invalid(Cow::Borrowed(sentence))
}

impl Credentials {
    /// The credentials of a job that are valid now.
    pub(super) fn of(&self, job: JobKey) -> &[Credential] {
        self.of_jobs.get(&job).map_or(&[], Vec::as_slice)
    }

    /// Checks credentials for a job: their ids and values must not be empty, and no two may be the same.
    pub(super) fn check(&self, credentials: &[Credential], max: usize) -> Result<(), Refused> {
        for (index, credential) in credentials.iter().enumerate() {
            if credential.id.is_empty() || credential.value.expose().is_empty() || credential.endpoint.is_empty() {
                return Err(invalid("a credential needs an id, a value and an endpoint"));
            }
            if credentials.iter().take(index).any(|earlier| earlier.id == credential.id) {
                return Err(invalid("two credentials of the job have the same id"));
            }
        }
        if credentials.len() > max {
            return Err(Refused::Limit { limit: "credentials_per_job", max: max as u64 });
        }
        let values: BTreeSet<Digest> = credentials.iter().map(|credential| credential.value.digest()).collect();
        if values.len() < credentials.len() || !values.is_disjoint(&self.values) {
            return Err(invalid("another credential has the same value"));
        }
        Ok(())
    }

    /// Issues checked credentials to a job.
    pub(super) fn issue(&mut self, job: JobKey, credentials: Vec<Credential>) {
        self.values.extend(credentials.iter().map(|credential| credential.value.digest()));
        if !credentials.is_empty() {
            self.of_jobs.insert(job, credentials);
        }
    }

    /// Notes a value that was minted for a job that does not need it.
    pub(super) fn note_value(&mut self, value: &Secret) {
        self.values.insert(value.digest());
    }

    /// Whether a job's credential may get a value.
    pub(super) fn check_rotation(&self, job: JobKey, id: &str, value: &Secret) -> Result<(), Refused> {
        if value.expose().is_empty() {
            return Err(invalid("the value of a credential is empty"));
        }
        if !self.of(job).iter().any(|known| known.id == id) {
            return Err(invalid("the job has no credential of this id"));
        }
        if self.values.contains(&value.digest()) {
            return Err(invalid("another credential has the same value"));
        }
        Ok(())
    }

    /// Gives a job's credential a checked value; returns the one before.
    pub(super) fn rotate(&mut self, job: JobKey, id: &str, value: Secret) -> Option<Secret> {
        let known = self.of_jobs.get_mut(&job)?.iter_mut().find(|known| known.id == id)?;
        self.values.insert(value.digest());
        Some(core::mem::replace(&mut known.value, value))
    }

    /// Takes the credentials of a job that has ended.
    pub(super) fn withdraw(&mut self, job: JobKey) -> Vec<Credential> {
        self.of_jobs.remove(&job).unwrap_or_default()
    }

    /// Values that are still to be revoked.
    pub(super) fn unrevoked(&self) -> usize {
        self.revocations.len()
    }

    /// Asks for the revocation of a credential's value, or of `values` unknown ones. Without an id, of whatever was minted
    /// for the job.
    pub(super) fn revoke(&mut self, job: JobUlid, id: Option<String>, value: Option<Secret>, values: u32) -> Event {
        let retry = Deadline::new(Timer::Revocation);
        let revocation = Revocation { job, id, value, values, attempt: 0, retry };
        let id = self.revocations.insert(revocation.clone());
        revocation.event(id)
    }

    /// The host has revoked a value.
    pub(super) fn revoked(&mut self, id: RevocationId, timers: &mut Timers) -> Result<Revocation, Refused> {
        let mut done = self.revocations.remove(id).ok_or(Refused::Stale)?;
        done.retry.clear(id, timers);
        if let Some(value) = &done.value {
            self.values.remove(&value.digest());
        }
        Ok(done)
    }

    /// Notes that the host could not revoke a value. The host is asked again without end, after a longer pause each
    /// time.
    pub(super) fn revoke_failed(&mut self, id: RevocationId, now: Time, timers: &mut Timers) -> Result<(), Refused> {
        let failed = self.revocations.get_mut(id).filter(|failed| failed.retry.is_clear()).ok_or(Refused::Stale)?;
        let delay = FIRST_RETRY.saturating_mul(1 << failed.attempt.min(31)).min(LAST_RETRY);
        failed.attempt = failed.attempt.saturating_add(1);
        failed.retry.set(now.plus_micros(delay), id, timers);
        Ok(())
    }

    /// Asks for a revocation again, because its pause has passed.
    pub(super) fn retry(&mut self, id: RevocationId) -> Option<Event> {
        let revocation = self.revocations.get_mut(id)?;
        revocation.retry.passed();
        Some(revocation.event(id))
    }

    pub(super) fn held(&self) -> usize {
        self.revocations.len() * 256 + self.values.len() * 64
    }
}
