//! The package on our bus and blob store in memory, as `nuncio cap bus` serves them.

use futures_lite::StreamExt as _;
use nuncio_core::cap::JobStatus;
use nuncio_shared::cap::{MemoryBus, MemoryStore, RedisOptions, ResultError, Submit};
use nuncio_tests::peers::{CapSdk, wanted};
use serde_json::{Value, json};

use super::on;
use super::python;
use super::router::{signed, started};
use super::support::{keys, signer};

const ANY_PORT: &str = "127.0.0.1:0";
const TOPICS: [&str; 3] = ["job.echo", "job.echo.fail", "job.steps"];

#[test]
fn a_python_worker_serves_our_client_on_our_bus() {
    if !wanted("a_python_worker_serves_our_client_on_our_bus") {
        return;
    }
    on::within(|| {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        let server = on::block_on(on::MemoryServer::start(&bus, &store, ANY_PORT, ANY_PORT)).unwrap();
        let trusted = [("rust-client", 5), ("python-worker", 2)];
        // A worker of the package runs a job again that it is sent again.
        let router = signed(&trusted).configure(|config| config.workers_deduplicate = false);
        let router = started(router, bus.another());
        for sdk in CapSdk::ALL {
            let settings = json!({
                "key": 2, "public_keys": {"rust-client": 5, "rust-router": 4}, "topics": TOPICS, "nats": server.nats_url(),
                "redis": server.redis_url(),
            });
            let mut worker = python::start_at(sdk, "worker.py", &settings, None);
            on::block_on(async {
                let client = on::Client::builder().id("rust-client").signer(signer(5));
                let client = client.keys(keys(&[("python-worker", 2), ("rust-router", 4)]));
                let blobs = on::RedisStore::new(RedisOptions::new(server.redis_url()).unwrap()).unwrap();
                let client = client.connect(on::bus(server.nats_url()).await, blobs).unwrap();
                client.ready().await.unwrap();

                let input = json!({"text": "ünïcode", "n": [1, null]});
                let mut job = client.submit(Submit::new("job.echo").input(&input)).await.unwrap();
                assert_eq!(job.result::<Value>().await.unwrap(), json!({ "echo": input }));
                assert_eq!(job.outcome().await.unwrap().worker_id, "python-worker");
                assert_eq!(router.ended(job.job_id()), JobStatus::SUCCEEDED);

                let mut job = client.submit(Submit::new("job.echo.fail").input(&json!(1))).await.unwrap();
                let Err(ResultError::Job(error)) = job.result::<Value>().await else { panic!("it fails") };
                assert_eq!(error.status, JobStatus::FAILED);

                let mut job = client.submit(Submit::new("job.steps").input(&json!(null))).await.unwrap();
                let seen: Vec<_> = job.progress().map(|progress| progress.percent).collect().await;
                assert_eq!(seen, [0, 50, 100]);
                assert_eq!(job.result::<Value>().await.unwrap(), Value::Null);
            });
            worker.kill();
        }
    });
}
