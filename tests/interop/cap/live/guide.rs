//! The programs that the guide of the package prints, unchanged, on 2.10.0 and with our router between them.
//!
//! They name the default port of NATS. `py/redirect` has a module that leads connections to this port to the server of the
//! test. The worker of the guide names itself otherwise than its connection, which 2.17.0 refuses.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nuncio_core::cap::JobStatus;
use nuncio_shared::cap::Submit;
use nuncio_tests::peers::{CapSdk, run_to_end};
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

/// Returns a program of the guide.
fn program(name: &str, peers: &Peers) -> Command {
    let sources: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/cap/py");
    let mut command = Command::new(CapSdk::V2_10.python());
    command
        .arg(sources.join("guide").join(name))
        .env("PYTHONPATH", sources.join("redirect"))
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
