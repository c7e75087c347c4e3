//! The programs that the guide of the package prints, unchanged, on 2.10.0 and with our router between them.
//!
//! They name the default port of NATS. `py/redirect` has a module that leads connections to this port to the server of the
//! test. The worker of the guide names itself otherwise than its connection, which 2.17.0 refuses.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuncio_core::cap::JobStatus;
use nuncio_shared::cap::testing::run_handler;
use nuncio_shared::cap::{Failure, JobContext, Metrics, Submit};
use nuncio_tests::peers::{CapSdk, Dialogue, run_to_end, wanted};
use serde_json::{Value, json};

use super::on;
use super::python::PythonClient;
use super::router::{Records, run, unsigned};
use super::support::{Handlers, Peers, open_client, open_worker, start, with_tracing_servers};

/// A program that is killed when the value is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Running {
    fn start(mut command: Command) -> Running {
        Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("Python can be started"))
    }

    /// Kills the program and returns what it has printed.
    fn output(mut self) -> String {
        drop(self.0.kill());
        let mut text = String::new();
        self.0.stdout.take().expect("stdout is piped").read_to_string(&mut text).expect("it prints UTF-8");
        text
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/cap/py")
}

/// Returns a program of the guide.
fn program(name: &str, peers: &Peers) -> Command {
    program_of(&format!("guide/{name}"), peers)
}

/// Returns a program of `py/`.
fn program_of(name: &str, peers: &Peers) -> Command {
    let mut command = Command::new(CapSdk::V2_10.python());
    command
        .arg(sources().join(name))
        .env("PYTHONPATH", sources().join("redirect"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .env("NUNCIO_TEST_NATS_PORT", peers.nats.port().to_string())
        .env("NATS_URL", peers.nats.url())
        .env("REDIS_URL", peers.redis.url());
    command
}

/// Runs the guide's client to its end.
fn submit(peers: &Peers) {
    let outcome = run_to_end(program("submit.py", peers), Duration::from_mins(1));
    assert!(outcome.succeeded(), "{}", outcome.stderr);
}

#[test]
fn the_worker_and_the_client_of_the_guide_meet_by_our_router() {
    with_tracing_servers("the_worker_and_the_client_of_the_guide_meet_by_our_router", |peers| {
        let mut watch = PythonClient::start(CapSdk::V2_10, peers, json!({"watch": ["result"]}));
        let _worker = Running::start(program("worker.py", peers));
        peers.nats.await_subscription("job.echo");
        let _router = run(peers, unsigned(), &Records::default());
        submit(peers);
        let result = watch.see("result", |event| event["said"]["job_id"] == "job-echo-1");
        assert_eq!(result["said"]["status"], "JOB_STATUS_SUCCEEDED");
        assert_eq!(result["said"]["result_ptr"], "redis://res/job-echo-1");
        assert_eq!(result["said"]["worker_id"], "worker-echo-1");
        assert_eq!((&result["sender"], &result["trace"]), (&json!("cap-worker"), &json!("trace-1")));
    });
}

#[test]
fn the_client_of_the_guide_is_served_by_our_worker() {
    with_tracing_servers("the_client_of_the_guide_is_served_by_our_worker", |peers| {
        let mut watch = PythonClient::start(CapSdk::V2_10, peers, json!({"watch": ["result"]}));
        watch.ask(json!({"do": "put", "key": "ctx/job-echo-1", "value": "hello"}));
        let handlers = Handlers::new();
        let _worker = start(open_worker("rust-worker", &handlers), peers);
        let _router = run(peers, unsigned(), &Records::default());
        submit(peers);
        let result = watch.see("result", |event| event["said"]["job_id"] == "job-echo-1");
        assert_eq!(result["said"]["status"], "JOB_STATUS_SUCCEEDED", "{result}");
        let output = watch.ask(json!({"do": "get", "pointer": result["said"]["result_ptr"]}));
        assert_eq!(output, json!({"echo": "hello"}));
        assert_eq!(handlers.calls("job-echo-1"), 1);
    });
}

#[test]
fn the_agent_of_the_guide_serves_our_client() {
    with_tracing_servers("the_agent_of_the_guide_serves_our_client", |peers| {
        let agent = Running::start(program("summarize.py", peers));
        peers.nats.await_subscription("worker.cap-runtime.jobs");
        let _router = run(peers, unsigned(), &Records::default());
        let client = open_client(peers);
        let job_id = on::block_on(async {
            let input = json!({"prompt": "x".repeat(200)});
            let mut job = client.submit(Submit::new("job.summarize").input(&input)).await.unwrap();
            assert_eq!(job.result::<Value>().await.unwrap(), json!({"summary": "x".repeat(140)}));
            let mut refused = client.submit(Submit::new("job.summarize").input(&json!({"text": 1}))).await.unwrap();
            let refused = refused.outcome().await.unwrap();
            assert_eq!(refused.status, JobStatus::FAILED);
            assert!(refused.error_message.starts_with("input validation failed"), "{}", refused.error_message);
            job.job_id().to_owned()
        });
        let output = agent.output();
        assert!(output.contains(&format!("job {job_id} took ")), "the middleware of the guide prints: {output}");
    });
}

/// The metrics of the guide count on 2.10.0 what those of our worker count.
#[test]
fn the_metrics_of_the_guide_count_what_ours_count() {
    with_tracing_servers("the_metrics_of_the_guide_count_what_ours_count", |peers| {
        let _router = run(peers, unsigned(), &Records::default());
        let client = open_client(peers);
        let run_both = || {
            on::block_on(async {
                for number in 0..2 {
                    let mut job = client.submit(Submit::new("job.half").input(&number)).await.unwrap();
                    let status = job.outcome().await.unwrap().status;
                    assert_eq!(status == JobStatus::SUCCEEDED, number == 0, "{status:?}");
                }
            });
        };
        let mut theirs = Dialogue::start(program_of("metrics.py", peers));
        theirs.await_event("ready");
        peers.nats.await_subscription("worker.cap-runtime.jobs");
        run_both();
        let counted: Vec<(String, Value)> = (0..4)
            .map(|_| theirs.await_event("counted"))
            .map(|event| (event["name"].as_str().expect("a name").to_owned(), event["labels"].clone()))
            .collect();
        theirs.kill();
        let named = |(name, labels): (&str, Value)| (name.to_owned(), labels);
        let expected = [
            ("jobs_received", json!({"topic": "job.half"})),
            ("job_duration", json!({"status": "SUCCEEDED"})),
            ("jobs_received", json!({"topic": "job.half"})),
            ("jobs_failed", json!({})),
        ]
        .map(named);
        assert_eq!(counted, expected);

        let ours = Counts::default();
        let half = |_: JobContext, number: u32| async move {
            if number % 2 == 1 { Err(Failure::fatal(format!("{number} is odd"))) } else { Ok(number / 2) }
        };
        let worker = on::Worker::builder().id("rust-worker").metrics(ours.clone()).job("job.half", half);
        let worker = start(worker, peers);
        run_both();
        // The last job is counted once the worker is drained.
        let _drained = on::block_on(worker.drain(Duration::from_mins(1)));
        // Ours measures the jobs that fail, too.
        let mut counted = ours.0.lock().unwrap().clone();
        let failed = json!({"status": "FAILED_FATAL"});
        assert_eq!(counted.iter().filter(|(_, labels)| *labels == failed).count(), 1, "{counted:?}");
        counted.retain(|(_, labels)| *labels != failed);
        assert_eq!(counted, expected);
    });
}

/// What our worker counts, in the form in which `py/metrics.py` says it.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<(String, Value)>>>);

impl Counts {
    fn add(&self, name: &str, labels: Value) {
        self.0.lock().unwrap().push((name.to_owned(), labels));
    }
}

impl Metrics for Counts {
    fn job_received(&self, _job_id: &str, topic: &str) {
        self.add("jobs_received", json!({ "topic": topic }));
    }

    fn job_completed(&self, _job_id: &str, _topic: &str, _took: Duration, status: JobStatus) {
        let status = status.name().expect("it has a name");
        self.add("job_duration", json!({ "status": status }));
    }

    fn job_failed(&self, _job_id: &str, _topic: &str, _message: &str) {
        self.add("jobs_failed", json!({}));
    }
}

/// The test of the guide passes on 2.10.0, and handlers end the same way in `run_handler` of both sides.
#[test]
fn the_test_of_the_guide_passes_and_ours_says_the_same() {
    if !wanted("the_test_of_the_guide_passes_and_ours_says_the_same") {
        return;
    }
    let mut command = Command::new(CapSdk::V2_10.python());
    command.arg(sources().join("run_handlers.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let theirs = Dialogue::start(command).await_event("results");
    assert_eq!(theirs["status"], json!({"echo": "JOB_STATUS_SUCCEEDED", "fails": "JOB_STATUS_FAILED"}));
    assert_eq!(theirs["message"], "there is nothing to shout");
    assert_eq!(theirs["agent"], json!(["Agent", "MockNATS", "InMemoryBlobStore"]));
    on::within(|| {
        on::block_on(async {
            let echo = |_: JobContext, input: Value| async move { Ok(json!({ "echo": input["prompt"] })) };
            let run = run_handler(echo, &json!({"prompt": "hello"})).await;
            assert_eq!(run.output, Ok(json!({"echo": "hello"})));
            let fails =
                |_: JobContext, _: Value| async move { Err::<Value, _>(Failure::fatal("there is nothing to shout")) };
            let run = run_handler(fails, &json!({})).await;
            assert_eq!(
                run.output.map_err(|failure| failure.message().to_owned()),
                Err(theirs["message"].as_str().unwrap().to_owned())
            );
        });
    });
}
