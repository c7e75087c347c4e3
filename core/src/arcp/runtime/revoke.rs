//! Revocation of provisioned credentials (§9.8.2).

use alloc::string::String;

use super::Runtime;
use super::host::{Refused, RevocationId};
use super::record::Record;
use crate::arcp::wire::ids::JobUlid;
use crate::secret::Secret;
use crate::time::Time;

impl Runtime {
    /// Asks the host to revoke a credential's value, or `values` unknown ones; without an id, whatever it has minted for
    /// the job.
    pub(super) fn revoke(&mut self, job: JobUlid, id: Option<String>, value: Option<Secret>, values: u32) {
        let event = self.credentials.revoke(job, id, value, values);
        self.event(event);
    }

    /// Answers [`Event::Revoke`](crate::arcp::Event::Revoke): the value, or without one every value of the credential or of
    /// the job, is no longer valid upstream.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked.
    pub fn revoked(&mut self, now: Time, revocation: RevocationId) -> Result<(), Refused> {
        self.input(now, |this| {
            let done = this.credentials.revoked(revocation, &mut this.timers)?;
            match done.credential() {
                Some(id) => {
                    for _ in 0..done.values() {
                        this.outputs.store(Record::CredentialRevoked { job: done.job(), id: id.into() });
                    }
                }
                None => this.outputs.store(Record::CredentialsAnswered { job: done.job() }),
            }
            Ok(())
        })
    }

    /// Answers [`Event::Revoke`](crate::arcp::Event::Revoke): the credential could not be revoked. The host is asked
    /// again without end, after a longer pause each time, because a runtime that cannot revoke must not offer
    /// credentials (§14).
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or if a failure was already reported.
    pub fn revoke_failed(&mut self, now: Time, revocation: RevocationId) -> Result<(), Refused> {
        self.input(now, |this| this.credentials.revoke_failed(revocation, this.clock.now(), &mut this.timers))
    }

    pub(super) fn revoke_again(&mut self, id: RevocationId) {
        if let Some(event) = self.credentials.retry(id) {
            self.event(event);
        }
    }
}
