//! A client lists its principal's jobs: by status, by agent, and in pages.
//!
//! `cargo run -p nuncio-examples --bin list_jobs`

use std::error::Error;

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, JobContext, JobId, JobRow, ListQuery, Server, Submit};
use nuncio_tokio::auth::StaticTokens;

async fn nap((): (), ctx: JobContext) -> Result<(), Failure> {
    ctx.cancelled().await;
    Err(Failure::new(ErrorCode::Cancelled, "woken up"))
}

async fn echo(word: String, _: JobContext) -> Result<String, Failure> {
    Ok(word)
}

/// Returns all pages of a list, oldest job first. A cursor stays valid while jobs are added and removed.
async fn all(client: &Client, mut query: ListQuery<'_>) -> Result<Vec<JobRow>, Box<dyn Error>> {
    let mut rows = Vec::new();
    loop {
        let page = client.list(&query).await?;
        println!("a page of {}", page.jobs.len());
        rows.extend(page.jobs);
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor.into()),
            None => return Ok(rows),
        }
    }
}

fn ids(rows: &[JobRow]) -> Vec<&JobId> {
    rows.iter().map(|row| &row.job_id).collect()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com").with("other", "you@example.com");
    let server = Server::builder().verifier(tokens).agent("nap", nap).agent("echo", echo).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let mut done = Vec::new();
    for word in ["a", "b", "c", "d", "e"] {
        let mut job = client.submit(&Submit::new("echo").input(&word)).await?;
        job.outcome().await?;
        done.push(job.job_id().clone());
    }
    let napping = client.submit(&Submit::new("nap")).await?;

    // Another session of the same principal sees the same jobs, because jobs belong to principals.
    let elsewhere = Client::builder(listening.url(), "secret")?.connect().await?;
    let two = ListQuery { limit: Some(2), ..ListQuery::default() };
    let rows = all(&elsewhere, two).await?;
    assert!(ids(&rows).into_iter().eq(done.iter().chain([napping.job_id()])), "every job is listed once");
    assert!(rows.iter().all(|row| row.created_at.is_some() && row.trace_id.is_some()));

    let running = ListQuery { status: vec!["running".into()], ..ListQuery::default() };
    let rows = all(&elsewhere, running).await?;
    assert_eq!(ids(&rows), [napping.job_id()]);
    assert_eq!((rows[0].agent.as_str(), rows[0].status.as_str()), ("nap", "running"));
    let echoes = ListQuery { agent: Some("echo".into()), status: vec!["success".into()], ..ListQuery::default() };
    assert_eq!(ids(&all(&elsewhere, echoes).await?), done.iter().collect::<Vec<_>>());

    // Other principals do not learn that the jobs exist.
    let other = Client::builder(listening.url(), "other")?.connect().await?;
    assert!(all(&other, ListQuery::default()).await?.is_empty());
    napping.cancel(None).await?;
    Ok(())
}
