//! Metrics by the facade of the crate `metrics`.

use std::time::Duration;

use metrics::{counter, histogram};
use nuncio_core::cap::JobStatus;

use super::metrics::Metrics;

/// Counts by the macros of the crate [`metrics`](https://docs.rs/metrics), whose exporter the program chooses (feature
/// `metrics`).
///
/// | name | kind | labels |
/// |---|---|---|
/// | `nuncio_cap_jobs_received_total` | counter | `topic` |
/// | `nuncio_cap_jobs_completed_total` | counter | `topic`, `status` |
/// | `nuncio_cap_job_duration_seconds` | histogram | `topic`, `status` |
/// | `nuncio_cap_heartbeats_total` | counter | `worker` |
///
/// ```
/// # use nuncio_smol::cap::{JobContext, Worker};
/// use nuncio_shared::cap::FacadeMetrics;
///
/// let worker = Worker::builder()
///     .metrics(FacadeMetrics)
///     .job("job.echo", |_: JobContext, input: String| async move { Ok(input) });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FacadeMetrics;

/// The name of a status; one that has none is a number of a later version.
fn label(status: JobStatus) -> &'static str {
    status.name().unwrap_or("UNKNOWN")
}

impl Metrics for FacadeMetrics {
    fn job_received(&self, _job_id: &str, topic: &str) {
        counter!("nuncio_cap_jobs_received_total", "topic" => topic.to_owned()).increment(1);
    }

    fn job_completed(&self, _job_id: &str, topic: &str, took: Duration, status: JobStatus) {
        let labels = [("topic", topic.to_owned()), ("status", label(status).to_owned())];
        counter!("nuncio_cap_jobs_completed_total", &labels).increment(1);
        histogram!("nuncio_cap_job_duration_seconds", &labels).record(took.as_secs_f64());
    }

    fn heartbeat_sent(&self, worker_id: &str) {
        counter!("nuncio_cap_heartbeats_total", "worker" => worker_id.to_owned()).increment(1);
    }
}
