//! Our client and workers made with the package.

use std::time::Duration;

use futures_lite::StreamExt as _;
use nuncio_core::cap::JobStatus;
use nuncio_shared::cap::{JobHandle, NoResult, ResultError, Submit};
use nuncio_tests::peers::{CapSdk, Dialogue};
use serde_json::{Value, json};

use super::on;
use super::python;
use super::router::{Records, RunningRouter, run, signed};
use super::support::{Peers, client, with_servers};

const TOPICS: [&str; 6] = ["job.echo", "job.echo.fail", "job.flaky", "job.hold", "job.steps", "job.add"];

/// Starts a worker made with the package whose packets have the key with this number.
fn worker(sdk: CapSdk, peers: &Peers, key: u8) -> Dialogue {
    let settings =
        json!({"key": key, "public_keys": {"rust-client": 5, "rust-router": 4}, "topics": TOPICS, "retries": 2});
    python::start(sdk, "worker.py", peers, settings)
}

/// Starts our router. A worker of the package runs a job again that it is sent again.
fn router(peers: &Peers) -> RunningRouter {
    let trusted = [("rust-client", 5), ("python-worker", 2)];
    run(peers, signed(&trusted).configure(|config| config.workers_deduplicate = false), &Records::default())
}

async fn submit(client: &on::Client, topic: &str, input: &Value) -> JobHandle {
    client.submit(Submit::new(topic).input(input)).await.unwrap()
}

/// Runs a job to its failure.
async fn failure(client: &on::Client, topic: &str, input: &Value) -> (JobStatus, String) {
    match submit(client, topic, input).await.result::<Value>().await {
        Err(ResultError::Job(error)) => (error.status, error.message),
        other => panic!("{topic}: {other:?}"),
    }
}

#[test]
fn every_outcome_of_a_python_worker_reaches_our_client() {
    with_servers("every_outcome_of_a_python_worker_reaches_our_client", |peers| {
        let client = client(peers, &[("python-worker", 2), ("rust-router", 4)]);
        let _router = router(peers);
        for sdk in CapSdk::ALL {
            let mut worker = worker(sdk, peers, 2);
            on::block_on(async {
                let input = json!({"text": "ünïcode", "n": [1, null]});
                let mut job = submit(&client, "job.echo", &input).await;
                assert_eq!(job.result::<Value>().await.unwrap(), json!({ "echo": input }));
                assert_eq!(job.outcome().await.unwrap().worker_id, "python-worker");

                let (status, message) = failure(&client, "job.echo.fail", &json!(1)).await;
                assert_eq!(status, JobStatus::FAILED);
                // 2.17.0 keeps the reason to itself.
                let expected = if sdk == CapSdk::V2_10 { "the \"handler\"\nfails" } else { "handler failed" };
                assert_eq!(message, expected);

                let mut job = submit(&client, "job.flaky", &json!({"failures": 2})).await;
                assert_eq!(job.result::<u32>().await.unwrap(), 3);

                let mut job = submit(&client, "job.add", &json!({"a": 1, "b": 2})).await;
                assert_eq!(job.result::<Value>().await.unwrap(), json!({"a": 3, "b": 0}));
                let (status, message) = failure(&client, "job.add", &json!({"a": 1, "b": "two"})).await;
                assert_eq!(status, JobStatus::FAILED);
                assert!(message.contains("input"), "{message}");

                let mut job = submit(&client, "job.steps", &Value::Null).await;
                let mut steps = Vec::new();
                while let Some(progress) = job.progress().next().await {
                    assert_eq!(progress.message, "wörking");
                    steps.push((progress.step_id, progress.percent));
                }
                assert_eq!(steps, [("step-0".into(), 0), ("step-50".into(), 50), ("step-100".into(), 100)]);
                assert_eq!(job.result::<Value>().await.unwrap(), Value::Null);
            });
            worker.kill();
        }
    });
}

#[test]
fn the_helper_run_worker_serves_our_client() {
    with_servers("the_helper_run_worker_serves_our_client", |peers| {
        let client = client(peers, &[("python-worker", 2), ("rust-router", 4)]);
        let _router = router(peers);
        for sdk in CapSdk::ALL {
            let settings = json!({"key": 2, "public_keys": {"rust-client": 5}, "helper": true});
            let mut worker = python::start(sdk, "worker.py", peers, settings);
            on::block_on(async {
                let mut job = submit(&client, "job.echo", &Value::Null).await;
                let result = job.outcome().await.unwrap();
                assert_eq!(result.status, JobStatus::SUCCEEDED);
                assert_eq!(result.result_ptr, format!("redis://res/{}", job.job_id()));
                // The handler has stored nothing where its pointer points, which is not taken for a null.
                assert!(matches!(job.result::<Value>().await, Err(ResultError::Missing(_))));
            });
            worker.kill();
        }
    });
}

#[test]
fn a_result_with_another_key_is_no_result() {
    with_servers("a_result_with_another_key_is_no_result", |peers| {
        let client = client(peers, &[("python-worker", 2), ("rust-router", 4)]);
        let _router = router(peers);
        let mut worker = worker(CapSdk::V2_17, peers, 9);
        on::block_on(async {
            let submit = Submit::new("job.echo").wait(Duration::from_millis(300));
            let mut job = client.submit(submit).await.unwrap();
            worker.await_event("run");
            assert_eq!(job.outcome().await, Err(NoResult::Unheard { requests: 1 }));
        });
    });
}
