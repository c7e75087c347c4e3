//! A job as its owner commands it.

use std::sync::Arc;

use futures_channel::oneshot;
use nuncio_core::arcp::JobId;
use nuncio_core::arcp::client::HandleId;

use super::error::ClientError;
use super::owner::Owner;

/// Cancels a job from elsewhere than where its handle is. From [`Follow::control`](super::Follow::control).
#[derive(Clone)]
pub struct JobControl {
    pub(super) owner: Arc<Owner>,
    pub(super) handle: HandleId,
    pub(super) job_id: JobId,
}

impl JobControl {
    /// The job's id.
    pub fn job_id(&self) -> &JobId {
        &self.job_id
    }

    /// Asks for the job to be cancelled (§7.4). Returns once the runtime has taken the request up, or the job has ended
    /// without it; the outcome shows which. Only a job's owner may cancel it.
    pub async fn cancel(&self, reason: Option<&str>) -> Result<(), ClientError> {
        let (sender, answer) = oneshot::channel();
        self.owner.hub.request(|state, now| {
            let request = state.client.cancel(now, self.handle, reason)?;
            state.cancels.insert(request, sender);
            Ok::<_, ClientError>(())
        })?;
        answer.await.unwrap_or_else(|_| Err(self.owner.hub.gone()))
    }
}

impl std::fmt::Debug for JobControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobControl").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}
