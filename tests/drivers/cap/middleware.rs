//! Middleware and metrics.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::StreamExt as _;
use serde_json::{Value, json};

use super::cap::{Failure, JobContext, JobStatus, Metrics, Next, Submit, Worker};
use super::support::Net;
use crate::on::within;

#[test]
fn middleware_runs_in_its_order_and_may_change_input_and_output() {
    within(async {
        let net = Net::new().await;
        let outer = |ctx: JobContext, input: Value, next: Next| async move {
            Ok(json!({"outer": next.run(ctx, json!({"outer": input})).await?}))
        };
        let inner = |ctx: JobContext, input: Value, next: Next| async move {
            Ok(json!({"inner": next.run(ctx, json!({"inner": input})).await?}))
        };
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        let (_worker, _) = net.worker(Worker::builder().layer(outer).layer(inner).job("job.echo", echo)).await;
        let (client, _) = net.client();
        let output: Value = client.submit(Submit::new("job.echo").input(&1)).await.unwrap().result().await.unwrap();
        assert_eq!(output, json!({"outer": {"inner": {"inner": {"outer": 1}}}}));
    });
}

#[test]
fn middleware_that_does_not_go_on_answers_in_place_of_the_handler() {
    within(async {
        let net = Net::new().await;
        let guard = |ctx: JobContext, input: Value, next: Next| async move {
            match input.as_str() {
                Some("cached") => Ok(json!("from the cache")),
                Some("forbidden") => Err(Failure::fatal("forbidden")),
                _ => next.run(ctx, input).await,
            }
        };
        let handler = |_: JobContext, _: Value| async move { Ok("from the handler") };
        let (_worker, _) = net.worker(Worker::builder().layer(guard).job("job.get", handler)).await;
        let (client, _) = net.client();
        for (input, output) in [("cached", "from the cache"), ("other", "from the handler")] {
            let mut job = client.submit(Submit::new("job.get").input(input)).await.unwrap();
            assert_eq!(job.result::<String>().await.unwrap(), output);
        }
        let mut job = client.submit(Submit::new("job.get").input("forbidden")).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, JobStatus::FAILED_FATAL);
    });
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Metrics for Told {
    fn job_received(&self, job_id: &str, topic: &str) {
        self.add(format!("received {job_id} {topic}"));
    }

    fn job_completed(&self, job_id: &str, topic: &str, _took: Duration, status: JobStatus) {
        self.add(format!("completed {job_id} {topic} {status:?}"));
        assert_ne!(status, JobStatus::FAILED, "a hook that panics harms nothing");
    }

    fn job_failed(&self, job_id: &str, topic: &str, message: &str) {
        self.add(format!("failed {job_id} {topic} {message}"));
    }

    fn heartbeat_sent(&self, worker_id: &str) {
        self.add(format!("heartbeat {worker_id}"));
    }
}

#[test]
fn metrics_are_told_of_every_job_and_heartbeat() {
    within(async {
        let net = Net::new().await;
        let told = Told::default();
        let check = |_: JobContext, good: bool| async move { if good { Ok(()) } else { Err(Failure::new("bad")) } };
        let builder = Worker::builder()
            .id("worker-1")
            .metrics(told.clone())
            .heartbeat_interval(Duration::from_millis(1))
            .job("job.check", check);
        let (worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        for (id, good) in [("job-1", true), ("job-2", false)] {
            let submit = Submit::new("job.check").job_id(id).input(&good);
            client.submit(submit).await.unwrap().outcome().await.unwrap();
        }
        // The hook is told outside the lock of the worker, so a result may be there before it.
        let has_been_told = |line: &str| told.0.lock().unwrap().iter().any(|each| each == line);
        while !has_been_told("heartbeat worker-1") || !has_been_told("failed job-2 job.check bad") {
            smol::future::yield_now().await;
        }
        worker.drain(Duration::from_mins(1)).await;
        let mut told = told.0.lock().unwrap().clone();
        told.retain(|each| !each.starts_with("heartbeat"));
        // The reports of two jobs may overlap.
        told.sort_by_key(|each| each.contains("job-2"));
        let expected = [
            "received job-1 job.check",
            "completed job-1 job.check SUCCEEDED",
            "received job-2 job.check",
            "completed job-2 job.check FAILED",
            "failed job-2 job.check bad",
        ];
        assert_eq!(told, expected);
    });
}

#[test]
fn the_jobs_of_a_worker_that_is_dropped_are_not_counted_as_ended() {
    within(async {
        let net = Net::new().await;
        let told = Told::default();
        let (keep, dropped) = smol::channel::bounded::<()>(1);
        let hang = move |ctx: JobContext, (): ()| {
            let keep = keep.clone();
            async move {
                ctx.progress(1).await?;
                std::future::pending::<()>().await;
                drop(keep);
                Ok(())
            }
        };
        let (worker, _) = net.worker(Worker::builder().metrics(told.clone()).job("job.hang", hang)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.hang").job_id("job-1")).await.unwrap();
        job.progress().next().await.unwrap();
        drop(worker);
        assert!(dropped.recv().await.is_err(), "the handler is dropped");
        for _ in 0..100 {
            smol::future::yield_now().await;
        }
        let mut told = told.0.lock().unwrap().clone();
        told.retain(|each| !each.starts_with("heartbeat"));
        assert_eq!(told, ["received job-1 job.hang"]);
    });
}
