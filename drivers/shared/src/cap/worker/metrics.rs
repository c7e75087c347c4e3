//! What a worker counts.

use std::time::Duration;

use nuncio_core::cap::JobStatus;

/// What a worker tells about its jobs, for Prometheus, OpenTelemetry or other metrics. All methods do nothing by default. They
/// are called after the fact and must not block; a panic is caught and logged.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// use nuncio_shared::cap::{JobStatus, Metrics};
///
/// #[derive(Default)]
/// struct Succeeded(AtomicU64);
///
/// impl Metrics for Succeeded {
///     fn job_completed(&self, _job_id: &str, _topic: &str, _took: Duration, status: JobStatus) {
///         self.0.fetch_add(u64::from(status == JobStatus::SUCCEEDED), Ordering::Relaxed);
///     }
/// }
/// // A worker takes it with `Worker::builder().metrics(Succeeded::default())`.
/// ```
pub trait Metrics: Send + Sync + 'static {
    /// A job was accepted.
    fn job_received(&self, job_id: &str, topic: &str) {
        let _ = (job_id, topic);
    }

    /// A job has its result, of whatever kind. The time is that from the first call of its handler.
    fn job_completed(&self, job_id: &str, topic: &str, took: Duration, status: JobStatus) {
        let _ = (job_id, topic, took, status);
    }

    /// A job has another result than success; it is called in addition to [`job_completed`](Metrics::job_completed).
    fn job_failed(&self, job_id: &str, topic: &str, message: &str) {
        let _ = (job_id, topic, message);
    }

    /// A heartbeat was sent.
    fn heartbeat_sent(&self, worker_id: &str) {
        let _ = worker_id;
    }
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoMetrics;

impl Metrics for NoMetrics {}
