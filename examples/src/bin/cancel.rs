//! A running job is cancelled: its agent cleans up and ends, and another job continues.
//!
//! `cargo run -p nuncio-examples --bin cancel`

use std::error::Error;
use std::sync::Arc;

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, FinalStatus, JobContext, Level, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proceed = Arc::new(Notify::new());
    let waiting = Arc::clone(&proceed);
    // Waits until it may proceed or is cancelled.
    let patient = move |(): (), ctx: JobContext| {
        let proceed = Arc::clone(&waiting);
        async move {
            ctx.status("waiting").await?;
            tokio::select! {
                () = proceed.notified() => Ok("done"),
                () = ctx.cancelled() => {
                    // The agent has `Config::cancel_grace` for this, and may still emit events.
                    ctx.log(Level::Info, &format!("tidying up: {}", ctx.cancel_reason().unwrap_or("no reason"))).await?;
                    Err(Failure::new(ErrorCode::Cancelled, "stopped before the end"))
                }
            }
        }
    };
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("patient", patient).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let mut unwanted = client.submit(&Submit::new("patient")).await?;
    let mut wanted = client.submit(&Submit::new("patient")).await?;
    let mut logged = Vec::new();
    while let Some(event) = unwanted.events().try_next().await? {
        println!("{} {}", event.kind.as_str(), event.body.as_str());
        match event.kind.as_str() {
            "status" if event.body.as_str().contains("waiting") => {
                unwanted.cancel(Some("no longer needed")).await?;
            }
            "log" => logged.push(event.body.as_str().to_owned()),
            _ => {}
        }
    }
    let outcome = unwanted.outcome().await?;
    assert_eq!(outcome.status, FinalStatus::Cancelled);
    assert_eq!(outcome.fault.as_ref().and_then(nuncio_tokio::arcp::RemoteFault::known), Some(ErrorCode::Cancelled));
    assert_eq!(logged, [r#"{"level":"info","message":"tidying up: no longer needed"}"#]);

    proceed.notify_one();
    assert_eq!(wanted.outcome().await?.status, FinalStatus::Success);
    // A job that has ended cannot be cancelled, but trying it does no harm.
    wanted.cancel(None).await.unwrap_or_else(|error| println!("too late: {error}"));
    client.close().await;
    Ok(())
}
