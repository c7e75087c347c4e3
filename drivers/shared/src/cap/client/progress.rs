//! How far a job is, as its submitter sees it.

use nuncio_core::cap::{JobProgress, JobStatus};
use nuncio_core::time::Time;

/// How far a job is; from [`JobHandle::progress`](crate::cap::JobHandle::progress).
///
/// Progress can come twice: a router sends the last report again when a job is submitted again.
/// [`sent_at`](ProgressEvent::sent_at) tells the second from a new one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProgressEvent {
    /// How much of it is done, 0 to 100. Versions before 2.17 of the protocol do not check this.
    pub percent: i32,
    /// The step of the job; empty if it has none.
    pub step_id: String,
    /// A sentence for people; it may be empty.
    pub message: String,
    /// The pointer to an output so far; empty if there is none.
    pub result_ptr: String,
    /// Pointers to artifacts.
    pub artifact_ptrs: Vec<String>,
    /// Where the job stands.
    pub status: JobStatus,
    /// When it was sent, by the clock of the worker; `None` if the packet does not say so.
    pub sent_at: Option<Time>,
}

impl ProgressEvent {
    pub(super) fn new(progress: JobProgress, sent_at: Option<Time>) -> ProgressEvent {
        ProgressEvent {
            percent: progress.percent,
            step_id: progress.step_id,
            message: progress.message,
            result_ptr: progress.result_ptr,
            artifact_ptrs: progress.artifact_ptrs,
            status: progress.status,
            sent_at,
        }
    }
}
