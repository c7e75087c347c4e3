//! §9.1 to §9.3, §9.5 to §9.7: what an agent may do, until when, and for how much.

use std::time::Duration;

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect};
use crate::commands::conformance::frame::{code, kind, named, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::{Job, Session};
use crate::commands::conformance::trial::Trial;

rules! {
    Must "§9.1" empty_lease: "A job without a lease may do nothing that needs authority.";
    Must "§9.3" not_covered: "An operation that no pattern covers is PERMISSION_DENIED, and those that a pattern covers are allowed.";
    Must "§9.3" not_dispatched: "A tool call that is refused is not made.";
    Must "§9.3" dot_segments: "A path that leaves the folder of its pattern through .. is not covered.";
    Must "§9.3" namespaces: "A grant of one namespace gives nothing in another.";
    Must "§9.5" expiry_is_utc: "An expires_at that is not in UTC is INVALID_REQUEST.";
    Must "§9.5" expiry_is_ahead: "An expires_at in the past is INVALID_REQUEST.";
    Described "§9.5" expiry_is_a_time: "An expires_at that is no time is INVALID_REQUEST.";
    Must "§9.5" expired_operation: "An operation after expires_at is LEASE_EXPIRED.";
    Must "§9.5" expired_job: "A job that goes on after expires_at ends with job.error LEASE_EXPIRED and final_status error.";
    Must "§9.6" decrement: "A cost metric is subtracted from its counter, exactly.";
    Must "§9.6" exhausted: "With a counter at zero an operation is BUDGET_EXHAUSTED.";
    Should "§9.6" job_goes_on: "A job whose budget is exhausted is told by a tool_result, and goes on.";
    Should "§9.6" remaining: "After a decrement, cost.budget.remaining shows what is left of the budget.";
    Described "§9.6" negative_cost: "A negative cost changes no counter.";
    Must "§9.6" all_counters: "An operation is refused if any of the counters is at zero.";
    Described "§9.6" other_units: "A cost in a currency that is not budgeted changes no counter.";
    Must "§9.7" model: "A model that no pattern matches is PERMISSION_DENIED, one that matches is allowed.";
    Should "§14" expiry_grace: "A job that ends by itself within moments after expires_at, without another operation, succeeds.";
}

/// Runs operations of the agent with a lease; returns its report for each of them.
async fn perform<'a>(
    trial: &Trial<'a>,
    lease: &Value,
    ops: &Value,
    feature: Option<&str>,
) -> Judged<(Session<'a>, Job, Value)> {
    let mut session = trial.session().await?;
    feature.map_or(Ok(()), |feature| session.needs(feature))?;
    let more = json!({"input": {"ops": ops}, "lease_request": lease});
    let (job, end) = session.run_with(&trial.agents().ops, &more).await?;
    Ok((session, job, end))
}

/// The report of an operation: `ok`, or the code of its refusal.
fn report(end: &Value, place: usize) -> String {
    let out = &end["payload"]["result"]["out"][place];
    if out["ok"] == true { "ok".to_owned() } else { text(out, "/code").to_owned() }
}

fn reported(end: &Value, due: &[&str]) -> Judged {
    expect(kind(end) == "job.result", || format!("the job ends with {}", named(end)))?;
    for (place, due) in due.iter().enumerate() {
        let came = report(end, place);
        expect(came == *due, || format!("operation {} is {came:?}, not {due:?}", place + 1))?;
    }
    Ok(())
}

async fn empty_lease(trial: &Trial<'_>) -> Judged {
    let ops = json!([{"cap": "fs.read", "target": "/a"}, {"cap": "tool.call", "target": "t"}]);
    let (_, _, end) = perform(trial, &json!({}), &ops, None).await?;
    reported(&end, &["PERMISSION_DENIED", "PERMISSION_DENIED"])
}

async fn not_covered(trial: &Trial<'_>) -> Judged {
    let ops = json!([
        {"cap": "fs.read", "target": "/ws/a/b"}, {"cap": "fs.read", "target": "/etc/passwd"},
        {"cap": "tool.call", "target": "search.web"}, {"cap": "tool.call", "target": "mail.send"},
    ]);
    let lease = json!({"fs.read": ["/ws/**"], "tool.call": ["search.*"]});
    let (_, _, end) = perform(trial, &lease, &ops, None).await?;
    reported(&end, &["ok", "PERMISSION_DENIED", "ok", "PERMISSION_DENIED"])
}

async fn not_dispatched(trial: &Trial<'_>) -> Judged {
    let ops = json!([{"cap": "tool.call", "target": "mail.send", "call_id": "refused"}]);
    let (session, job, _) = perform(trial, &json!({"tool.call": ["search.*"]}), &ops, None).await?;
    let called = session.bodies(&job.id, "tool_call").iter().any(|body| body["call_id"] == "refused");
    expect(!called, || "a tool_call is emitted".to_owned())?;
    let results = session.bodies(&job.id, "tool_result");
    let shown =
        results.iter().any(|body| body["call_id"] == "refused" && text(body, "/error/code") == "PERMISSION_DENIED");
    expect(shown, || "no tool_result shows the refusal".to_owned())
}

async fn dot_segments(trial: &Trial<'_>) -> Judged {
    let ops = json!([{"cap": "fs.read", "target": "/ws/../etc/passwd"}, {"cap": "fs.read", "target": "/ws/a/../../etc/passwd"}]);
    let (_, _, end) = perform(trial, &json!({"fs.read": ["/ws/**"]}), &ops, None).await?;
    reported(&end, &["PERMISSION_DENIED", "PERMISSION_DENIED"])
}

async fn namespaces(trial: &Trial<'_>) -> Judged {
    let ops = json!([{"cap": "fs.write", "target": "/ws/a"}, {"cap": "tool.call", "target": "/ws/a"}]);
    let (_, _, end) = perform(trial, &json!({"fs.read": ["/ws/**"]}), &ops, None).await?;
    reported(&end, &["PERMISSION_DENIED", "PERMISSION_DENIED"])
}

async fn expiry_refused(trial: &Trial<'_>, expires_at: &str) -> Judged {
    let mut session = trial.session().await?;
    session.needs("lease_expires_at")?;
    let more = json!({"lease_constraints": {"expires_at": expires_at}});
    session.refused_submit(&trial.agents().echo, &more, &["INVALID_REQUEST"]).await
}

async fn expiry_is_utc(trial: &Trial<'_>) -> Judged {
    expiry_refused(trial, "2099-01-01T00:00:00+02:00").await
}

async fn expiry_is_ahead(trial: &Trial<'_>) -> Judged {
    expiry_refused(trial, "2020-01-01T00:00:00Z").await
}

async fn expiry_is_a_time(trial: &Trial<'_>) -> Judged {
    expiry_refused(trial, "tomorrow").await
}

/// Runs a job whose lease expires while it sleeps, before its second operation.
async fn expire<'a>(trial: &Trial<'a>) -> Judged<(Session<'a>, Job, Value)> {
    let mut session = trial.session().await?;
    session.needs("lease_expires_at")?;
    let now = crate::time::now();
    let end = nuncio_tokio::arcp::Time(now.0.saturating_add(micros(Duration::from_secs(2)))).to_rfc3339();
    let ops = json!([
        {"cap": "tool.call", "target": "t", "call_id": "early"}, {"sleep_ms": 2_300},
        {"cap": "tool.call", "target": "t", "call_id": "late"}, {"sleep_ms": 10_000},
    ]);
    let more = json!({
        "input": {"ops": ops}, "lease_request": {"tool.call": ["*"]}, "lease_constraints": {"expires_at": end},
    });
    let (job, end) = session.run_with(&trial.agents().ops, &more).await?;
    Ok((session, job, end))
}

async fn expiry_grace(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("lease_expires_at")?;
    let mut last = Value::Null;
    // On a busy machine the job may end too late.
    for _ in 0..3 {
        let end = nuncio_tokio::arcp::Time(crate::time::now().0.saturating_add(micros(Duration::from_secs(2))));
        let constraints = json!({"expires_at": end.to_rfc3339()});
        let more = json!({"input": {"ops": [{"sleep_ms": 2_050}]}, "lease_constraints": constraints});
        (_, last) = session.run_with(&trial.agents().ops, &more).await?;
        if kind(&last) == "job.result" {
            return Ok(());
        }
    }
    broken(format!("it ends with {}", named(&last)))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

async fn expired_operation(trial: &Trial<'_>) -> Judged {
    let (session, job, end) = expire(trial).await?;
    let calls = session.bodies(&job.id, "tool_call");
    expect(!calls.iter().any(|body| body["call_id"] == "late"), || "the operation is allowed".to_owned())?;
    // A runtime may end the job before the operation is attempted.
    let results = session.bodies(&job.id, "tool_result");
    let late = results.iter().find(|body| body["call_id"] == "late").map(|body| text(body, "/error/code"));
    expect(late.is_none_or(|code| code == "LEASE_EXPIRED"), || format!("it is refused with {late:?}"))?;
    expect(late.is_some() || code(&end) == "LEASE_EXPIRED", || "nothing says LEASE_EXPIRED".to_owned())
}

async fn expired_job(trial: &Trial<'_>) -> Judged {
    let (_, _, end) = expire(trial).await?;
    expect(kind(&end) == "job.error" && code(&end) == "LEASE_EXPIRED", || format!("it ends with {}", named(&end)))?;
    expect(text(&end, "/payload/final_status") == "error", || "final_status is not error".to_owned())
}

fn cost(value: f64, unit: &str) -> Value {
    json!({"metric": {"name": "cost.x", "value": value, "unit": unit}})
}

/// The newest rest of a currency that the job has shown.
fn rest(session: &Session<'_>, job: &str, unit: &str) -> Option<f64> {
    let metrics = session.bodies(job, "metric");
    let mut shown = metrics.iter().rev().filter(|body| body["name"] == "cost.budget.remaining" && body["unit"] == unit);
    shown.next()?["value"].as_f64()
}

async fn decrement(trial: &Trial<'_>) -> Judged {
    let ops = json!([cost(0.1, "USD"), cost(0.1, "USD"), cost(0.1, "USD"), {"cap": "tool.call", "target": "t"}]);
    let lease = json!({"cost.budget": ["USD:0.30"], "tool.call": ["*"]});
    let (session, job, end) = perform(trial, &lease, &ops, Some("cost.budget")).await?;
    let came = report(&end, 3);
    expect(came == "BUDGET_EXHAUSTED", || format!("after three costs of 0.1 of 0.30 an operation is {came:?}"))?;
    let rest = rest(&session, &job.id, "USD");
    expect(rest.is_none_or(|rest| rest.abs() < 1e-9), || format!("cost.budget.remaining is {rest:?}"))
}

async fn exhausted(trial: &Trial<'_>) -> Judged {
    let ops = json!([{"cap": "tool.call", "target": "t"}, cost(1.0, "USD"), {"cap": "tool.call", "target": "t"}, {"cap": "fs.read", "target": "/a"}]);
    let lease = json!({"cost.budget": ["USD:1.00"], "tool.call": ["*"], "fs.read": ["/**"]});
    let (session, job, end) = perform(trial, &lease, &ops, Some("cost.budget")).await?;
    if kind(&end) == "job.error" {
        return expect(code(&end) == "BUDGET_EXHAUSTED", || format!("the job ends with {}", code(&end)));
    }
    let codes: Vec<String> = [0, 2, 3].into_iter().map(|place| report(&end, place)).collect();
    let _unused = (session, job);
    expect(codes == ["ok", "BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"], || format!("the operations are {codes:?}"))
}

async fn job_goes_on(trial: &Trial<'_>) -> Judged {
    let ops = json!([cost(2.0, "USD"), {"cap": "tool.call", "target": "t", "call_id": "late"}]);
    let lease = json!({"cost.budget": ["USD:1.00"], "tool.call": ["*"]});
    let (session, job, end) = perform(trial, &lease, &ops, Some("cost.budget")).await?;
    expect(kind(&end) == "job.result", || format!("the job ends with {}", code(&end)))?;
    let results = session.bodies(&job.id, "tool_result");
    let told = results.iter().any(|body| body["call_id"] == "late" && text(body, "/error/code") == "BUDGET_EXHAUSTED");
    expect(told, || "no tool_result says BUDGET_EXHAUSTED".to_owned())
}

async fn remaining(trial: &Trial<'_>) -> Judged {
    let lease = json!({"cost.budget": ["USD:1.00"]});
    let (session, job, _) = perform(trial, &lease, &json!([cost(0.25, "USD")]), Some("cost.budget")).await?;
    let rest = rest(&session, &job.id, "USD");
    expect(rest == Some(0.75), || format!("after 0.25 of 1.00 it is {rest:?}"))
}

async fn negative_cost(trial: &Trial<'_>) -> Judged {
    let ops = json!([cost(1.0, "USD"), cost(-5.0, "USD"), {"cap": "tool.call", "target": "t"}]);
    let lease = json!({"cost.budget": ["USD:1.00"], "tool.call": ["*"]});
    let (_, _, end) = perform(trial, &lease, &ops, Some("cost.budget")).await?;
    match kind(&end) {
        "job.result" => expect(report(&end, 2) == "BUDGET_EXHAUSTED", || "it raises the counter".to_owned()),
        // A runtime may refuse the metric by ending the job.
        _ => Ok(()),
    }
}

async fn all_counters(trial: &Trial<'_>) -> Judged {
    let ops = json!([cost(5.0, "credits"), {"cap": "tool.call", "target": "t"}]);
    let lease = json!({"cost.budget": ["USD:1.00", "credits:5"], "tool.call": ["*"]});
    let (_, _, end) = perform(trial, &lease, &ops, Some("cost.budget")).await?;
    let came = if kind(&end) == "job.error" { code(&end).to_owned() } else { report(&end, 1) };
    expect(came == "BUDGET_EXHAUSTED", || format!("with one of two counters at zero an operation is {came:?}"))
}

async fn other_units(trial: &Trial<'_>) -> Judged {
    let ops = json!([cost(5.0, "EUR"), {"cap": "tool.call", "target": "t"}]);
    let lease = json!({"cost.budget": ["USD:1.00"], "tool.call": ["*"]});
    let (_, _, end) = perform(trial, &lease, &ops, Some("cost.budget")).await?;
    expect(kind(&end) == "job.result" && report(&end, 1) == "ok", || "the operation is refused".to_owned())
}

async fn model(trial: &Trial<'_>) -> Judged {
    let ops = json!([{"cap": "model.use", "target": "tier-fast/a"}, {"cap": "model.use", "target": "tier-slow/a"}]);
    let (_, _, end) = perform(trial, &json!({"model.use": ["tier-fast/*"]}), &ops, Some("model.use")).await?;
    if end["payload"]["result"]["out"].is_null() {
        return broken(format!("the job ends with {}", named(&end)));
    }
    reported(&end, &["ok", "PERMISSION_DENIED"])
}
