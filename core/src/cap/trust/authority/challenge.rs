//! Handles a request for a challenge.

use bytes::Bytes;

use super::TrustAuthority;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::trust::{
    WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest, WorkerHandshakePurpose, WorkerHandshakeRejectionReason,
};
use crate::secret::Secret;

type Reason = WorkerHandshakeRejectionReason;

impl TrustAuthority {
    /// Challenges a worker that has signed its request.
    pub(super) fn challenge(
        &mut self,
        created_at: Option<&Timestamp>,
        request: &WorkerHandshakeChallengeRequest,
    ) -> Result<Bytes, Reason> {
        let (clock, limits) = (self.clock, self.config.limits);
        let record = self.workers.get_mut(&request.worker_id).ok_or(Reason::AUTHENTICATION_FAILED)?;
        if request.purpose == WorkerHandshakePurpose::RENEW && record.session(clock.now()).is_none() {
            return Err(Reason::SESSION_REQUIRED);
        }
        let made_at = created_at.and_then(Timestamp::to_time).unwrap_or(clock.wall());
        record.admit(request, made_at, &clock, &limits)?;
        let mut challenge = WorkerHandshakeChallenge {
            request_id: request.request_id.clone(),
            trace_id: request.trace_id.clone(),
            worker_id: request.worker_id.clone(),
            agent_id: record.enrollment().agent_id.clone(),
            tenant_id: record.enrollment().tenant_id.clone(),
            proof_key_id: request.proof_key_id.clone(),
            proof_algorithm: request.proof_algorithm,
            audience: request.audience.clone(),
            purpose: request.purpose,
            client_nonce: request.client_nonce.clone(),
            protocol_version: request.protocol_version,
            sdk_version: request.sdk_version.clone(),
            ..WorkerHandshakeChallenge::default()
        };
        self.complete(&mut challenge);
        let reply = self.seal(&request.trace_id, Secret::default(), challenge.clone()).ok_or(Reason::INTERNAL_ERROR)?;
        if let Some(record) = self.workers.get_mut(&request.worker_id) {
            record.keep(challenge, &clock, &limits);
        }
        Ok(reply)
    }
}
