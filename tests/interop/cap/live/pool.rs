//! Our router between clients and workers of all kinds, and what becomes of jobs when one of them dies.

use std::time::Duration;

use futures_lite::StreamExt as _;
use nuncio_core::cap::{Dispatch, JobStatus};
use nuncio_shared::cap::Submit;
use nuncio_tests::peers::CapSdk;
use serde_json::{Value, json};

use super::on;
use super::python::{self, PythonClient};
use super::router::{Records, run, signed};
use super::support::{Handlers, client_with, start, with_servers, worker};

const ALL: [(&str, u8); 5] =
    [("python-client", 1), ("python-worker", 2), ("second-worker", 2), ("rust-worker", 3), ("rust-client", 5)];

#[test]
fn clients_and_workers_of_all_versions_meet_by_our_router() {
    with_servers("clients_and_workers_of_all_versions_meet_by_our_router", |peers| {
        let router =
            run(peers, signed(&ALL).configure(|config| config.workers_deduplicate = false), &Records::default());
        for worker_sdk in CapSdk::ALL {
            let settings =
                json!({"key": 2, "public_keys": {"python-client": 1}, "topics": ["job.echo", "job.echo.fail"]});
            let mut worker = python::start(worker_sdk, "worker.py", peers, settings);
            for client_sdk in CapSdk::ALL {
                let settings = json!({"key": 1, "public_keys": {"python-worker": 2}});
                let mut client = PythonClient::start(client_sdk, peers, settings);
                let name = |job: &str| format!("{client_sdk:?}-{worker_sdk:?}-{job}");
                let (echo, fail) = (name("echo"), name("fail"));
                // The labels have a key that another begins with: the packet has to reach the worker byte for byte.
                client.ask(json!({"do": "submit", "job": echo, "topic": "job.echo", "input": {"text": "hi"},
                    "labels": {"tenant": "a", "tenant_id": "b", "empty": ""}}));
                let result = client.result(&echo);
                assert_eq!(result["status"], "JOB_STATUS_SUCCEEDED");
                let output = client.ask(json!({"do": "get", "pointer": result["result_ptr"]}));
                assert_eq!(output, json!({"echo": {"text": "hi"}}));
                assert_eq!(router.ended(&echo), JobStatus::SUCCEEDED);
                client.ask(json!({"do": "submit", "job": fail, "topic": "job.echo.fail"}));
                assert_eq!(client.result(&fail)["status"], "JOB_STATUS_FAILED");
                assert_eq!(router.ended(&fail), JobStatus::FAILED);
            }
            worker.kill();
        }
    });
}

#[test]
fn a_job_whose_worker_was_killed_is_given_to_another() {
    with_servers("a_job_whose_worker_was_killed_is_given_to_another", |peers| {
        let config = signed(&ALL).configure(|config| {
            config.dispatch = Dispatch::LeastLoaded;
            config.workers_deduplicate = false;
            config.heartbeat_interval = Duration::from_millis(500);
        });
        let router = run(peers, config, &Records::default());
        let client = client_with(peers, &ALL, |config| config.resubmit_after = Duration::from_hours(1));
        let start_worker = |id: &str| {
            let settings = json!({"id": id, "key": 2, "public_keys": {"rust-client": 5}, "topics": ["job.hold"]});
            python::start(CapSdk::V2_17, "worker.py", peers, settings)
        };
        let mut doomed = start_worker("python-worker");
        on::block_on(async {
            let mut job = client.submit(Submit::new("job.hold").input(&1)).await.unwrap();
            doomed.await_event("run");
            let mut heir = start_worker("second-worker");
            doomed.kill();
            let again = heir.await_event("run");
            assert_eq!(again["job"], job.job_id());
            assert!(!job.has_ended(), "nothing is reported done that is not");
            heir.ask(&json!({"do": "release", "job": job.job_id()}));
            assert_eq!(job.result::<Value>().await.unwrap(), json!({"held": 1}));
            assert_eq!(job.outcome().await.unwrap().worker_id, "second-worker");
            assert_eq!(router.ended(job.job_id()), JobStatus::SUCCEEDED);
        });
    });
}

#[test]
fn a_router_that_was_killed_goes_on_from_its_records() {
    with_servers("a_router_that_was_killed_goes_on_from_its_records", |peers| {
        let (handlers, records) = (Handlers::new(), Records::default());
        let router = run(peers, signed(&ALL), &records);
        let _worker = start(worker("rust-worker", &ALL, &handlers), peers);
        let client = client_with(peers, &ALL, |config| config.resubmit_after = Duration::from_millis(100));
        on::block_on(async {
            let mut running = client.submit(Submit::new("job.gate").input(&1)).await.unwrap();
            running.progress().next().await.expect("the job runs");
            drop(router);
            // Submitted to nobody, and ended unseen by a router.
            let mut submitted = client.submit(Submit::new("job.echo").input(&2)).await.unwrap();
            handlers.open_gate();
            assert_eq!(running.result::<u32>().await.unwrap(), 1);

            let router = run(peers, signed(&ALL), &records);
            assert_eq!(router.ended(running.job_id()), JobStatus::SUCCEEDED);
            assert_eq!(submitted.result::<Value>().await.unwrap(), json!({"echo": 2}));
            assert_eq!((handlers.calls(running.job_id()), handlers.calls(submitted.job_id())), (1, 1));
        });
    });
}
