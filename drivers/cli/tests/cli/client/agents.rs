//! Agents that wait for the test before each step.

use std::sync::Arc;

use nuncio_tokio::arcp::{
    Delegation, ErrorCode, Failure, JobContext, Json, Level, Number, Output, Question, Secret, ServerBuilder,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A gate at which agents wait. The test lets them pass one at a time.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self, times: usize) {
        self.0.add_permits(times);
    }

    /// Waits for a permit, or fails if the job is cancelled.
    async fn pass(&self, ctx: &JobContext) -> Result<(), Failure> {
        tokio::select! {
            () = self.pass_always() => Ok(()),
            () = ctx.cancelled() => Err(Failure::new(ErrorCode::Cancelled, "it was cancelled")),
        }
    }

    async fn pass_always(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

/// Adds the agents to a server.
pub(crate) fn add(server: ServerBuilder, gate: &Gate) -> ServerBuilder {
    let gates: [Gate; 8] = std::array::from_fn(|_| gate.clone());
    let [steps, pulses, spends, pieces, stubborn, parent, waits, with_key] = gates;
    server
        .agent("echo", echo)
        .agent("asks", asks)
        .agent("fail", fail)
        .agent("kinds", kinds)
        .agent("binary", binary)
        .agent("breaks", breaks)
        .agent("unended", unended)
        .agent("rotates", rotates)
        .agent("traced", |_: Value, ctx: JobContext| async move { Ok::<_, Failure>(ctx.trace_id().to_string()) })
        .agent("steps", move |input, ctx| steps_of(input, ctx, steps.clone()))
        .agent("pulses", move |input, ctx| pulses_of(input, ctx, pulses.clone()))
        .agent("spends", move |input, ctx| spends_of(input, ctx, spends.clone()))
        .agent("pieces", move |input, ctx| pieces_of(input, ctx, pieces.clone()))
        .agent("stubborn", move |input, ctx| stubborn_one(input, ctx, stubborn.clone()))
        .agent("parent", move |input, ctx| parent_of(input, ctx, parent.clone()))
        .agent("waits-with-key", move |input, ctx| waits_for(input, ctx, with_key.clone()))
        .agent("waits", move |input, ctx| waits_for(input, ctx, waits.clone()))
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

/// Asks the questions of its input at once, and returns what was answered to each.
async fn asks(input: Vec<Value>, ctx: JobContext) -> Result<Value, Failure> {
    let mut posed = Vec::new();
    for wanted in input {
        let mut question = Question::new(wanted["prompt"].as_str().unwrap_or("?"));
        if let Some(choices) = wanted["choices"].as_array() {
            question = question.choices(choices.iter().filter_map(Value::as_str));
        }
        if wanted["schema"].is_object() {
            question = question.schema(&wanted["schema"]);
        }
        posed.push(ctx.pose(&question).await?);
    }
    let mut answers = Vec::new();
    for posed in posed {
        let answer = posed.answer().await?;
        answers.push(json!([answer.value(), answer.by(), answer.note()]));
    }
    Ok(json!(answers))
}

async fn fail(input: Value, _ctx: JobContext) -> Result<Value, Failure> {
    Err(Failure::new(ErrorCode::InternalError, input.as_str().unwrap_or("out of paper")))
}

/// One event of each kind, with control characters as a hostile agent writes them.
async fn kinds(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Warn, "red \u{1b}[31malert\u{1b}[2J").field("k", 1).await?;
    ctx.thought("two\nlines").await?;
    ctx.tool_call("c1", "search.web").args(&json!({"q": "x"})).await?;
    ctx.tool_result("c1", &json!({"hits": 1})).await?;
    ctx.status("phase-1").message("a message").await?;
    ctx.metric("rows", 12_u64).unit("rows").await?;
    ctx.progress(1_u64).of(2_u64).units("units").message("half").await?;
    ctx.event("x-vendor.acme.custom", &json!({"anything": [1, 2, 3]})).await?;
    ctx.log(Level::Info, &"x".repeat(5_000)).await?;
    Ok(json!({"ok": true}))
}

async fn binary(_: Value, ctx: JobContext) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    writer.write_text("text \u{1b}[2J").await?;
    writer.finish_bytes(&[0, 255, 10]).await?;
    Ok(Output::streamed("2 pieces"))
}

/// Fails in the middle of its result.
async fn breaks(_: Value, ctx: JobContext) -> Result<Output, Failure> {
    ctx.writer().write_text("half of it").await?;
    Err(Failure::new(ErrorCode::InternalError, "the other half is missing"))
}

async fn rotates(_: Value, ctx: JobContext) -> Result<usize, Failure> {
    ctx.rotate("cred_1", Secret::new("sk-second"))?;
    Ok(ctx.credentials().len())
}

/// Reports four steps, with a permit after each.
async fn steps_of(_: Value, ctx: JobContext, gate: Gate) -> Result<Value, Failure> {
    for step in 1_u64..=4 {
        ctx.progress(step).of(4_u64).units("steps").message("climbing").await?;
        gate.pass(&ctx).await?;
    }
    Ok(json!({"steps": 4}))
}

async fn pulses_of(_: Value, ctx: JobContext, gate: Gate) -> Result<Value, Failure> {
    ctx.progress(12_u64).units("rows").await?;
    gate.pass(&ctx).await?;
    Ok(json!(null))
}

async fn spends_of(_: Value, ctx: JobContext, gate: Gate) -> Result<Value, Failure> {
    for price in ["1.25", "0.5"] {
        ctx.metric("cost.search", Number::parse(price).unwrap()).unit("USD").await?;
        gate.pass(&ctx).await?;
    }
    Ok(json!({"time_left": ctx.time_left().map(|left| left.as_secs())}))
}

async fn pieces_of(_: Value, ctx: JobContext, gate: Gate) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    writer.write_text("first ").await?;
    gate.pass(&ctx).await?;
    writer.finish_text("last\n").await?;
    Ok(Output::streamed("2 pieces"))
}

/// Streams a text that does not end with a newline.
async fn unended(_: Value, ctx: JobContext) -> Result<Output, Failure> {
    ctx.writer().finish_text("first last").await?;
    Ok(Output::streamed("1 piece"))
}

async fn stubborn_one(_: Value, ctx: JobContext, gate: Gate) -> Result<Value, Failure> {
    ctx.log(Level::Info, "not listening").await?;
    gate.pass_always().await;
    Ok(json!("done anyway"))
}

async fn parent_of(_: Value, ctx: JobContext, gate: Gate) -> Result<Value, Failure> {
    let child = Delegation::new("echo").delegate_id("d1").input(&json!("from the parent"));
    let found: Box<Json> = ctx.delegate(&child).await?.result().await?;
    gate.pass(&ctx).await?;
    Ok(json!({ "child": found.get() }))
}

async fn waits_for(_: Value, ctx: JobContext, gate: Gate) -> Result<Value, Failure> {
    ctx.log(Level::Info, "waiting").await?;
    gate.pass(&ctx).await?;
    Ok(json!("waited"))
}
