//! Both sides over TLS: Python's workers and clients, and ours, on servers whose certificates an authority of the test has
//! signed.

use nuncio_core::cap::JobStatus;
use nuncio_shared::auth::{Authorities, ClientTls};
use nuncio_shared::cap::{BlobError, BlobStore as _, NatsOptions, RedisOptions, Submit};
use nuncio_tests::peers::{CapSdk, wanted};
use serde_json::{Value, json};

use super::on;
use super::python::{self, PythonClient};
use super::router::{Records, run, signed};
use super::support::{Handlers, Peers, client, start, worker};
use crate::cap::certificates::Certificates;

const ALL: [(&str, u8); 4] = [("python-client", 1), ("python-worker", 2), ("rust-worker", 3), ("rust-client", 5)];
const WORKERS: [(&str, u8); 3] = [("python-worker", 2), ("rust-worker", 3), ("rust-router", 4)];

#[test]
fn workers_and_clients_of_both_sides_meet_over_tls() {
    if !wanted("workers_and_clients_of_both_sides_meet_over_tls") {
        return;
    }
    on::within(|| {
        let peers = &Peers::with_tls();
        let router =
            run(peers, signed(&ALL).configure(|config| config.workers_deduplicate = false), &Records::default());
        let settings = json!({"key": 1, "public_keys": {"python-worker": 2, "rust-worker": 3}});
        let mut python = PythonClient::start(CapSdk::V2_10, peers, settings);
        let ours = client(peers, &WORKERS);
        let mut submit = |name: &str| {
            python.ask(json!({"do": "submit", "job": name, "topic": "job.echo", "input": {"text": name}}));
            let result = python.result(name);
            assert_eq!(result["status"], "JOB_STATUS_SUCCEEDED");
            let output = python.ask(json!({"do": "get", "pointer": result["result_ptr"]}));
            assert_eq!(output, json!({"echo": {"text": name}}));
            assert_eq!(router.ended(name), JobStatus::SUCCEEDED);
            on::block_on(async {
                let mut job = ours.submit(Submit::new("job.echo").input(name)).await.unwrap();
                assert_eq!(job.result::<Value>().await.unwrap(), json!({ "echo": name }));
                job.outcome().await.unwrap().worker_id
            })
        };
        let settings = json!({"key": 2, "public_keys": {"python-client": 1, "rust-client": 5}, "topics": ["job.echo"]});
        let mut program = python::start(CapSdk::V2_10, "worker.py", peers, settings);
        assert_eq!(submit("to-python"), "python-worker");
        program.kill();
        let _ours = start(worker("rust-worker", &ALL, &Handlers::new()), peers);
        assert_eq!(submit("to-rust"), "rust-worker");
    });
}

#[test]
fn the_authority_of_others_is_a_clear_error() {
    if !wanted("the_authority_of_others_is_a_clear_error") {
        return;
    }
    let (servers, others) = (Certificates::of("127.0.0.1"), Certificates::of("127.0.0.1"));
    let (nats, redis) = (servers.nats(), servers.redis());
    on::within(|| {
        on::block_on(async {
            let mut options = NatsOptions::new(&nats.url().replace("nats://", "tls://")).unwrap();
            let authorities = Authorities::from_file(&others.authority).unwrap();
            options.tls = Some(ClientTls::new(authorities).unwrap());
            options.connect_within = std::time::Duration::ZERO;
            let error = on::connect(options).await.expect_err("the authority is another one");
            assert!(error.contains("127.0.0.1") && error.contains("is not trusted"), "{error}");

            let mut options = RedisOptions::new(&redis.url()).unwrap();
            options.tls.as_mut().expect("the URL is rediss://").authorities = Some(others.authority.clone());
            let error = on::RedisStore::new(options).unwrap().ping().await;
            let Err(BlobError::Unreachable(reason)) = error else { panic!("{error:?}") };
            assert!(reason.contains("is not trusted"), "{reason}");
        });
    });
}
