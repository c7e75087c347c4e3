//! Agents that need no authority.

use std::time::Duration;

use nuncio_tokio::{Failure, JobContext, ServerBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

pub(crate) fn offer(server: ServerBuilder) -> ServerBuilder {
    server
        .agent("echo", echo)
        .agent("slow", slow)
        .agent("stubborn", stubborn)
        .agent("progress", progress)
        .agent("fail", fail)
        .agent("events", events)
        .agent("flood", flood)
        .agent("ver@1.0.0", ver)
        .agent("ver@2.0.0", ver)
        .default_version("ver", "2.0.0")
}

/// What an agent that stops early says.
pub(crate) fn cancelled() -> Failure {
    Failure::new("CANCELLED", "the job was cancelled")
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log("info", "echo started").await?;
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
        ctx.progress(tick, Some(ticks.into()), Some("ticks"), None).await?;
        tokio::select! {
            () = ctx.cancelled() => return Err(cancelled()),
            () = sleep(Duration::from_millis(tick_ms)) => {}
        }
    }
    Ok(json!({ "ticks": ticks }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Stubborn {
    ms: u64,
}

impl Default for Stubborn {
    fn default() -> Stubborn {
        Stubborn { ms: 3_000 }
    }
}

async fn stubborn(input: Option<Stubborn>, ctx: JobContext) -> Result<&'static str, Failure> {
    let pause = Duration::from_millis(input.unwrap_or_default().ms);
    tokio::select! {
        () = ctx.cancelled() => sleep(pause).await,
        () = sleep(pause) => {}
    }
    Ok("stubborn-done")
}

#[derive(Deserialize)]
#[serde(default)]
struct Steps {
    n: u64,
}

impl Default for Steps {
    fn default() -> Steps {
        Steps { n: 5 }
    }
}

async fn progress(input: Option<Steps>, ctx: JobContext) -> Result<Value, Failure> {
    let Steps { n } = input.unwrap_or_default();
    for step in 0..=n {
        ctx.progress(step, Some(n.into()), Some("steps"), Some(&format!("step {step}"))).await?;
    }
    Ok(json!({ "n": n }))
}

/// The wish for `retryable` is not read: the code alone decides that (§12).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fail {
    code: Option<String>,
    message: Option<String>,
    throw: Option<String>,
}

async fn fail(input: Option<Fail>, _ctx: JobContext) -> Result<(), Failure> {
    let Fail { code, message, throw } = input.unwrap_or_default();
    match code {
        Some(code) if throw.as_deref() != Some("raw") => {
            Err(Failure::new(code, message.as_deref().unwrap_or("requested failure")))
        }
        Some(_) | None => panic!("{}", message.as_deref().unwrap_or("boom")),
    }
}

async fn events(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log_with("info", "a log", &json!({"k": 1})).await?;
    ctx.thought("a thought").await?;
    ctx.status("phase-1", Some("status message")).await?;
    ctx.metric_with("rows", 12, Some("rows"), &json!({"a": "b"})).await?;
    ctx.tool_call("c1", "search.web", &json!({"q": "x"})).await?;
    ctx.tool_result("c1", &json!({"hits": 1})).await?;
    ctx.artifact("arcp://artifacts/a1", "text/plain", Some(3), Some("ab")).await?;
    ctx.progress(1, Some(2.into()), Some("u"), Some("m")).await?;
    ctx.event("x-vendor.acme.custom", &json!({"anything": [1, 2, 3]})).await?;
    Ok(json!({ "ok": true }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Flood {
    n: u64,
    size: usize,
}

impl Default for Flood {
    fn default() -> Flood {
        Flood { n: 100, size: 10 }
    }
}

async fn flood(input: Option<Flood>, ctx: JobContext) -> Result<Value, Failure> {
    let Flood { n, size } = input.unwrap_or_default();
    let padding = "x".repeat(size);
    for index in 0..n {
        ctx.log("debug", &format!("{padding}{index}")).await?;
    }
    Ok(json!({ "n": n }))
}

async fn ver(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    Ok(json!({ "ran": format!("ver@{}", ctx.version().unwrap_or_default()) }))
}
