//! Our worker, router and client.

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nuncio_examples::bench::serve;
use nuncio_tokio::cap::{
    Client, JobContext, Keyring, NatsBus, NatsOptions, RedisOptions, RedisStore, RingSigner, Router, Submit, Worker,
    read_public_key,
};
use serde_json::{Value, json};

use crate::servers::NAMES;
use crate::side::answer;
use crate::{IN_FLIGHT, Place};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The topic of the jobs, which return their input.
pub(crate) const TOPIC: &str = "job.echo";

/// The input of the jobs.
pub(crate) fn input() -> Value {
    json!({"prompt": "Summarise the minutes of the meeting in one sentence."})
}

async fn servers(place: &Place) -> Result<(NatsBus, RedisStore)> {
    let bus = NatsBus::connect(NatsOptions::new(&place.nats)?).await?;
    Ok((bus, RedisStore::new(RedisOptions::new(&place.redis)?)?))
}

/// Reads the key of a process and the public keys of all; `None` if packets are not signed.
fn keys(place: &Place, name: &str) -> Result<Option<(RingSigner, Keyring)>> {
    let Some(folder) = &place.keys else { return Ok(None) };
    let signer = RingSigner::from_pem(&fs::read_to_string(folder.join(format!("{name}.pem")))?)?;
    let mut keys = Keyring::default();
    for name in NAMES {
        keys.add(name, read_public_key(&fs::read_to_string(folder.join(format!("{name}.pub")))?)?)?;
    }
    Ok(Some((signer, keys)))
}

pub(crate) async fn worker(place: &Place) -> Result<()> {
    let (bus, store) = servers(place).await?;
    let mut worker = Worker::builder().id("worker").parallel(IN_FLIGHT);
    if let Some((signer, keys)) = keys(place, "worker")? {
        worker = worker.signer(signer).keys(keys);
    }
    let worker =
        worker.nonblocking_job(TOPIC, |_: JobContext, input: Value| async move { Ok(input) }).start(bus, store)?;
    worker.ready().await?;
    serve().await
}

pub(crate) async fn router(place: &Place) -> Result<()> {
    let (bus, _) = servers(place).await?;
    let mut router = Router::builder().id("router");
    if let Some((signer, keys)) = keys(place, "router")? {
        router = router.signer(signer).keys(keys);
    }
    let router = router.start(bus)?;
    router.ready().await?;
    serve().await
}

pub(crate) async fn client(place: &Place) -> Result<()> {
    let (bus, store) = servers(place).await?;
    let mut client = Client::builder().id("client");
    if let Some((signer, keys)) = keys(place, "client")? {
        client = client.signer(signer).keys(keys);
    }
    let client = client.connect(bus, store)?;
    client.ready().await?;
    answer(async |count, in_flight| {
        let left = Arc::new(AtomicUsize::new(count));
        let tasks: Vec<_> = (0..in_flight).map(|_| tokio::spawn(jobs(client.clone(), Arc::clone(&left)))).collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await??);
        }
        Ok(took)
    })
    .await
}

/// Runs jobs one after another until none is left.
async fn jobs(client: Client, left: Arc<AtomicUsize>) -> Result<Vec<Duration>> {
    let (input, mut took) = (input(), Vec::new());
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let started = Instant::now();
        let mut job = client.submit(Submit::new(TOPIC).input(&input)).await?;
        let output: Value = job.result().await?;
        took.push(started.elapsed());
        assert_eq!(output, input);
    }
    Ok(took)
}
