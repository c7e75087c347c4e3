//! How far a job is.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use nuncio_core::cap::{Attempt, Progress, WorkerRefused};

use super::job::Reports;
use crate::io::BoxFuture;

/// How far a job is; from [`JobContext::progress`](crate::cap::JobContext::progress). It is published when it is awaited,
/// or by [`send_blocking`](ProgressReport::send_blocking).
#[must_use = "progress is published when it is awaited"]
pub struct ProgressReport {
    reports: Arc<dyn Reports>,
    attempt: Attempt,
    progress: Progress,
}

impl ProgressReport {
    pub(super) fn new(reports: Arc<dyn Reports>, attempt: Attempt, percent: i32) -> ProgressReport {
        ProgressReport { reports, attempt, progress: Progress { percent, ..Progress::default() } }
    }

    /// Sets the step of the job.
    pub fn step(mut self, step: impl Into<String>) -> ProgressReport {
        self.progress.step_id = step.into();
        self
    }

    /// Sets a sentence for people.
    pub fn message(mut self, message: impl Into<String>) -> ProgressReport {
        self.progress.message = message.into();
        self
    }

    /// Names an output so far, or an artifact, which the handler has stored: adds its pointer.
    pub fn artifact(mut self, pointer: impl Into<String>) -> ProgressReport {
        self.progress.artifact_ptrs.push(pointer.into());
        self
    }

    /// Publishes the progress from a handler that blocks its thread.
    ///
    /// Errors: as of awaiting it.
    pub fn send_blocking(self) -> Result<(), WorkerRefused> {
        futures_lite::future::block_on(self.into_future())
    }
}

impl IntoFuture for ProgressReport {
    type Output = Result<(), WorkerRefused>;
    type IntoFuture = BoxFuture<'static, Result<(), WorkerRefused>>;

    /// Publishes the progress. While many packets wait for the bus, this waits; while the bus is away, progress is dropped.
    ///
    /// Errors: [`WorkerRefused::Percent`] if the percentage is not from 0 to 100; [`WorkerRefused::Stale`] if the job was
    /// cancelled or is too late.
    fn into_future(self) -> Self::IntoFuture {
        self.reports.progress(self.attempt, self.progress)
    }
}

impl fmt::Debug for ProgressReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressReport").field("progress", &self.progress).finish_non_exhaustive()
    }
}
