//! The built-in agents of `nuncio serve --demo-agents`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_tokio::arcp::{ErrorCode, Failure, JobContext, Level, Output, ServerBuilder};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
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

/// An input that has fields, all of which may be left out.
trait Fields: DeserializeOwned {
    const NAMES: &str;
}

/// An object with some of the fields, and with no others.
struct Object<T>(T);

impl<'de, T: Fields> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let wrong = |reason: &str| D::Error::custom(format!("{reason}; the input is an object with {}", T::NAMES));
        if !value.is_object() {
            return Err(wrong("this is not an object"));
        }
        let fields = T::deserialize(value);
        fields.map(Object).map_err(|error| wrong(&error.to_string().replace("expected u64", "expected a whole number")))
    }
}

impl Fields for Slow {
    const NAMES: &str = "ticks, tick_ms, both, or neither";
}

impl Fields for Progress {
    const NAMES: &str = "n or nothing";
}

impl Fields for Chunks {
    const NAMES: &str = "chunks or nothing";
}

impl Fields for Fail {
    const NAMES: &str = "any of code, message and throw";
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Slow {
    ticks: u64,
    tick_ms: u64,
}

impl Default for Slow {
    fn default() -> Slow {
        Slow { ticks: 100, tick_ms: 50 }
    }
}

async fn slow(input: Option<Object<Slow>>, ctx: JobContext) -> Result<Value, Failure> {
    let Slow { ticks, tick_ms } = input.map_or_else(Default::default, |Object(input)| input);
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
#[serde(default, deny_unknown_fields)]
struct Progress {
    n: u64,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress { n: 5 }
    }
}

async fn progress(input: Option<Object<Progress>>, ctx: JobContext) -> Result<Value, Failure> {
    let Progress { n } = input.map_or_else(Default::default, |Object(input)| input);
    for step in 0..=n {
        ctx.progress(step).of(n).units("steps").message(&format!("step {step}")).await?;
    }
    Ok(json!({ "n": n }))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
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

async fn chunks(input: Option<Object<Chunks>>, ctx: JobContext) -> Result<Output, Failure> {
    let Chunks { chunks } = input.map_or_else(Default::default, |Object(input)| input);
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
#[serde(default, deny_unknown_fields)]
struct Fail {
    code: String,
    message: String,
    /// Asks for a failure that the agent does not describe, as `nuncio conformance` does.
    throw: Option<Value>,
}

impl Default for Fail {
    fn default() -> Fail {
        Fail { code: "INTERNAL_ERROR".to_owned(), message: "requested failure".to_owned(), throw: None }
    }
}

async fn fail(input: Option<Object<Fail>>, _ctx: JobContext) -> Result<Value, Failure> {
    let Fail { code, message, throw } = input.map_or_else(Default::default, |Object(input)| input);
    if throw.is_some() {
        return Err(Failure::internal(message));
    }
    Err(Failure::custom(code, message))
}
