//! Servers and workers that go away in the middle of jobs.

use futures_lite::StreamExt as _;
use nuncio_core::cap::JobStatus;
use nuncio_shared::cap::{JobHandle, ResultError, Submit};
use nuncio_tests::peers::CapSdk;
use serde_json::{Value, json};

use super::on;
use super::python::{self, PythonClient};
use super::router::{Records, run, signed};
use super::support::{Handlers, client, start, with_servers, worker};

const TRUSTED: [(&str, u8); 2] = [("python-client", 1), ("rust-client", 5)];
const ALL: [(&str, u8); 4] = [("rust-client", 5), ("python-worker", 2), ("rust-worker", 3), ("second-worker", 3)];
const WORKERS: [(&str, u8); 4] = [("python-worker", 2), ("rust-worker", 3), ("second-worker", 3), ("rust-router", 4)];

#[test]
fn every_job_ends_once_although_nats_is_killed_again_and_again() {
    with_servers("every_job_ends_once_although_nats_is_killed_again_and_again", |peers| {
        let (first, second) = (Handlers::new(), Handlers::new());
        // While one worker is away, the other one may get all jobs.
        let roomy = |id, handlers| worker(id, &TRUSTED, handlers).configure(|config| config.limits.queued = 200);
        let _first = start(roomy("rust-worker", &first), peers);
        let _second = start(roomy("second-worker", &second), peers);
        let client = client(peers, &WORKERS);
        let router = run(peers, signed(&ALL), &Records::default());
        let mut jobs: Vec<(usize, JobHandle)> = Vec::new();
        for number in 0..200 {
            if number % 70 == 50 {
                peers.nats.restart();
            }
            let submitted = on::block_on(client.submit(Submit::new("job.echo").input(&number)));
            jobs.push((number, submitted.unwrap()));
        }
        let mut submitted: Vec<String> = jobs.iter().map(|(_, job)| job.job_id().to_owned()).collect();
        for (number, mut job) in jobs {
            assert_eq!(on::block_on(job.result::<Value>()).unwrap(), json!({ "echo": number }));
            let calls = (first.calls(job.job_id()), second.calls(job.job_id()));
            assert!(matches!(calls, (1, 0 | 1) | (0, 1)), "no worker runs a job twice: {calls:?}");
        }
        let mut ended: Vec<String> = submitted
            .iter()
            .map(|_| {
                let (job, status) = router.next_end();
                assert_eq!(status, JobStatus::SUCCEEDED, "{job}");
                job
            })
            .collect();
        submitted.sort_unstable();
        ended.sort_unstable();
        assert_eq!((ended, router.more_ends()), (submitted, 0));
    });
}

#[test]
fn a_python_worker_ends_every_job_although_nats_is_killed() {
    with_servers("a_python_worker_ends_every_job_although_nats_is_killed", |peers| {
        let settings = json!({"key": 2, "public_keys": {"rust-client": 5}, "topics": ["job.echo"]});
        let mut program = python::start(CapSdk::V2_17, "worker.py", peers, settings);
        let client = client(peers, &WORKERS);
        let _router = run(peers, signed(&ALL), &Records::default());
        on::block_on(async {
            let mut jobs: Vec<(usize, JobHandle)> = Vec::new();
            for number in 0..20 {
                if number == 10 {
                    peers.nats.restart();
                    program.await_event("reconnected");
                }
                jobs.push((number, client.submit(Submit::new("job.echo").input(&number)).await.unwrap()));
            }
            for (number, mut job) in jobs {
                assert_eq!(job.result::<Value>().await.unwrap(), json!({ "echo": number }));
            }
        });
    });
}

#[test]
fn a_result_that_is_made_while_nats_is_away_is_not_lost() {
    with_servers("a_result_that_is_made_while_nats_is_away_is_not_lost", |peers| {
        let settings = json!({"key": 1, "public_keys": {"rust-worker": 3}, "watch": ["result", "progress"]});
        let mut client = PythonClient::start(CapSdk::V2_10, peers, settings);
        let handlers = Handlers::new();
        let _worker = start(worker("rust-worker", &TRUSTED, &handlers), peers);
        client.ask(json!({"do": "put", "key": "ctx:job-1", "value": "kept"}));
        let request = json!({"do": "send", "subject": "job.gate", "topic": "job.gate", "job": "job-1"});
        client.ask(request.clone());
        client.see("progress", |_| true);
        peers.nats.kill();
        handlers.open_gate();
        peers.nats.restart();
        client.see("reconnected", |_| true);
        // The result may have been published before the client had subscribed again. It asks once more.
        client.ask(request);
        let result = client.result("job-1");
        assert_eq!(result["status"], "JOB_STATUS_SUCCEEDED");
        assert_eq!(client.ask(json!({"do": "get", "pointer": result["result_ptr"]})), "kept");
        assert_eq!(handlers.calls("job-1"), 1);
    });
}

#[test]
fn nothing_is_reported_done_whose_output_is_not_stored() {
    with_servers("nothing_is_reported_done_whose_output_is_not_stored", |peers| {
        let handlers = Handlers::new();
        let _worker = start(worker("rust-worker", &TRUSTED, &handlers), peers);
        let client = client(peers, &WORKERS);
        let _router = run(peers, signed(&ALL), &Records::default());
        on::block_on(async {
            let mut job = client.submit(Submit::new("job.gate").input("kept")).await.unwrap();
            job.progress().next().await.expect("the job runs");
            peers.redis.kill();
            handlers.open_gate();
            let result = job.outcome().await.unwrap();
            assert_eq!(result.status, JobStatus::FAILED_RETRYABLE, "{result:?}");
            assert_eq!(result.result_ptr, "");
            // An input that cannot be stored is no job.
            assert!(client.submit(Submit::new("job.echo").input(&1)).await.is_err());

            peers.redis.restart();
            // Client and worker reach the server again each in its time, and until then nothing is reported done either.
            let mut job = loop {
                let Ok(mut job) = client.submit(Submit::new("job.echo").input("again")).await else { continue };
                match job.outcome().await.unwrap().status {
                    JobStatus::SUCCEEDED => break job,
                    status => assert_eq!(status, JobStatus::FAILED_RETRYABLE),
                }
            };
            assert_eq!(job.result::<Value>().await.unwrap(), json!({"echo": "again"}));
            // An output that was lost is not taken for a null.
            peers.redis.kill();
            assert!(matches!(job.result::<Value>().await, Err(ResultError::Store(_))));
        });
    });
}

#[test]
fn a_job_whose_worker_has_died_is_run_by_the_next_one() {
    with_servers("a_job_whose_worker_has_died_is_run_by_the_next_one", |peers| {
        let (first, second) = (Handlers::new(), Handlers::new());
        let dying = start(worker("rust-worker", &TRUSTED, &first), peers);
        let client = client(peers, &WORKERS);
        let _router = run(peers, signed(&ALL), &Records::default());
        on::block_on(async {
            let mut job = client.submit(Submit::new("job.gate").input(&7)).await.unwrap();
            job.progress().next().await.expect("the job runs");
            drop(dying);
            second.open_gate();
            // One of the same name announces itself, and is sent the jobs of the other.
            let _heir = start(worker("rust-worker", &TRUSTED, &second), peers);
            assert_eq!(job.result::<u32>().await.unwrap(), 7);
            assert_eq!((first.calls(job.job_id()), second.calls(job.job_id())), (1, 1));
        });
    });
}
