//! A runtime as a child process that is reached through its stdin and stdout. The child runs this same program.
//!
//! `cargo run -p nuncio-examples --bin stdio`

use std::error::Error;

use nuncio_tokio::arcp::{Client, Failure, JobContext, Level, Server, SessionEnd, Submit};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};
use tokio::process::Command;

async fn shout(text: String, ctx: JobContext) -> Result<Value, Failure> {
    // Only frames may be written to stdout; messages for people go to stderr.
    eprintln!("the child, process {}, shouts", std::process::id());
    ctx.log(Level::Info, "shouting").await?;
    Ok(json!({ "shouted": text.to_uppercase(), "by": std::process::id() }))
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "parent");
    let server = Server::builder().verifier(tokens).agent("shout", shout).build()?;
    server.serve_stdio().await;
    Ok(())
}

async fn talk() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve");
    let client = Client::spawn(command, "secret").connect().await?;
    // Line breaks in the input are fine, because JSON escapes them: a frame is always one line.
    let mut job = client.submit(&Submit::new("shout").input(&"to be\nor not")).await?;
    let answer: Value = job.collect(0).await?.json()?;
    println!("{answer}");

    assert_eq!(answer["shouted"], "TO BE\nOR NOT");
    assert_ne!(answer["by"], std::process::id(), "the agent ran in another process");
    assert!(matches!(client.close().await, SessionEnd::Closed(_)));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = match std::env::args().nth(1).as_deref() {
        Some("serve") => runtime.block_on(serve()),
        _ => runtime.block_on(talk()),
    };
    // A read of stdin may still be blocked, so do not wait for it.
    runtime.shutdown_background();
    ended
}
