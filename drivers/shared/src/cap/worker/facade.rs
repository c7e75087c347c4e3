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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;
    use crate::io::sync::lock;

    /// What was counted, as lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    /// A metric, as a line.
    struct Named(String, Lines);

    impl Named {
        fn says(&self, value: f64) {
            lock(&self.1.0).push(format!("{} {value}", self.0));
        }
    }

    impl CounterFn for Named {
        fn increment(&self, value: u64) {
            self.says(f64::from(u32::try_from(value).expect("a small number")));
        }

        fn absolute(&self, _: u64) {}
    }

    impl HistogramFn for Named {
        fn record(&self, value: f64) {
            self.says(value);
        }
    }

    impl Lines {
        fn named(&self, key: &Key) -> Arc<Named> {
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(Named(format!("{}{{{}}}", key.name(), labels.join(",")), self.clone()))
        }
    }

    impl Recorder for Lines {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.named(key))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.named(key))
        }
    }

    #[test]
    fn every_metric_of_the_table_is_counted_with_its_labels() {
        let lines = Lines::default();
        metrics::with_local_recorder(&lines, || {
            FacadeMetrics.job_received("1", "job.echo");
            FacadeMetrics.job_completed("1", "job.echo", Duration::from_millis(500), JobStatus::SUCCEEDED);
            FacadeMetrics.heartbeat_sent("w");
        });
        let counted = [
            "nuncio_cap_jobs_received_total{topic=job.echo} 1",
            "nuncio_cap_jobs_completed_total{topic=job.echo,status=SUCCEEDED} 1",
            "nuncio_cap_job_duration_seconds{topic=job.echo,status=SUCCEEDED} 0.5",
            "nuncio_cap_heartbeats_total{worker=w} 1",
        ];
        assert_eq!(*lock(&lines.0), counted);
    }
}
