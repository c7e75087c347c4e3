//! Agents that do only what their lease allows.

use std::time::Duration;

use nuncio_tokio::{Delegation, Denied, Failure, JobContext, Json, Refused, Secret, ServerBuilder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::agents::cancelled;

pub(crate) fn offer(server: ServerBuilder) -> ServerBuilder {
    server.agent("ops", ops).agent("tools", tools).agent("delegate", delegate).agent("rotate", rotate)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ops {
    ops: Vec<Op>,
}

/// One of three things. Not an enum of serde's: that would read the metric's number as a float.
#[derive(Deserialize)]
struct Op {
    sleep_ms: Option<u64>,
    metric: Option<Box<Json>>,
    cap: Option<String>,
    target: Option<String>,
    call_id: Option<String>,
}

#[derive(Serialize)]
struct Report {
    out: Vec<Value>,
    budget: Box<Json>,
}

async fn ops(input: Option<Ops>, ctx: JobContext) -> Result<Report, Failure> {
    let mut out = Vec::new();
    let mut calls = 0;
    for op in input.unwrap_or_default().ops {
        match op {
            Op { sleep_ms: Some(ms), .. } => tokio::select! {
                () = ctx.cancelled() => return Err(cancelled()),
                () = sleep(Duration::from_millis(ms)) => {}
            },
            Op { metric: Some(metric), .. } => out.push(measure(&ctx, &metric).await?),
            Op { cap: Some(cap), target: Some(target), call_id, .. } => {
                calls += 1;
                out.push(call(&ctx, &cap, &target, &call_id.unwrap_or(format!("c{calls}"))).await?);
            }
            Op { .. } => return Err(Failure::invalid("an op has sleep_ms, or metric, or cap and target")),
        }
    }
    let budget = ctx.budget().map_or("{}".to_owned(), |budget| budget.to_json_numbers());
    let budget = RawValue::from_string(budget).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Report { out, budget })
}

#[derive(Deserialize)]
struct Named {
    name: Value,
}

async fn measure(ctx: &JobContext, metric: &Json) -> Result<Value, Failure> {
    let Named { name } = serde_json::from_str(metric.get()).map_err(|error| Failure::invalid(error.to_string()))?;
    match ctx.event("metric", &metric).await {
        Ok(()) => Ok(json!({ "metric": name })),
        Err(Refused::Terminal) => Err(Refused::Terminal.into()),
        Err(_) => Ok(json!({ "metric": name, "ok": false })),
    }
}

async fn call(ctx: &JobContext, cap: &str, target: &str, call_id: &str) -> Result<Value, Failure> {
    match ctx.authorize(cap, target) {
        Ok(_) => {
            ctx.tool_call(call_id, cap, &json!({ "target": target })).await?;
            ctx.tool_result(call_id, &json!({ "ok": true })).await?;
            Ok(json!({ "target": target, "ok": true }))
        }
        Err(Denied::NotRunning) => Err(Denied::NotRunning.into()),
        Err(denied) => {
            let fault = denied.fault();
            ctx.tool_error(call_id, &fault).await?;
            Ok(json!({ "target": target, "ok": false, "code": fault.code.as_str() }))
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tools {
    tools: Vec<String>,
}

async fn tools(input: Option<Tools>, ctx: JobContext) -> Result<Value, Failure> {
    let mut called = 0;
    for (index, tool) in (1_usize..).zip(&input.unwrap_or_default().tools) {
        let call_id = format!("t{index}");
        match ctx.authorize("tool.call", tool) {
            Ok(_) => {
                ctx.tool_call(&call_id, tool, &json!({})).await?;
                called += 1;
            }
            Err(denied) => ctx.tool_error(&call_id, &denied.fault()).await?,
        }
    }
    Ok(json!({ "called": called }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Delegate {
    metrics: Vec<Box<Json>>,
    wait_ms: u64,
    delegate_id: String,
    agent: String,
    input: Box<Json>,
    lease_request: Option<Box<Json>>,
    lease_constraints: Option<Box<Json>>,
}

impl Default for Delegate {
    fn default() -> Delegate {
        Delegate {
            metrics: Vec::new(),
            wait_ms: 300,
            delegate_id: "del_1".to_owned(),
            agent: "echo".to_owned(),
            input: RawValue::from_string(r#"{"from":"parent"}"#.to_owned()).expect("it is JSON"),
            lease_request: None,
            lease_constraints: None,
        }
    }
}

async fn delegate(input: Option<Delegate>, ctx: JobContext) -> Result<Value, Failure> {
    let body = input.unwrap_or_default();
    for metric in &body.metrics {
        ctx.event("metric", metric).await?;
    }
    let delegation = delegation(&body).map_err(|error| Failure::internal(error.to_string()))?;
    // The runtime itself tells the client why a delegation is refused.
    let Ok(mut child) = ctx.delegate(&delegation).await else { return Ok(json!({ "delegated": false })) };
    tokio::select! {
        _ = child.outcome() => {}
        () = sleep(Duration::from_millis(body.wait_ms)) => {}
        () = ctx.cancelled() => return Err(cancelled()),
    }
    Ok(json!({ "delegated": true }))
}

fn delegation(body: &Delegate) -> Result<Delegation, serde_json::Error> {
    let mut delegation = Delegation::new(&body.agent).delegate_id(&body.delegate_id).input(&body.input)?;
    if let Some(lease) = &body.lease_request {
        delegation = delegation.lease(lease)?;
    }
    if let Some(constraints) = &body.lease_constraints {
        delegation = delegation.lease_constraints(constraints)?;
    }
    Ok(delegation)
}

#[derive(Deserialize)]
#[serde(default)]
struct Rotate {
    value: String,
    wait_ms: u64,
}

impl Default for Rotate {
    fn default() -> Rotate {
        Rotate { value: "rotated-secret".to_owned(), wait_ms: 0 }
    }
}

async fn rotate(input: Option<Rotate>, ctx: JobContext) -> Result<Value, Failure> {
    let Rotate { value, wait_ms } = input.unwrap_or_default();
    let first = ctx.credentials().into_iter().next();
    let rotated = first.is_some_and(|credential| ctx.rotate(&credential.id, Secret::new(value)).is_ok());
    tokio::select! {
        () = sleep(Duration::from_millis(wait_ms)) => Ok(json!({ "rotated": rotated })),
        () = ctx.cancelled() => Err(cancelled()),
    }
}
