//! Rotation of provisioned credentials (§9.8.2).

use super::Runtime;
use super::host::{JobKey, Refused};
use super::jobs::job::Job;
use super::record::Record;
use crate::arcp::wire::body::Body;
use crate::secret::Secret;
use crate::time::Time;

impl Runtime {
    /// Gives a job's credential a new value (§9.8.2): its owner is sent the value, every other session is told only
    /// that it was rotated, and the previous value is revoked.
    ///
    /// Errors: [`Refused::Invalid`] if the job has no such credential, or the value is empty or one that a credential has,
    /// this one included, and that was not revoked yet; otherwise as [`Runtime::emit`].
    pub fn rotate(&mut self, now: Time, job: JobKey, credential: &str, value: Secret) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            this.credentials.check_rotation(job, credential, &value)?;
            let secret = Body::rotated(credential, Some(value.expose()));
            this.room(job, 1, secret.json().len())?;
            let Some(ulid) = this.jobs.get(job).map(Job::ulid) else { return Err(Refused::Stale) };
            let Some(prior) = this.credentials.rotate(job, credential, value) else { return Err(Refused::Stale) };
            this.outputs.store(Record::CredentialIssued { job: ulid, id: credential.into() });
            this.append_secret(job, &Body::rotated(credential, None), &secret);
            this.revoke(ulid, Some(credential.into()), Some(prior), 1);
            Ok(())
        })
    }
}
