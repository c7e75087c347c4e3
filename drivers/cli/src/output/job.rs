//! A job whose progress is printed.

use std::sync::Arc;

use nuncio_tokio::arcp::JobId;

#[derive(Clone, Debug)]
pub(crate) struct FollowedJob {
    pub(crate) job_id: JobId,
    pub(crate) agent: Arc<str>,
    /// Whether the job was delegated, directly or not, by the job that the command follows.
    pub(crate) is_child: bool,
}
