//! CAP: handlers with types of their own for input and output, progress, retries, and errors that say what is wrong.

use std::error::Error;
use std::time::Duration;

use futures_lite::StreamExt as _;
use nuncio_tokio::cap::{
    Client, ErrorCode, Failure, JobContext, MemoryBus, MemoryStore, ResultError, Router, Submit, Worker,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, Serialize)]
struct Input {
    prompt: String,
}

#[derive(Deserialize, Serialize)]
struct Output {
    summary: String,
    attempts: u32,
}

/// Summarises a text. It fails at its first attempt.
async fn summarize(ctx: JobContext, input: Input) -> Result<Output, Failure> {
    ctx.progress(50).step("read").message(format!("attempt {}", ctx.attempt())).await?;
    if ctx.attempt() == 1 {
        return Err(Failure::retryable("the model is busy"));
    }
    let summary = input.prompt.chars().take(140).collect();
    Ok(Output { summary, attempts: ctx.attempt() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (bus, store) = (MemoryBus::new(), MemoryStore::new());
    let router = Router::builder().start(bus.another())?;
    let worker = Worker::builder()
        .retries(2)
        .backoff(Duration::from_millis(1), Duration::from_millis(10))
        .job("job.summarize", summarize)
        // It blocks its thread, while other jobs and heartbeats go on.
        .blocking_job("job.count", |_: JobContext, path: String| {
            Ok(std::fs::read_to_string(path)?.split_whitespace().count())
        })
        .start(bus.another(), store.clone())?;
    router.ready().await?;
    worker.ready().await?;
    let client = Client::builder().connect(bus, store)?;

    let input = Input { prompt: "A very long text. ".repeat(100) };
    let submit = Submit::new("job.summarize").input(&input).deadline(Duration::from_mins(1)).label("tenant", "acme");
    let mut job = client.submit(submit).await?;
    let mut reports = Vec::new();
    while let Some(report) = job.progress().next().await {
        println!("{} %: {}", report.percent, report.message);
        reports.push(report.message);
    }
    let output: Output = job.result().await?;
    assert_eq!((output.summary.len(), output.attempts), (140, 2));
    assert_eq!(reports.last().map(String::as_str), Some("attempt 2"));

    // An input of another shape is refused before the handler sees it, and is not retried.
    let mut wrong = client.submit(Submit::new("job.summarize").input(&json!({"text": "no prompt"}))).await?;
    let Err(ResultError::Job(error)) = wrong.result::<Output>().await else { return Err("the input is wrong".into()) };
    println!("{error}");
    assert_eq!(error.code, ErrorCode::JOB_INVALID_INPUT);

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut count = client.submit(Submit::new("job.count").input(file)).await?;
    assert!(count.result::<usize>().await? > 10);
    Ok(())
}
