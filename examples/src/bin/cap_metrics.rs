//! CAP: what a worker counts, as text in the form of Prometheus. The feature `metrics` has a hook for the facade of the
//! crate `metrics`, too (`FacadeMetrics`).

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nuncio_tokio::cap::{
    Client, Failure, JobContext, JobStatus, MemoryBus, MemoryStore, Metrics, Router, Submit, Worker,
};
use tokio::sync::Notify;

/// Counters by name and label.
#[derive(Clone, Default)]
struct Counters {
    values: Arc<Mutex<BTreeMap<String, f64>>>,
    heartbeat: Arc<Notify>,
}

impl Counters {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, f64>> {
        self.values.lock().expect("no thread has panicked")
    }

    fn add(&self, name: String, amount: f64) {
        *self.all().entry(name).or_default() += amount;
    }

    fn text(&self) -> String {
        self.all().iter().fold(String::new(), |mut text, (name, value)| {
            writeln!(text, "{name} {value}").expect("a string takes everything");
            text
        })
    }
}

impl Metrics for Counters {
    fn job_received(&self, _job_id: &str, topic: &str) {
        self.add(format!("jobs_received_total{{topic={topic:?}}}"), 1.0);
    }

    fn job_completed(&self, _job_id: &str, topic: &str, took: Duration, status: JobStatus) {
        let status = status.name().unwrap_or("UNKNOWN");
        self.add(format!("jobs_completed_total{{topic={topic:?},status={status:?}}}"), 1.0);
        self.add(format!("job_seconds_sum{{topic={topic:?}}}"), took.as_secs_f64());
    }

    fn job_failed(&self, _job_id: &str, topic: &str, _message: &str) {
        self.add(format!("jobs_failed_total{{topic={topic:?}}}"), 1.0);
    }

    fn heartbeat_sent(&self, worker_id: &str) {
        self.add(format!("heartbeats_total{{worker={worker_id:?}}}"), 1.0);
        self.heartbeat.notify_one();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (bus, store, counters) = (MemoryBus::new(), MemoryStore::new(), Counters::default());
    let router = Router::builder().start(bus.another())?;
    let worker = Worker::builder()
        .id("worker-1")
        .metrics(counters.clone())
        .heartbeat_interval(Duration::from_millis(10))
        .job("job.half", |_: JobContext, number: u32| async move {
            if number % 2 == 1 {
                return Err(Failure::fatal(format!("{number} is odd")));
            }
            Ok(number / 2)
        })
        .start(bus.another(), store.clone())?;
    router.ready().await?;
    worker.ready().await?;

    let client = Client::builder().connect(bus, store)?;
    for number in 0..5_u32 {
        let mut job = client.submit(Submit::new("job.half").input(&number)).await?;
        let outcome = job.outcome().await?;
        assert_eq!(outcome.status == JobStatus::SUCCEEDED, number % 2 == 0);
    }
    counters.heartbeat.notified().await;
    // Ends once the last job is counted, too.
    worker.drain(Duration::from_secs(5)).await;
    print!("{}", counters.text());
    for (name, value) in [
        (r#"jobs_received_total{topic="job.half"}"#, 5.0),
        (r#"jobs_completed_total{topic="job.half",status="SUCCEEDED"}"#, 3.0),
        (r#"jobs_failed_total{topic="job.half"}"#, 2.0),
    ] {
        assert_eq!(counters.all().get(name), Some(&value), "{name}");
    }
    assert!(counters.all().contains_key(r#"heartbeats_total{worker="worker-1"}"#));
    Ok(())
}
