//! A client submits a job and follows it: live events, an operation that the lease refuses, and a streamed result.
//!
//! `cargo run -p nuncio-examples --bin submit_and_stream`

use std::error::Error;
use std::time::Duration;

use nuncio_tokio::arcp::{Client, Failure, FinalStatus, JobContext, Output, Product, Server, Shutdown, Submit, Update};
use nuncio_tokio::auth::StaticTokens;
use serde::Deserialize;
use serde_json::json;

/// The agent's input, which may be any type that serde can deserialize.
#[derive(Deserialize)]
struct Question {
    week: String,
}

async fn report(question: Question, ctx: JobContext) -> Result<Output, Failure> {
    // Authorize directly before each use, because a lease may expire.
    ctx.authorize("tool.call", "search.web")?;
    ctx.tool_call("c1", "search.web").args(&json!({"q": question.week})).await?;
    ctx.tool_result("c1", &json!({"hits": 3})).await?;
    if let Err(denied) = ctx.authorize("tool.call", "mail.send") {
        ctx.tool_error("c2", &denied.fault()).await?;
    }
    let mut writer = ctx.writer();
    for part in 1..=3 {
        ctx.progress(part).of(3).units("parts").await?;
        writer.write_text(&format!("part {part} of {}\n", question.week)).await?;
    }
    writer.finish().await?;
    Ok(Output::streamed("3 parts"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("report", report).build()?;
    let listening = server.listen("127.0.0.1:0").await?;

    let client = Client::builder(listening.url(), "secret")?.connect().await?;
    let submit = Submit::new("report")
        .input(&json!({"week": "2026-W19"}))
        .lease(&json!({"tool.call": ["search.*"]}))
        .max_runtime(Duration::from_mins(1));
    let mut job = client.submit(&submit).await?;
    let (mut kinds, mut text) = (Vec::new(), Vec::new());
    while let Some(update) = job.try_next().await? {
        match update {
            Update::Event(event) => {
                println!("{:>2} {} {}", event.seq, event.kind.as_str(), event.body.as_str());
                kinds.push(event.kind.as_str().to_owned());
            }
            Update::Chunk(chunk) => text.extend_from_slice(&chunk.data),
            other => return Err(format!("unexpected update: {other:?}").into()),
        }
    }
    let outcome = job.outcome().await?;
    println!("{:?}: {:?}", outcome.status, String::from_utf8_lossy(&text));

    assert_eq!(kinds, ["status", "tool_call", "tool_result", "tool_result", "progress", "progress", "progress"]);
    assert_eq!(text, b"part 1 of 2026-W19\npart 2 of 2026-W19\npart 3 of 2026-W19\n");
    assert_eq!(outcome.status, FinalStatus::Success);
    assert_eq!(outcome.summary.as_deref(), Some("3 parts"));
    assert!(matches!(outcome.result, Product::Streamed { complete: true, .. }));
    client.close().await;
    assert_eq!(server.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);
    Ok(())
}
