//! Agents that check their lease.

use nuncio_shared::arcp::{Delegation, Denied, Failure, JobContext, Json, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smol::future::or;

use super::pause;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Ops {
    ops: Vec<Op>,
}

/// One of three things: a sleep if it has `sleep_ms`, a metric if it has `metric`, and an operation otherwise.
#[derive(Deserialize)]
struct Op {
    metric: Option<Box<Json>>,
    sleep_ms: Option<u64>,
    cap: Option<String>,
    target: Option<String>,
    call_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Report {
    out: Vec<Value>,
    budget: Box<Json>,
}

pub(super) async fn ops(input: Option<Ops>, ctx: JobContext) -> Result<Report, Failure> {
    let mut out = Vec::new();
    let mut calls = 0_u32;
    for op in input.unwrap_or_default().ops {
        if let Some(ms) = op.sleep_ms {
            pause(&ctx, ms).await?;
        } else if let Some(metric) = op.metric {
            out.push(emit_metric(&ctx, &metric).await?);
        } else {
            calls += 1;
            let (Some(cap), Some(target)) = (op.cap, op.target) else {
                return Err(Failure::invalid("an operation needs cap and target"));
            };
            let call_id = op.call_id.unwrap_or_else(|| format!("c{calls}"));
            out.push(operate(&ctx, &cap, &target, &call_id).await?);
        }
    }
    let budget = ctx.budget().map_or_else(|| "{}".to_owned(), |budget| budget.to_json_numbers());
    let budget = Json::from_string(budget).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Report { out, budget })
}

async fn emit_metric(ctx: &JobContext, metric: &Json) -> Result<Value, Failure> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Named { name } =
        serde_json::from_str(metric.get()).map_err(|error| Failure::invalid(format!("the metric: {error}")))?;
    Ok(match ctx.event("metric", &metric).await {
        Ok(()) => json!({ "metric": name }),
        Err(_) => json!({ "metric": name, "ok": false }),
    })
}

async fn operate(ctx: &JobContext, cap: &str, target: &str, call_id: &str) -> Result<Value, Failure> {
    match ctx.authorize(cap, target) {
        Ok(_) => {
            ctx.tool_call(call_id, cap).args(&json!({ "target": target })).await?;
            ctx.tool_result(call_id, &json!({"ok": true})).await?;
            Ok(json!({"target": target, "ok": true}))
        }
        Err(denied) => {
            let fault = denied.fault();
            ctx.tool_error(call_id, &fault).await?;
            Ok(json!({"target": target, "ok": false, "code": fault.code.as_str()}))
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Tools {
    tools: Vec<String>,
}

pub(super) async fn tools(input: Option<Tools>, ctx: JobContext) -> Result<Value, Failure> {
    let mut called = 0;
    for (tool, number) in input.unwrap_or_default().tools.iter().zip(1_u32..) {
        let call_id = format!("t{number}");
        match ctx.authorize("tool.call", tool) {
            Ok(_) => {
                ctx.tool_call(&call_id, tool).args(&json!({})).await?;
                called += 1;
            }
            Err(denied) => ctx.tool_error(&call_id, &denied.fault()).await?,
        }
    }
    Ok(json!({ "called": called }))
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Delegate {
    metrics: Vec<Box<Json>>,
    wait_ms: u64,
    delegate_id: String,
    agent: String,
    input: Option<Box<Json>>,
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
            input: None,
            lease_request: None,
            lease_constraints: None,
        }
    }
}

impl Delegate {
    fn delegation(&self) -> Delegation {
        let mut asked = Delegation::new(&self.agent).delegate_id(&self.delegate_id);
        asked = match &self.input {
            Some(input) => asked.input(input),
            None => asked.input(&json!({"from": "parent"})),
        };
        if let Some(lease) = &self.lease_request {
            asked = asked.lease(lease);
        }
        match &self.lease_constraints {
            Some(constraints) => asked.lease_constraints(constraints),
            None => asked,
        }
    }
}

/// Delegates. If that is refused, the runtime itself emits the `tool_result`.
pub(super) async fn delegate(input: Option<Delegate>, ctx: JobContext) -> Result<Value, Failure> {
    let input = input.unwrap_or_default();
    for metric in &input.metrics {
        ctx.event("metric", metric).await?;
    }
    let mut child = match ctx.delegate(&input.delegation()).await {
        Ok(child) => child,
        Err(Denied::Fault(_)) => return Ok(json!({"delegated": false})),
        Err(denied) => return Err(denied.into()),
    };
    let ended = async {
        child.outcome().await;
        Ok(())
    };
    or(ended, pause(&ctx, input.wait_ms)).await?;
    Ok(json!({"delegated": true}))
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Rotate {
    value: String,
    wait_ms: u64,
}

impl Default for Rotate {
    fn default() -> Rotate {
        Rotate { value: "rotated-secret".to_owned(), wait_ms: 0 }
    }
}

pub(super) async fn rotate(input: Option<Rotate>, ctx: JobContext) -> Result<Value, Failure> {
    let Rotate { value, wait_ms } = input.unwrap_or_default();
    let rotated = match ctx.credentials().first() {
        Some(credential) => {
            ctx.rotate(&credential.id, Secret::new(value))?;
            true
        }
        None => false,
    };
    pause(&ctx, wait_ms).await?;
    Ok(json!({ "rotated": rotated }))
}
