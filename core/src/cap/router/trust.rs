//! Trust sessions of workers (2.17, spec/14): requests for one, and what a session allows.

use super::Router;
use super::output::{RefusedByRouter, RouterEvent};
use super::record::{Body, RecordKind, RouterRecord, RouterRecordError};
use crate::cap::trust::authority::TrustAuthority;
use crate::cap::trust::authority::config::Enrollment;
use crate::cap::trust::authority::output::{AuthorityEvent, AuthorityRefused};
use crate::cap::wire::subject::{ComponentId, Subject};
use crate::secret::Secret;
use crate::time::Time;

/// The longest reply subject in bytes. Inboxes of NATS clients have fewer than 64.
const MAX_REPLY: usize = 256;

impl Router {
    /// Takes in a request of the trust handshake: a packet on [`Subject::TrustChallenge`] or [`Subject::TrustAuthenticate`]
    /// whose sender awaits an answer on a reply subject, as the bus names it. The answer is
    /// [`RouterOutput::Reply`](super::output::RouterOutput::Reply), once the session that it begins is stored.
    ///
    /// A request gets no answer if the router gives no sessions, if [`Router::reading`] is false, if the reply subject is
    /// empty or longer than 256 bytes, or if the packet is not one of the handshake.
    pub fn handle_request(&mut self, now: Time, subject: &Subject, bytes: &[u8], reply: &str) {
        self.input(now, |this| {
            if !this.reading() || reply.is_empty() || reply.len() > MAX_REPLY {
                return;
            }
            let answer = this.trust.as_mut().and_then(|trust| trust.handle_request(this.clock.now(), subject, bytes));
            this.follow_trust();
            if let Some(bytes) = answer {
                this.outbox.reply(reply, bytes);
            }
        });
    }

    /// Enrolls a worker, or changes its enrollment. Its session continues if its agent, its tenant and its key stay the
    /// same.
    ///
    /// Errors: the router gives no sessions, too many workers are enrolled, or a name is not valid.
    pub fn enroll(&mut self, now: Time, worker: &str, enrollment: Enrollment) -> Result<(), AuthorityRefused> {
        self.input(now, |this| {
            let kept_session = this.keeps_session(worker);
            this.trust.as_mut().ok_or(AuthorityRefused::Off)?.enroll(worker, enrollment)?;
            if kept_session && !this.keeps_session(worker) {
                this.distrust(worker);
            }
            this.queue.wake_all();
            Ok(())
        })
    }

    /// Forgets an enrolled worker with its session. Its jobs are sent again, or fail. Returns false if it is not enrolled.
    pub fn revoke(&mut self, now: Time, worker: &str) -> bool {
        self.input(now, |this| {
            let kept_session = this.keeps_session(worker);
            let was_enrolled = this.trust.as_mut().is_some_and(|trust| trust.revoke(worker));
            if kept_session {
                this.distrust(worker);
            }
            was_enrolled
        })
    }

    /// Ends the session of a worker, which may prove itself again. Its jobs are sent again, or fail. Returns false if it has
    /// none.
    pub fn revoke_session(&mut self, now: Time, worker: &str) -> bool {
        self.input(now, |this| {
            let kept_session = this.trust.as_mut().is_some_and(|trust| trust.revoke_session(worker));
            if kept_session {
                this.distrust(worker);
            }
            kept_session
        })
    }

    /// Returns the part of the router that gives sessions, if it has one.
    pub fn authority(&self) -> Option<&TrustAuthority> {
        self.trust.as_ref()
    }

    /// Checks that a packet of a worker has the token of its session, if workers need one.
    pub(super) fn trusted(&self, sender: &str, token: &Secret) -> Result<(), RefusedByRouter> {
        if !self.config.trust.is_required() {
            return Ok(());
        }
        let is_trusted = self.trust.as_ref().is_some_and(|trust| trust.admits(self.clock.now(), sender, token));
        if is_trusted { Ok(()) } else { Err(RefusedByRouter::NotTrusted(sender.into())) }
    }

    /// Takes in a session that was recorded. One whose worker is not enrolled for it any more is dropped, with its record.
    pub(super) fn restore_session(&mut self, worker: &str, body: Body) -> Result<(), RouterRecordError> {
        let session = body.session()?;
        let resumes = self.trust.as_mut().is_some_and(|trust| trust.resume(self.clock.now(), worker, session));
        if !resumes && self.config.records {
            self.outbox.store(RouterRecord::new(RecordKind::Distrusted, worker, Body::default()));
        }
        Ok(())
    }

    pub(super) fn has_session(&self, worker: &str) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.session(self.clock.now(), worker).is_some())
    }

    /// Returns whether the authority has a session of a worker, which may have expired. Requests may still wait for the worker,
    /// and its record could bring the session back if the wall clock is set back.
    fn keeps_session(&self, worker: &str) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.keeps_session(worker))
    }

    /// Acts on what the authority says. A session is recorded before its token goes out.
    fn follow_trust(&mut self) {
        while let Some(event) = self.trust.as_mut().and_then(TrustAuthority::poll_event) {
            if let AuthorityEvent::Trusted { worker, .. } = &event
                && self.config.records
                && let Some(session) = self.trust.as_ref().and_then(|trust| trust.kept(worker))
            {
                self.outbox.store(RouterRecord::of_session(worker, session));
            }
            self.outbox.event(RouterEvent::Trust(event));
        }
    }

    /// A worker has no session any more.
    fn distrust(&mut self, worker: &str) {
        if self.config.records {
            self.outbox.store(RouterRecord::new(RecordKind::Distrusted, worker, Body::default()));
        }
        let Ok(id) = ComponentId::new(worker) else { return };
        if self.config.trust.is_required() {
            // Requests that wait for the store or the bus are for it no more.
            self.outbox.withdraw(&Subject::Direct(id.clone()));
            if let Some(key) = self.workers.key(&id) {
                self.lose_worker(key);
            }
        }
    }
}
