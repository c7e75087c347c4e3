//! Our worker and clients made with the package, which publish requests to the worker's subjects as a scheduler does.

use nuncio_core::cap::MapOrder;
use nuncio_tests::peers::CapSdk;
use serde_json::{Value, json};

use super::on;
use super::python::PythonClient;
use super::support::{Handlers, Peers, start as start_worker, with_servers, with_tracing_servers, worker};
use crate::cap::servers::line;

const TRUSTED: [(&str, u8); 1] = [("python-client", 1)];

/// Starts our worker, and a client that watches it.
fn start(sdk: CapSdk, peers: &Peers, watch: &[&str]) -> (PythonClient, on::Worker, Handlers) {
    let settings = json!({"key": 1, "public_keys": {"rust-worker": 3}, "watch": watch});
    let client = PythonClient::start(sdk, peers, settings);
    let handlers = Handlers::new();
    // One topic begins with another, so the package verifies the handshake in the order of its own only.
    let worker =
        worker("rust-worker", &TRUSTED, &handlers).retries(2).configure(|config| config.map_order = MapOrder::Upb);
    let worker = start_worker(worker, peers);
    (client, worker, handlers)
}

fn send(topic: &str, job: &str) -> Value {
    json!({"do": "send", "subject": topic, "topic": topic, "job": job})
}

#[test]
fn every_outcome_of_a_job_reaches_a_python_client() {
    with_servers("every_outcome_of_a_job_reaches_a_python_client", |peers| {
        for sdk in CapSdk::ALL {
            let (mut client, _worker, handlers) = start(sdk, peers, &["result", "progress"]);
            let name = |job: &str| format!("{sdk:?}-{job}");
            let mut run = |topic: &str, input: Value| {
                let job = name(topic);
                client.ask(json!({"do": "put", "key": format!("ctx:{job}"), "value": input}));
                client.ask(send(topic, &job));
                (client.result(&job), job)
            };

            let (result, job) = run("job.echo", json!({"text": "ünïcode", "n": [1, null]}));
            assert_eq!(result["status"], "JOB_STATUS_SUCCEEDED");
            assert_eq!(result["result_ptr"], format!("redis://res:{job}"));
            assert_eq!(result["worker_id"], "rust-worker");

            let (result, job) = run("job.echo.fail", json!(1));
            assert_eq!(result["status"], "JOB_STATUS_FAILED");
            assert_eq!(result["error_message"], "the \"handler\"\nfails");
            assert_eq!(handlers.calls(&job), 3, "the first call and two retries");

            let (result, job) = run("job.flaky", json!({"failures": 2}));
            assert_eq!((&result["status"], handlers.calls(&job)), (&json!("JOB_STATUS_SUCCEEDED"), 3));

            let (result, job) = run("job.add", json!({"a": 1, "b": "two"}));
            assert_eq!(result["status"], "JOB_STATUS_FAILED");
            assert_eq!(result["error_code_enum"], "ERROR_CODE_JOB_INVALID_INPUT");
            assert_eq!(handlers.calls(&job), 0, "{result}");

            let (result, job) = run("job.steps", Value::Null);
            assert_eq!(result["status"], "JOB_STATUS_SUCCEEDED");
            for percent in [0, 50, 100] {
                let progress = client.see("progress", |event| event["said"]["job_id"] == job);
                assert_eq!((&progress["verifies"], &progress["faults"]), (&json!(true), &json!([])), "{progress}");
                let said = &progress["said"];
                assert_eq!(said["percent"].as_i64().unwrap_or(0), percent);
                assert_eq!(
                    (&said["step_id"], &said["message"]),
                    (&json!(format!("step-{percent}")), &json!("wörking"))
                );
            }
            let echoed = client.ask(json!({"do": "get", "pointer": format!("redis://res:{}", name("job.echo"))}));
            assert_eq!(echoed, json!({"echo": {"text": "ünïcode", "n": [1, null]}}));
        }
    });
}

#[test]
fn our_announcements_satisfy_the_package() {
    with_tracing_servers("our_announcements_satisfy_the_package", |peers| {
        for sdk in CapSdk::ALL {
            let (mut client, _worker, _) = start(sdk, peers, &["handshake", "heartbeat"]);
            for kind in ["handshake", "heartbeat", "heartbeat"] {
                let event = client.see(kind, |_| true);
                assert_eq!((&event["verifies"], &event["faults"]), (&json!(true), &json!([])), "{event}");
                assert_ne!(event["trace"], "", "a receiver of 2.17.0 drops what has no trace");
                if kind == "handshake" {
                    let topics = [
                        "job.add",
                        "job.block",
                        "job.echo",
                        "job.echo.fail",
                        "job.flaky",
                        "job.gate",
                        "job.hold",
                        "job.steps",
                    ];
                    assert_eq!(event["said"]["ready_topics"], json!(topics), "{event}");
                }
            }
            // The server is away and comes back: who has come meanwhile has to know of the worker, too.
            peers.nats.restart();
            peers.nats.await_publication("sys.handshake");
        }
    });
}

#[test]
fn a_request_that_comes_again_gets_its_result_and_the_handler_runs_once() {
    with_servers("a_request_that_comes_again_gets_its_result_and_the_handler_runs_once", |peers| {
        for sdk in CapSdk::ALL {
            let (mut client, _worker, handlers) = start(sdk, peers, &["result"]);
            let (job, other) = (format!("{sdk:?}-first"), format!("{sdk:?}-second"));
            client.ask(json!({"do": "put", "key": "ctx:shared", "value": 1}));
            let mut request = json!({"do": "send", "subject": "job.echo", "topic": "job.echo", "job": job, "times": 3,
                "pointer": "redis://ctx:shared", "meta": {"idempotency_key": format!("{sdk:?}")}});
            client.ask(request.clone());
            let first = client.result(&job);
            // Another packet with the same job, on the other subject of the worker.
            request["subject"] = json!("worker.rust-worker.jobs");
            request["times"] = json!(1);
            client.ask(request.clone());
            assert_eq!(client.result(&job), first);
            // Another job with the same idempotency key.
            request["job"] = json!(other);
            client.ask(request);
            assert_eq!(client.result(&other)["result_ptr"], first["result_ptr"]);
            assert_eq!((handlers.calls(&job), handlers.calls(&other)), (1, 0));
        }
    });
}

#[test]
fn requests_that_must_not_run_do_not() {
    with_servers("requests_that_must_not_run_do_not", |peers| {
        for sdk in CapSdk::ALL {
            let (mut client, _worker, handlers) = start(sdk, peers, &["result"]);
            let name = |job: &str| format!("{sdk:?}-{job}");
            let refused = [
                ("version", json!({"version": 99})),
                ("unsigned", json!({"key": 0})),
                ("wrong-key", json!({"key": 9})),
                ("stranger", json!({"sender": "stranger"})),
                ("other-topic", json!({"topic": "job.add"})),
            ];
            for (job, fault) in &refused {
                client.ask(json!({"do": "put", "key": format!("ctx:{}", name(job)), "value": 1}));
                let mut request = send("job.echo", &name(job));
                for (member, value) in fault.as_object().expect("members") {
                    request[member] = value.clone();
                }
                client.ask(request);
            }
            // The worker takes in the requests of one subject in their order.
            client.ask(json!({"do": "put", "key": format!("ctx:{}", name("last")), "value": 1}));
            assert_eq!(client.status_of(send("job.echo", &name("last"))), "JOB_STATUS_SUCCEEDED");
            for (job, _) in &refused {
                assert_eq!((handlers.calls(&name(job)), client.left("result", &name(job))), (0, 0), "{job}");
            }
            // These have a result that says what is wrong with them.
            let mut pointer = send("job.echo", &name("pointer"));
            pointer["pointer"] = json!("s3://bucket/key");
            client.ask(pointer);
            assert_eq!(client.result(&name("pointer"))["error_code_enum"], "ERROR_CODE_JOB_INVALID_INPUT");
            client.ask(send("job.echo", &name("missing")));
            assert_eq!(client.result(&name("missing"))["error_code_enum"], "ERROR_CODE_JOB_NOT_FOUND");
        }
    });
}

#[test]
fn a_job_ends_by_a_cancellation_of_the_package_or_by_its_deadline() {
    with_servers("a_job_ends_by_a_cancellation_of_the_package_or_by_its_deadline", |peers| {
        for sdk in CapSdk::ALL {
            let (mut client, _worker, handlers) = start(sdk, peers, &["result", "progress"]);
            let (cancelled, late) = (format!("{sdk:?}-cancelled"), format!("{sdk:?}-late"));
            for job in [&cancelled, &late] {
                client.ask(json!({"do": "put", "key": format!("ctx:{job}"), "value": 1}));
            }
            client.ask(send("job.hold", &cancelled));
            client.see("progress", |event| event["said"]["job_id"] == cancelled);
            client.ask(json!({"do": "cancel", "job": cancelled, "reason": "no longer needed"}));
            let result = client.result(&cancelled);
            assert_eq!(result["status"], "JOB_STATUS_CANCELLED");
            assert_eq!(result["error_message"], "no longer needed");

            let mut request = send("job.hold", &late);
            request["budget"] = json!({"deadline_ms": 50});
            client.ask(request);
            let result = client.result(&late);
            assert_eq!(result["status"], "JOB_STATUS_TIMEOUT");
            assert_eq!(result["error_code_enum"], "ERROR_CODE_JOB_TIMEOUT");
            assert_eq!(handlers.calls(&cancelled), 1);
        }
    });
}

#[test]
fn no_more_jobs_run_at_once_than_the_worker_says() {
    with_servers("no_more_jobs_run_at_once_than_the_worker_says", |peers| {
        let settings = json!({"key": 1, "public_keys": {"rust-worker": 3}, "watch": ["result", "progress"]});
        let mut client = PythonClient::start(CapSdk::V2_10, peers, settings);
        let handlers = Handlers::new();
        let worker = start_worker(worker("rust-worker", &TRUSTED, &handlers).parallel(2), peers);
        let jobs: Vec<String> = (0..6).map(|number| format!("held-{number}")).collect();
        for job in &jobs {
            client.ask(json!({"do": "put", "key": format!("ctx:{job}"), "value": 1}));
            client.ask(send("job.hold", job));
        }
        // A job that waits is cancelled, so all before it have arrived.
        client.ask(json!({"do": "cancel", "job": jobs[5]}));
        assert_eq!(client.result(&jobs[5])["status"], "JOB_STATUS_CANCELLED");
        for job in &jobs[..2] {
            client.see("progress", |event| event["said"]["job_id"] == *job);
        }
        assert_eq!((worker.running(), worker.queued()), (2, 3));
        // A slot that is free is taken by the next job.
        for (job, next) in [(0, 2), (1, 3), (2, 4)] {
            client.ask(json!({"do": "cancel", "job": jobs[job]}));
            client.see("progress", |event| event["said"]["job_id"] == jobs[next]);
            assert!(worker.running() <= 2);
        }
        assert_eq!(handlers.calls(&jobs[5]), 0);
    });
}

#[test]
fn a_handler_that_blocks_does_not_hold_up_heartbeats_and_outputs_expire() {
    with_servers("a_handler_that_blocks_does_not_hold_up_heartbeats_and_outputs_expire", |peers| {
        let (mut client, _worker, handlers) = start(CapSdk::V2_17, peers, &["result", "heartbeat"]);
        client.ask(json!({"do": "put", "key": "ctx:job-1", "value": 1}));
        client.ask(send("job.block", "job-1"));
        for _ in 0..3 {
            client.see("heartbeat", |event| event["said"]["active_jobs"] == 1);
        }
        handlers.open_gate();
        assert_eq!(client.result("job-1")["status"], "JOB_STATUS_SUCCEEDED");
        let ttl = line(peers.redis.port(), "TTL res:job-1\r\n").expect("redis answers");
        let seconds: i64 = ttl.trim_start_matches(':').parse().expect("a number");
        assert!(seconds > 0, "the output is kept for ever");
    });
}
