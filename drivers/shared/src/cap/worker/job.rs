//! A job, as the worker's tasks and its handler share it.

use std::sync::Arc;

use nuncio_core::cap::{Attempt, JobRequest, Progress, WorkerRefused};
use nuncio_core::time::Time;

use crate::io::BoxFuture;
use crate::io::sync::CancellationToken;

/// A job: what it is, and the signals that stop its handler.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) trace_id: String,
    pub(crate) sender_id: String,
    pub(crate) request: JobRequest,
    pub(crate) deadline: Option<Time>,
    /// Cancelled when the handler is to stop.
    pub(crate) cancelled: CancellationToken,
}

/// What a handler's context asks of its worker.
pub(crate) trait Reports: Send + Sync + 'static {
    /// Publishes how far a job is, once there is room for it.
    fn progress(self: Arc<Self>, attempt: Attempt, progress: Progress)
    -> BoxFuture<'static, Result<(), WorkerRefused>>;

    /// Returns the time.
    fn now(&self) -> Time;
}
