//! The trust session of a worker, if it has one: when it takes jobs, and the token that its packets carry.

use alloc::string::String;

use bytes::Bytes;

use super::Worker;
use super::output::{WorkerEvent, WorkerOutput, WorkerRefused};
use crate::cap::trust::session::TrustSession;
use crate::cap::trust::session::output::{TrustOutput, TrustRequest};
use crate::secret::Secret;
use crate::time::Time;

impl Worker {
    /// Answers [`WorkerOutput::Request`] with the reply, or with why there is none, as a sentence for people.
    ///
    /// Errors: [`WorkerRefused::Stale`] if the request took too long or the bus was away.
    pub fn replied(&mut self, now: Time, id: TrustRequest, reply: Result<Bytes, String>) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            let trust = this.trust.as_mut().ok_or(WorkerRefused::Stale)?;
            trust.replied(this.clock.now(), id, reply).map_err(|_| WorkerRefused::Stale)
        })
    }

    /// Returns whether the worker takes jobs, as far as its trust session is concerned.
    pub fn admits(&self) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.admits(self.clock.now()))
    }

    /// Whether packets may be sent.
    pub(super) fn may_send(&self) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.may_send(self.clock.now()))
    }

    /// Returns the token that packets carry.
    pub(super) fn token(&self) -> Secret {
        self.trust.as_ref().and_then(|trust| trust.token(self.clock.now())).cloned().unwrap_or_default()
    }

    /// Acts on what the trust session says, and awaits its next deadline.
    pub(super) fn follow_trust(&mut self) {
        while let Some(output) = self.trust.as_mut().and_then(TrustSession::poll_output) {
            match output {
                TrustOutput::Request { id, subject, bytes } => {
                    self.outbox.push(WorkerOutput::Request { id, subject, bytes });
                }
                TrustOutput::Opened => {
                    self.subscribe();
                    self.announce();
                }
                TrustOutput::Closed => self.withdraw(),
                TrustOutput::Trusted { expires_at, is_renewal } => {
                    self.outbox.publish_unsent();
                    self.outbox.event(WorkerEvent::Trusted { expires_at, is_renewal });
                }
                TrustOutput::Failed { reason } => self.outbox.event(WorkerEvent::TrustFailed { reason }),
                TrustOutput::Expired => self.outbox.event(WorkerEvent::TrustExpired),
            }
        }
        match self.trust.as_ref().and_then(TrustSession::poll_timeout) {
            Some(at) => self.trust_due.set(at, &mut self.timers),
            None => self.trust_due.clear(&mut self.timers),
        }
    }
}
