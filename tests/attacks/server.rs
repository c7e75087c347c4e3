//! The server that is attacked: this program itself, as a child process.

use std::io::{self, Read as _};

use nuncio_shared::arcp::{Config, Failure, JobContext, Level, Output};
use nuncio_shared::auth::StaticTokens;
use nuncio_tokio::arcp::Server;
use serde::Deserialize;
use serde_json::Value;

/// Serves until stdin ends. Prints `READY <url>`.
pub(crate) fn run(config: Config) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::builder()
            .config(config)
            .verifier(StaticTokens::new().with("hostile", "hostile").with("honest", "honest"))
            .agent("echo", async |input: Value, _: JobContext| Ok::<_, Failure>(input))
            .agent("sleep", sleep)
            .agent("flood", flood)
            .agent("stream", stream)
            .build()
            .unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        println!("READY {}", listening.url());
        tokio::task::spawn_blocking(|| {
            // The parent writes nothing; stdin ends when it does.
            let _end = io::stdin().read_to_end(&mut Vec::new());
        })
        .await
        .unwrap();
    });
}

/// Waits until it is cancelled.
async fn sleep(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.cancelled().await;
    Ok(Value::Null)
}

#[derive(Deserialize)]
struct Much {
    pieces: u32,
    bytes: usize,
}

/// Emits many events, and waits until it is cancelled.
async fn flood(input: Much, ctx: JobContext) -> Result<Value, Failure> {
    let text = "x".repeat(input.bytes);
    for _ in 0..input.pieces {
        ctx.log(Level::Info, &text).await?;
    }
    ctx.cancelled().await;
    Ok(Value::Null)
}

/// Streams a large result.
async fn stream(input: Much, ctx: JobContext) -> Result<Output, Failure> {
    let text = "y".repeat(input.bytes);
    let mut writer = ctx.writer();
    for _ in 0..input.pieces {
        writer.write_text(&text).await?;
    }
    writer.finish().await?;
    Ok(Output::Streamed { summary: None })
}
