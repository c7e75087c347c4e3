//! CAP: a client submits a job, a router sends it to a worker, the worker returns the input. Every packet is signed and
//! verified. The bus and the blob store are within the process; on servers they are a `NatsBus` and a `RedisStore`.

use std::error::Error;

use nuncio_tokio::cap::{Client, JobContext, Keyring, MemoryBus, MemoryStore, RingSigner, Router, Submit, Worker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Each party has a key of its own, and knows the public keys of the others.
    let (client_key, _) = RingSigner::generate()?;
    let (router_key, _) = RingSigner::generate()?;
    let (worker_key, _) = RingSigner::generate()?;
    let mut keys = Keyring::default();
    keys.add("client-1", client_key.public_key())?;
    keys.add("router-1", router_key.public_key())?;
    keys.add("worker-1", worker_key.public_key())?;

    let (bus, store) = (MemoryBus::new(), MemoryStore::new());
    let router = Router::builder().id("router-1").signer(router_key).keys(keys.clone()).start(bus.another())?;
    let worker = Worker::builder()
        .id("worker-1")
        .signer(worker_key)
        .keys(keys.clone())
        .job("job.echo", |_: JobContext, input: String| async move { Ok(input) })
        .start(bus.another(), store.clone())?;
    router.ready().await?;
    worker.ready().await?;

    let client = Client::builder().id("client-1").signer(client_key).keys(keys);
    let client = client.connect(bus.another(), store.clone())?;
    let mut job = client.submit(Submit::new("job.echo").input("hello")).await?;
    let outcome = job.outcome().await?;
    println!("{} by {}: {}", outcome.job_id, outcome.worker_id, outcome.result_ptr);
    assert_eq!(outcome.worker_id, "worker-1");
    assert_eq!(job.result::<String>().await?, "hello");

    // A client whose key nobody knows is not heard.
    let (stranger_key, _) = RingSigner::generate()?;
    let stranger = Client::builder().id("stranger").signer(stranger_key).connect(bus.another(), store)?;
    let _unheard = stranger.submit(Submit::new("job.echo").input("hello")).await?;
    stranger.ready().await?;
    let mut last = client.submit(Submit::new("job.echo").input("goodbye")).await?;
    assert_eq!(last.result::<String>().await?, "goodbye");
    assert!(router.jobs().iter().all(|job| job.submitter == "client-1"));
    Ok(())
}
