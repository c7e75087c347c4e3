//! CAP: middleware around handlers. It runs in the order in which it was added, and may answer in the handler's place.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nuncio_tokio::cap::{
    Client, Failure, JobContext, JobStatus, Logging, MemoryBus, MemoryStore, Next, Router, Submit, Worker,
};
use serde_json::{Value, json};

/// Refuses jobs without the label `tenant`.
async fn only_with_tenant(ctx: JobContext, input: Value, next: Next) -> Result<Value, Failure> {
    if !ctx.labels().contains_key("tenant") {
        return Err(Failure::fatal("the label `tenant` is missing"));
    }
    next.run(ctx, input).await
}

/// Answers one question itself.
async fn known_answers(ctx: JobContext, input: Value, next: Next) -> Result<Value, Failure> {
    if input == "2 + 2" {
        return Ok(json!(4));
    }
    next.run(ctx, input).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let finished = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&finished);
    // Measures how long the rest takes.
    let timing = move |ctx: JobContext, input: Value, next: Next| {
        let noted = Arc::clone(&noted);
        async move {
            let started = Instant::now();
            let output = next.run(ctx.clone(), input).await;
            println!("job {} took {:?}", ctx.job_id(), started.elapsed());
            noted.lock().expect("no thread has panicked").push(ctx.job_id().to_owned());
            output
        }
    };

    let (bus, store) = (MemoryBus::new(), MemoryStore::new());
    let router = Router::builder().start(bus.another())?;
    let worker = Worker::builder()
        .layer(Logging) // with the fields job_id, trace_id, topic, sender_id
        .layer(timing)
        .layer(only_with_tenant)
        .layer(known_answers)
        .job("job.ask", |_: JobContext, question: String| async move { Ok(format!("{question}? Who knows.")) })
        .start(bus.another(), store.clone())?;
    router.ready().await?;
    worker.ready().await?;
    let client = Client::builder().connect(bus, store)?;
    let ask = |id: &str, question: &str| Submit::new("job.ask").job_id(id).input(question);

    let mut job = client.submit(ask("job-1", "Why").label("tenant", "acme")).await?;
    assert_eq!(job.result::<String>().await?, "Why? Who knows.");
    let mut job = client.submit(ask("job-2", "2 + 2").label("tenant", "acme")).await?;
    assert_eq!(job.result::<u8>().await?, 4);
    let mut job = client.submit(ask("job-3", "Why")).await?;
    let outcome = job.outcome().await?;
    assert_eq!(outcome.status, JobStatus::FAILED_FATAL);
    assert_eq!(outcome.error_message, "the label `tenant` is missing");
    assert_eq!(*finished.lock().expect("no thread has panicked"), ["job-1", "job-2", "job-3"]);
    Ok(())
}
