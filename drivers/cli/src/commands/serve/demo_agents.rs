//! The built-in agents of `nuncio serve --demo-agents`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_tokio::arcp::{ErrorCode, Failure, JobContext, Level, Output, ServerBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

/// The names of the agents.
pub(super) const NAMES: [&str; 5] = ["echo", "slow", "progress", "chunks", "fail"];

/// Adds the agents to a server.
pub(super) fn add(builder: ServerBuilder) -> ServerBuilder {
    builder
        .agent("echo", echo)
        .agent("slow", slow)
        .agent("progress", progress)
        .agent("chunks", chunks)
        .agent("fail", fail)
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Slow {
    ticks: u64,
    tick_ms: u64,
}

impl Default for Slow {
    fn default() -> Slow {
        Slow { ticks: 100, tick_ms: 50 }
    }
}

async fn slow(input: Option<Slow>, ctx: JobContext) -> Result<Value, Failure> {
    let Slow { ticks, tick_ms } = input.unwrap_or_default();
    for tick in 0..ticks {
        ctx.progress(tick).of(ticks).units("ticks").await?;
        tokio::select! {
            () = ctx.cancelled() => return Err(Failure::new(ErrorCode::Cancelled, "the job was cancelled")),
            () = tokio::time::sleep(Duration::from_millis(tick_ms)) => {}
        }
    }
    Ok(json!({ "ticks": ticks }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Progress {
    n: u64,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress { n: 5 }
    }
}

async fn progress(input: Option<Progress>, ctx: JobContext) -> Result<Value, Failure> {
    let Progress { n } = input.unwrap_or_default();
    for step in 0..=n {
        ctx.progress(step).of(n).units("steps").message(&format!("step {step}")).await?;
    }
    Ok(json!({ "n": n }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Chunks {
    chunks: Vec<Chunk>,
}

/// A text, or a text with its encoding as in an event.
#[derive(Deserialize)]
#[serde(untagged)]
enum Chunk {
    Text(String),
    Encoded { data: String, encoding: Encoding },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Utf8,
    Base64,
}

impl Default for Chunks {
    fn default() -> Chunks {
        Chunks { chunks: ["hello ", "world\n"].map(|text| Chunk::Text(text.to_owned())).into() }
    }
}

async fn chunks(input: Option<Chunks>, ctx: JobContext) -> Result<Output, Failure> {
    let Chunks { chunks } = input.unwrap_or_default();
    let mut writer = ctx.writer();
    for chunk in &chunks {
        match chunk {
            Chunk::Text(data) | Chunk::Encoded { data, encoding: Encoding::Utf8 } => writer.write_text(data).await?,
            Chunk::Encoded { data, encoding: Encoding::Base64 } => {
                let bytes = STANDARD.decode(data).map_err(|error| Failure::invalid(error.to_string()))?;
                writer.write_bytes(&bytes).await?;
            }
        }
    }
    writer.finish().await?;
    Ok(Output::streamed(format!("{} chunks", chunks.len())))
}

#[derive(Deserialize)]
#[serde(default)]
struct Fail {
    code: String,
    message: String,
}

impl Default for Fail {
    fn default() -> Fail {
        Fail { code: "INTERNAL_ERROR".to_owned(), message: "requested failure".to_owned() }
    }
}

async fn fail(input: Option<Fail>, _ctx: JobContext) -> Result<Value, Failure> {
    let Fail { code, message } = input.unwrap_or_default();
    Err(Failure::custom(code, message))
}
