//! Handles the answer to a challenge.

use bytes::Bytes;

use super::TrustAuthority;
use super::output::AuthorityEvent;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::trust::{
    WorkerHandshakeAuthenticate, WorkerHandshakePurpose, WorkerHandshakeRejectionReason, WorkerHandshakeResult,
};
use crate::clock::Expiry;
use crate::secret::Secret;

type Reason = WorkerHandshakeRejectionReason;

impl TrustAuthority {
    /// Gives a token to a worker that has signed its answer, if the challenge is open and, for a renewal, the token that it
    /// has is the valid one.
    pub(super) fn authenticate(
        &mut self,
        answer: WorkerHandshakeAuthenticate,
        before: &Secret,
    ) -> Result<Bytes, Reason> {
        let (Some(challenge), Some(handshake)) = (answer.challenge, answer.capability_handshake) else {
            return Err(Reason::INVALID_REQUEST);
        };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let record = self.workers.get_mut(&challenge.worker_id).ok_or(Reason::AUTHENTICATION_FAILED)?;
        record.check(&challenge, now)?;
        let is_renewal = challenge.purpose == WorkerHandshakePurpose::RENEW;
        if is_renewal && !record.is_token(before, now) {
            return Err(Reason::SESSION_INVALID);
        }
        let token = Secret::new(self.random.token("cap_"));
        let expires_at = wall.plus(self.config.session_lifetime);
        record.trust(&challenge, &token, Expiry::new(expires_at, &self.clock), handshake);
        let worker = challenge.worker_id.clone();
        let trace_id = challenge.trace_id.clone();
        let result = WorkerHandshakeResult {
            challenge: Some(challenge),
            accepted: true,
            token_expires_at: Some(Timestamp::from_time(expires_at)),
            issued_at: Some(Timestamp::from_time(wall)),
            ..WorkerHandshakeResult::default()
        };
        let reply = self.seal(&trace_id, token, result).ok_or(Reason::INTERNAL_ERROR)?;
        self.events.push_back(AuthorityEvent::Trusted { worker, expires_at, is_renewal });
        Ok(reply)
    }
}
