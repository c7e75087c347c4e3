//! What a handler is given besides its input.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::cap::{Attempt, JobRequest};
use nuncio_core::time::Time;

use super::job::{Job, Reports};
use super::progress::ProgressReport;
use crate::io::sync::CancellationToken;

/// The context of a job, which its handler is given besides the input. It is cheap to clone and can be passed to other tasks
/// and threads.
///
/// ```
/// use nuncio_shared::cap::{Failure, JobContext};
///
/// async fn summarize(ctx: JobContext, pages: Vec<String>) -> Result<String, Failure> {
///     let mut summary = String::new();
///     for (done, page) in pages.iter().enumerate() {
///         if ctx.is_cancelled() {
///             return Err(Failure::fatal("cancelled"));
///         }
///         ctx.progress_of(done, pages.len()).step("read").message(format!("page {done}")).await?;
///         summary.extend(page.chars().take(140));
///     }
///     Ok(summary)
/// }
/// ```
#[derive(Clone)]
pub struct JobContext {
    job: Arc<Job>,
    attempt: Attempt,
    call: u32,
    reports: Arc<dyn Reports>,
}

impl JobContext {
    pub(in crate::cap) fn new(job: Arc<Job>, attempt: Attempt, call: u32, reports: Arc<dyn Reports>) -> JobContext {
        JobContext { job, attempt, call, reports }
    }

    /// Returns the id that the job's submitter has chosen.
    pub fn job_id(&self) -> &str {
        &self.job.request.job_id
    }

    /// Returns the trace, which all jobs of a tree share.
    pub fn trace_id(&self) -> &str {
        &self.job.trace_id
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.job.request.topic
    }

    /// Returns the sender of the request: its submitter, or the router that has signed it again.
    pub fn sender(&self) -> &str {
        &self.job.sender_id
    }

    /// Returns the labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.job.request.labels
    }

    /// Returns the environment of the job. Its values may be secrets.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.job.request.env.0
    }

    /// Returns the whole request.
    pub fn request(&self) -> &JobRequest {
        &self.job.request
    }

    /// Returns when the job is too late, if it has a deadline.
    pub fn deadline(&self) -> Option<Time> {
        self.job.deadline
    }

    /// Returns the time until the deadline, zero if it has passed; `None` if the job has none.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.job.deadline?;
        Some(Duration::from_micros(deadline.since(self.reports.now())))
    }

    /// Returns the number of this call of the handler, from 1. It is called again after a failure that may be retried.
    pub fn attempt(&self) -> u32 {
        self.call
    }

    /// Says how far the job is, from 0 to 100 percent. The report is published when it is awaited.
    ///
    /// ```
    /// # use nuncio_shared::cap::{Failure, JobContext};
    /// # async fn handler(ctx: JobContext) -> Result<(), Failure> {
    /// ctx.progress(40).step("download").message("4 of 10 files").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(&self, percent: i32) -> ProgressReport {
        ProgressReport::new(Arc::clone(&self.reports), self.attempt, percent)
    }

    /// Says how much of a whole is done, as a percentage that is rounded down. Nothing of nothing is 0 percent.
    pub fn progress_of(&self, done: usize, whole: usize) -> ProgressReport {
        let percent = done.min(whole).saturating_mul(100).checked_div(whole).unwrap_or(0);
        self.progress(i32::try_from(percent).unwrap_or(100))
    }

    /// Waits until the handler is to stop: the job was cancelled or is too late. Its result is published already. A handler
    /// that goes on is dropped after the worker's grace, unless it blocks its thread.
    pub async fn cancelled(&self) {
        self.job.cancelled.cancelled().await;
    }

    /// Returns whether the handler is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.job.cancelled.is_cancelled()
    }

    /// Returns a token that is cancelled when the handler is to stop.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.job.cancelled
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("job_id", &self.job_id())
            .field("topic", &self.topic())
            .finish_non_exhaustive()
    }
}
