//! A job from its submit to its result.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_lite::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cap::{
    Drained, ErrorCode, Failure, JobContext, JobPriority, JobStatus, Keyring, ResultError, RingSigner, Submit, Worker,
};
use super::support::Net;
use super::trust::now;
use crate::on::within;

#[derive(Serialize, Deserialize)]
struct Input {
    prompt: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Output {
    summary: String,
}

#[test]
fn a_typed_job_runs_and_its_output_comes_back() {
    within(async {
        let net = Net::new().await;
        let summarize =
            |_: JobContext, input: Input| async move { Ok(Output { summary: input.prompt.chars().take(3).collect() }) };
        let (worker, _) = net.worker(Worker::builder().id("worker-1").job("job.summarize", summarize)).await;
        let (client, _) = net.client();
        let submit = Submit::new("job.summarize").input(&Input { prompt: "abcdef".to_owned() });
        let mut job = client.submit(submit).await.unwrap();
        assert_eq!(job.result::<Output>().await.unwrap(), Output { summary: "abc".to_owned() });
        let result = job.outcome().await.unwrap();
        assert_eq!((result.status, result.worker_id.as_str()), (JobStatus::SUCCEEDED, "worker-1"));
        assert_eq!(result.result_ptr, format!("mem://res:{}", job.job_id()));
        assert_eq!((worker.id(), client.awaited()), ("worker-1", 0));
    });
}

#[test]
fn a_handler_sees_the_request() {
    within(async {
        let net = Net::new().await;
        let tell = |ctx: JobContext, _: Value| async move {
            assert!(
                ctx.deadline() > Some(now())
                    && ctx.time_left() <= Some(Duration::from_mins(1))
                    && ctx.time_left() > Some(Duration::ZERO)
            );
            Ok(json!([ctx.job_id(), ctx.trace_id(), ctx.topic(), ctx.sender(), ctx.labels(), ctx.env(), ctx.attempt()]))
        };
        let (_worker, _) = net.worker(Worker::builder().job("job.tell", tell)).await;
        let (client, _) = net.client();
        let submit = Submit::new("job.tell")
            .job_id("job-7")
            .trace_id("trace-7")
            .label("tenant", "acme")
            .env("LANG", "C")
            .deadline(Duration::from_mins(1))
            .priority(JobPriority::BATCH);
        let told: Value = client.submit(submit).await.unwrap().result().await.unwrap();
        let expected = json!(["job-7", "trace-7", "job.tell", "client-1", {"tenant": "acme"}, {"LANG": "C"}, 1]);
        assert_eq!(told, expected);
    });
}

#[test]
fn progress_comes_in_its_order_and_before_the_result() {
    within(async {
        let net = Net::new().await;
        let work = |ctx: JobContext, steps: usize| async move {
            for step in 0..steps {
                ctx.progress_of(step, steps).step(format!("step-{step}")).message("on it").await?;
            }
            assert!(ctx.progress(101).await.is_err(), "progress is at most 100 percent");
            Ok(())
        };
        let (_worker, _) = net.worker(Worker::builder().job("job.work", work)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.work").input(&4)).await.unwrap();
        let seen: Vec<_> = job.progress().map(|progress| (progress.percent, progress.step_id)).collect().await;
        let expected = [(0, "step-0"), (25, "step-1"), (50, "step-2"), (75, "step-3")];
        assert_eq!(seen, expected.map(|(percent, step)| (percent, step.to_owned())));
        job.result::<()>().await.unwrap();
    });
}

#[test]
fn a_cancelled_job_ends_and_its_handler_is_told() {
    within(async {
        let net = Net::new().await;
        let (stopped, was_stopped) = channel();
        let wait = move |ctx: JobContext, (): ()| {
            let stopped = stopped.clone();
            async move {
                ctx.progress(1).await?;
                ctx.cancelled().await;
                stopped.send(ctx.is_cancelled()).unwrap();
                Ok(())
            }
        };
        let (_worker, _) = net.worker(Worker::builder().job("job.wait", wait)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.wait")).await.unwrap();
        job.progress().next().await.unwrap();
        job.cancel("enough").unwrap();
        let ResultError::Job(error) = job.result::<()>().await.unwrap_err() else { panic!("the job has a result") };
        assert_eq!((error.status, error.message.as_str()), (JobStatus::CANCELLED, "enough"));
        assert!(smol::unblock(move || was_stopped.recv()).await.unwrap());
        assert!(job.cancel("again").is_err(), "an ended job cannot be cancelled");
    });
}

fn channel() -> (std::sync::mpsc::Sender<bool>, std::sync::mpsc::Receiver<bool>) {
    std::sync::mpsc::channel()
}

#[test]
fn a_job_that_is_too_late_times_out() {
    within(async {
        let net = Net::new().await;
        let hang = |_: JobContext, (): ()| async { std::future::pending::<Result<(), Failure>>().await };
        let builder = Worker::builder().job("job.hang", hang).cancel_grace(Duration::ZERO);
        let (worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        let submit = Submit::new("job.hang").deadline(Duration::from_millis(1));
        let result = client.submit(submit).await.unwrap().outcome().await.unwrap();
        assert_eq!((result.status, result.error_code_enum), (JobStatus::TIMEOUT, ErrorCode::JOB_TIMEOUT));
        // The handler was dropped, so nothing is left to wait for.
        assert_eq!(worker.drain(Duration::from_mins(1)).await, Drained::Finished);
    });
}

#[test]
fn an_output_is_stored_as_its_handler_writes_it() {
    #[derive(Serialize)]
    struct Unsorted {
        z: u64,
        a: f32,
    }
    within(async {
        let net = Net::new().await;
        let write = |_: JobContext, (): ()| async { Ok(Unsorted { z: u64::MAX, a: 0.1 }) };
        let (_worker, _) = net.worker(Worker::builder().job("job.write", write)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.write")).await.unwrap();
        assert!(!job.has_ended());
        assert_eq!(job.raw_result().await.unwrap(), r#"{"z":18446744073709551615,"a":0.1}"#);
        assert!(job.has_ended());
    });
}

/// Its thread cannot be stopped.
#[test]
fn a_blocking_handler_keeps_its_slot_after_its_job_was_cancelled() {
    within(async {
        let net = Net::new().await;
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let block = move |ctx: JobContext, (): ()| {
            ctx.progress(1).send_blocking()?;
            wait.lock().unwrap().recv()?;
            Ok(())
        };
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        let builder = Worker::builder().parallel(1).cancel_grace(Duration::ZERO).blocking_job("job.block", block);
        let (_worker, _) = net.worker(builder.job("job.echo", echo)).await;
        let (_other, _) = net.worker(Worker::builder().job("job.other", echo)).await;
        let (client, _) = net.client();
        let mut blocked = client.submit(Submit::new("job.block")).await.unwrap();
        blocked.progress().next().await.unwrap();
        blocked.cancel("no longer needed").unwrap();
        assert_eq!(blocked.outcome().await.unwrap().status, JobStatus::CANCELLED);
        let mut queued = client.submit(Submit::new("job.echo").input("hello")).await.unwrap();
        for number in 0..50 {
            let mut other = client.submit(Submit::new("job.other").input(&number)).await.unwrap();
            assert_eq!(other.result::<u64>().await.unwrap(), number);
        }
        assert!(!queued.has_ended());
        go_on.send(()).unwrap();
        assert_eq!(queued.result::<String>().await.unwrap(), "hello");
    });
}

#[test]
fn packets_are_signed_and_verified() {
    within(async {
        let net = Net::new().await;
        let (client_key, _) = RingSigner::generate().unwrap();
        let (worker_key, _) = RingSigner::generate().unwrap();
        let (stranger, _) = RingSigner::generate().unwrap();
        let mut keys = Keyring::default();
        keys.add("client-1", client_key.public_key()).unwrap();
        keys.add("worker-1", worker_key.public_key()).unwrap();
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        let builder = Worker::builder().id("worker-1").signer(worker_key).keys(keys.clone()).job("job.echo", echo);
        let (worker, _) = net.worker(builder).await;
        let known = super::cap::Client::builder().id("client-1").signer(client_key).keys(keys.clone());
        let forged = super::cap::Client::builder().id("client-1").signer(stranger).keys(keys);
        let ((known, _), (forged, _)) = (net.client_of(known), net.client_of(forged));
        let mut lost = forged.submit(Submit::new("job.echo").wait(Duration::ZERO)).await.unwrap();
        assert!(lost.outcome().await.is_err());
        let mut job = known.submit(Submit::new("job.echo").input("hello")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "hello");
        assert_eq!(worker.running(), 0);
        assert!(net.store.bytes_held() > 0);
    });
}

#[test]
fn a_worker_whose_bus_is_away_waits_for_results_and_for_nothing_else() {
    within(async {
        let net = Net::new().await;
        let (idle, bus) = net.worker(Worker::builder().job("job.idle", |_: JobContext, (): ()| async { Ok(()) })).await;
        bus.cut();
        assert_eq!(idle.drain(Duration::from_hours(1)).await, Drained::Finished, "there is nothing to send");

        for is_back in [true, false] {
            let (go, gone) = smol::channel::bounded::<()>(1);
            let held = move |_: JobContext, (): ()| {
                let gone = gone.clone();
                async move { gone.recv().await.map_err(|error| Failure::fatal(error.to_string())) }
            };
            let (worker, bus) = net.worker(Worker::builder().job("job.held", held)).await;
            let (client, _) = net.client();
            let mut job = client.submit(Submit::new("job.held")).await.unwrap();
            while worker.running() == 0 {
                smol::future::yield_now().await;
            }
            bus.cut();
            go.send(()).await.unwrap();
            while worker.unsent() == 0 || worker.running() > 0 {
                smol::future::yield_now().await;
            }
            if is_back {
                bus.restore();
                assert_eq!(worker.drain(Duration::from_hours(1)).await, Drained::Finished);
                job.result::<()>().await.unwrap();
            } else {
                let left = Drained::TimedOut { jobs: 0, results: 1 };
                assert_eq!(worker.drain(Duration::ZERO).await, left, "the result is not sent");
            }
        }
    });
}

#[test]
fn labels_may_be_anything() {
    within(async {
        let net = Net::new().await;
        let labels = |ctx: JobContext, (): ()| async move { Ok(ctx.labels().clone()) };
        let (_worker, _) = net.worker(Worker::builder().job("job.labels", labels)).await;
        let (client, _) = net.client();
        let submit = Submit::new("job.labels").label("", "").label("tenant", "a").label("tenant_id", "ü\n");
        let seen: BTreeMap<String, String> = client.submit(submit).await.unwrap().result().await.unwrap();
        let expected = [("", ""), ("tenant", "a"), ("tenant_id", "ü\n")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    });
}
