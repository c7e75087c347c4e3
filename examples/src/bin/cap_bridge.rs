//! ARCP in front, CAP behind: the jobs of an agent run on the workers of a topic. Events, result, errors and cancellation
//! cross the bridge; the lease does too, and holds on both sides.
//!
//! `cargo run -p nuncio-examples --bin cap_bridge`

use std::error::Error;

use nuncio_core::lease::{Lease, Operation};
use nuncio_tokio::arcp::{CallError, Client, ErrorCode, EventKind, FinalStatus, JobHandle, RemoteCode, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use nuncio_tokio::bridge::Pool;
use nuncio_tokio::cap::{self, BlobStore, Failure, JobContext, MemoryBus, MemoryStore, Pointer, Router, Worker};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Reads the lease, which the request names by a label.
async fn lease(ctx: &JobContext, store: &MemoryStore) -> Result<Lease, Failure> {
    let label = ctx.labels().get("x-lease-ptr").ok_or_else(|| Failure::fatal("the job has no lease"))?;
    let pointer = Pointer::parse(label).map_err(|error| Failure::fatal(error.to_string()))?;
    let blob = store.get(&pointer.key, 64 << 10).await.map_err(|error| Failure::new(error.to_string()))?;
    let blob = blob.ok_or_else(|| Failure::fatal("the lease is not in the store"))?;
    let text = std::str::from_utf8(&blob).map_err(|error| Failure::fatal(error.to_string()))?;
    Lease::parse(text).map_err(|error| Failure::fatal(error.to_string()))
}

/// Fetches pages, within the lease. A page costs ten cents, and is stored as an artifact.
async fn fetch(ctx: JobContext, urls: Vec<String>, store: MemoryStore) -> Result<usize, Failure> {
    let lease = lease(&ctx, &store).await?;
    for (number, url) in urls.iter().enumerate() {
        let operation = Operation::new("net.fetch", url).map_err(|error| Failure::invalid_input(error.to_string()))?;
        if !lease.covers(&operation) {
            let denied = Failure::fatal(format!("the lease does not allow {url}"));
            return Err(denied.code(cap::ErrorCode::JOB_PERMISSION_DENIED));
        }
        let key = format!("page:{}:{number}", ctx.job_id());
        store.set(&key, "<html>".into(), None).await.map_err(|error| Failure::new(error.to_string()))?;
        ctx.progress(0).step("x-cost").message("0.10 USD").await?;
        ctx.progress_of(number + 1, urls.len()).message(url).artifact(format!("mem://{key}")).await?;
    }
    Ok(urls.len())
}

/// Prints the events of a job to its end. Returns how many there are of each of these kinds.
async fn count(job: &mut JobHandle, kinds: [EventKind; 3]) -> Result<[usize; 3], Box<dyn Error>> {
    let mut counts = [0; 3];
    while let Some(event) = job.events().try_next().await? {
        println!("{}: {}", event.kind.as_str(), event.body.as_str());
        for (kind, count) in kinds.iter().zip(&mut counts) {
            *count += usize::from(*kind == event.kind);
        }
    }
    Ok(counts)
}

async fn failure(mut job: JobHandle) -> Result<RemoteCode, Box<dyn Error>> {
    match job.result::<Value>().await {
        Err(CallError::Job(error)) => {
            println!("{error}");
            Ok(error.code)
        }
        other => Err(format!("the job was to fail: {other:?}").into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The pool. On several machines, the bus is a `NatsBus` and the store a `RedisStore`.
    let (bus, store) = (MemoryBus::new(), MemoryStore::new());
    let router = Router::builder().id("router-1").start(bus.another())?;
    let (stopped, mut stops) = mpsc::unbounded_channel();
    let of_workers = store.clone();
    let worker = Worker::builder()
        .id("worker-1")
        .job("job.fetch", move |ctx: JobContext, urls: Vec<String>| fetch(ctx, urls, of_workers.clone()))
        .job("job.wait", move |ctx: JobContext, (): ()| {
            let stopped = stopped.clone();
            async move {
                ctx.progress(1).message("waiting").await?;
                ctx.cancelled().await;
                // If nobody receives it, the example has ended.
                drop(stopped.send(ctx.job_id().to_owned()));
                Err::<(), _>(Failure::fatal("the job was cancelled"))
            }
        })
        .start(bus.another(), store.clone())?;
    router.ready().await?;
    worker.ready().await?;

    // The server in front of it. The id of its client on the bus stays the same over restarts.
    let pool = Pool::new(cap::Client::builder().id("front-1").connect(bus, store)?);
    let server = Server::builder().verifier(StaticTokens::new().with("secret", "me@example.com"));
    let server = pool.serve(pool.serve(server, "fetch", "job.fetch")?, "wait", "job.wait")?.build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let lease = json!({"net.fetch": ["https://example.com/**"], "cost.budget": ["USD:0.25"]});
    let fetch = |urls: Value| Submit::new("fetch").input(&urls).lease(&lease);
    let mut job = client.submit(&fetch(json!(["https://example.com/a", "https://example.com/b"]))).await?;
    let kinds = [EventKind::Progress, EventKind::ArtifactRef, EventKind::Metric];
    let [progress, artifacts, metrics] = count(&mut job, kinds).await?;
    assert_eq!((progress, artifacts), (2, 2));
    assert!(metrics >= 2, "each cost is a metric");
    assert_eq!(job.result::<usize>().await?, 2);

    // The worker refuses what the lease does not allow.
    let job = client.submit(&fetch(json!(["https://example.org/"]))).await?;
    assert_eq!(failure(job).await?, ErrorCode::PermissionDenied);

    // The server ends a job that has spent its budget, and cancels it in the pool.
    let many: Vec<String> = (0..10).map(|page| format!("https://example.com/{page}")).collect();
    let job = client.submit(&fetch(json!(many))).await?;
    assert_eq!(failure(job).await?, ErrorCode::BudgetExhausted);

    // A job that is cancelled is cancelled in the pool, too.
    let mut job = client.submit(&Submit::new("wait")).await?;
    while let Some(event) = job.events().try_next().await? {
        if event.kind == EventKind::Progress {
            break;
        }
    }
    job.control().cancel(Some("enough")).await?;
    assert_eq!(stops.recv().await.as_deref(), Some(job.job_id().as_str()));
    assert_eq!(job.outcome().await?.status, FinalStatus::Cancelled);
    client.close().await;
    Ok(())
}
