//! Agents that need no lease.

use std::time::Duration;

use nuncio_shared::arcp::{Failure, JobContext, Json, Level};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pause;

#[derive(Serialize)]
pub(super) struct Echo {
    echoed: Option<Box<Json>>,
}

/// Returns the input verbatim.
pub(super) async fn echo(input: Option<Box<Json>>, ctx: JobContext) -> Result<Echo, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(Echo { echoed: input })
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Slow {
    ticks: u64,
    tick_ms: u64,
}

impl Default for Slow {
    fn default() -> Slow {
        Slow { ticks: 100, tick_ms: 50 }
    }
}

pub(super) async fn slow(input: Option<Slow>, ctx: JobContext) -> Result<Value, Failure> {
    let Slow { ticks, tick_ms } = input.unwrap_or_default();
    for tick in 0..ticks {
        ctx.progress(tick).of(ticks).units("ticks").await?;
        pause(&ctx, tick_ms).await?;
    }
    Ok(json!({ "ticks": ticks }))
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Stubborn {
    ms: u64,
}

impl Default for Stubborn {
    fn default() -> Stubborn {
        Stubborn { ms: 3000 }
    }
}

pub(super) async fn stubborn(input: Option<Stubborn>, ctx: JobContext) -> Result<&'static str, Failure> {
    let Stubborn { ms } = input.unwrap_or_default();
    if pause(&ctx, ms).await.is_err() {
        smol::Timer::after(Duration::from_millis(ms)).await;
    }
    Ok("stubborn-done")
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Steps {
    n: u64,
}

impl Default for Steps {
    fn default() -> Steps {
        Steps { n: 5 }
    }
}

pub(super) async fn progress(input: Option<Steps>, ctx: JobContext) -> Result<Value, Failure> {
    let Steps { n } = input.unwrap_or_default();
    for step in 0..=n {
        ctx.progress(step).of(n).units("steps").message(&format!("step {step}")).await?;
    }
    Ok(json!({ "n": n }))
}

/// A `retryable` in the input is ignored, because the code determines it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Fail {
    code: Option<String>,
    message: Option<String>,
    throw: Option<String>,
}

pub(super) async fn fail(input: Option<Fail>, _ctx: JobContext) -> Result<Value, Failure> {
    let Fail { code, message, throw } = input.unwrap_or_default();
    match code {
        Some(code) if throw.as_deref() != Some("raw") => {
            Err(Failure::custom(code, message.unwrap_or_else(|| "requested failure".to_owned())))
        }
        _ => panic!("boom"),
    }
}

pub(super) async fn events(_input: Option<Value>, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "a log").field("k", 1).await?;
    ctx.thought("a thought").await?;
    ctx.status("phase-1").message("status message").await?;
    ctx.metric("rows", 12).unit("rows").dimension("a", "b").await?;
    ctx.tool_call("c1", "search.web").args(&json!({"q": "x"})).await?;
    ctx.tool_result("c1", &json!({"hits": 1})).await?;
    ctx.artifact("arcp://artifacts/a1", "text/plain").byte_size(3).sha256("ab").await?;
    ctx.progress(1).of(2).units("u").message("m").await?;
    ctx.event("x-vendor.acme.custom", &json!({"anything": [1, 2, 3]})).await?;
    Ok(json!({"ok": true}))
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Flood {
    n: u64,
    size: usize,
}

impl Default for Flood {
    fn default() -> Flood {
        Flood { n: 100, size: 10 }
    }
}

pub(super) async fn flood(input: Option<Flood>, ctx: JobContext) -> Result<Value, Failure> {
    let Flood { n, size } = input.unwrap_or_default();
    let filler = "x".repeat(size);
    for index in 0..n {
        ctx.log(Level::Debug, &format!("{filler}{index}")).await?;
    }
    Ok(json!({ "n": n }))
}

pub(super) async fn version(_input: Option<Value>, ctx: JobContext) -> Result<Value, Failure> {
    Ok(json!({"ran": format!("{}@{}", ctx.agent(), ctx.version().unwrap_or_default())}))
}
