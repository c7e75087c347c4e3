//! §9.4 and §10: delegation.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, expect, not_offered};
use crate::commands::conformance::frame::{is_event, job_of, seq, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::{Job, Session};
use crate::commands::conformance::trial::Trial;

rules! {
    Described "§10" delegated: "A delegation within the lease starts a job of the sub-agent.";
    Must "§10" trace_is_forwarded: "A delegated job has the trace of its parent.";
    Must "§10" not_covered: "A delegation that agent.delegate does not cover is refused.";
    Must "§9.4" subset: "A lease that is wider than that of its parent is LEASE_SUBSET_VIOLATION.";
    Must "§9.4" subset_of_patterns: "A pattern that matches more than the parent's is wider: /data/** is no subset of /data/*.";
    Must "§9.4" budget: "A budget above what remains of the parent's is LEASE_SUBSET_VIOLATION.";
    Must "§9.4" spent_budget: "What the parent has spent does not remain.";
    Must "§9.4" expiry: "An expiry later than the parent's is LEASE_SUBSET_VIOLATION.";
    Must "§9.4" models: "A model that the parent may not use is LEASE_SUBSET_VIOLATION.";
}

/// Runs a parent that delegates once; returns the session, the parent and the error of the delegation, if it was refused.
async fn delegate<'a>(trial: &Trial<'a>, parent: &Value, child: &Value) -> Judged<(Session<'a>, Job, Option<String>)> {
    let mut session = trial.session().await?;
    session.offers(&trial.agents().echo)?;
    let mut more = parent.clone();
    let mut input = child.clone();
    input["delegate_id"] = "del_conformance".into();
    if input["agent"].is_null() {
        input["agent"] = trial.agents().echo.as_str().into();
    }
    if input["wait_ms"].is_null() {
        input["wait_ms"] = 300.into();
    }
    more["input"] = input;
    let (job, _) = session.run_with(&trial.agents().delegate, &more).await?;
    let results = session.bodies(&job.id, "tool_result");
    let refusal = results.iter().find(|body| body["call_id"] == "del_conformance" && !body["error"].is_null());
    let refusal = refusal.map(|body| text(body, "/error/code").to_owned());
    Ok((session, job, refusal))
}

/// Delegates what must be refused with a code.
async fn refused(trial: &Trial<'_>, first: &Value, wanted: &Value, due: &str) -> Judged {
    let (session, job, refusal) = delegate(trial, &parent(&json!({})), &json!({})).await?;
    if refusal.is_some() || child(&session, &job).is_none() {
        return not_offered("the runtime starts no job for a delegation");
    }
    let (session, job, refusal) = delegate(trial, first, wanted).await?;
    if let Some(code) = refusal {
        return expect(code == due, || format!("it is refused with {code}"));
    }
    expect(child(&session, &job).is_none(), || "a job of the sub-agent starts".to_owned())?;
    // The refusal may be told by an event of another kind.
    expect(session.seen.iter().any(|frame| frame.to_string().contains(due)), || format!("nothing says {due}"))
}

/// A parent that may delegate, with more in its lease.
fn parent(more: &Value) -> Value {
    let mut lease = json!({"agent.delegate": ["*"]});
    for (namespace, patterns) in more.as_object().into_iter().flatten() {
        lease[namespace] = patterns.clone();
    }
    json!({ "lease_request": lease })
}

/// A frame of the job that a parent has delegated: the only other job of its session.
fn child<'s>(session: &'s Session<'_>, parent: &Job) -> Option<&'s Value> {
    session.seen.iter().find(|frame| seq(frame).is_some() && job_of(frame) != parent.id)
}

async fn delegated(trial: &Trial<'_>) -> Judged {
    let (session, job, refusal) = delegate(trial, &parent(&json!({})), &json!({})).await?;
    expect(refusal.is_none(), || format!("it is refused with {refusal:?}"))?;
    let shown = session.seen.iter().any(|frame| is_event(frame, &job.id, "delegate"));
    expect(shown, || "no delegate event comes".to_owned())?;
    expect(child(&session, &job).is_some(), || "no event of the sub-agent's job comes".to_owned())
}

async fn trace_is_forwarded(trial: &Trial<'_>) -> Judged {
    let (session, job, _) = delegate(trial, &parent(&json!({})), &json!({})).await?;
    let Some(child) = child(&session, &job) else { return not_offered("the runtime starts no job for a delegation") };
    let trace = [text(&job.accepted, "/payload/trace_id"), text(&job.accepted, "/trace_id")];
    let trace = trace.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    if trace.is_empty() {
        return not_offered("the parent has no trace");
    }
    expect(text(child, "/trace_id") == trace, || format!("the child's trace is {}", child["trace_id"]))
}

async fn not_covered(trial: &Trial<'_>) -> Judged {
    let more = json!({"lease_request": {"agent.delegate": ["another-*"]}});
    refused(trial, &more, &json!({}), "PERMISSION_DENIED").await
}

async fn subset(trial: &Trial<'_>) -> Judged {
    let wider = json!({"lease_request": {"fs.read": ["/**"]}});
    refused(trial, &parent(&json!({"fs.read": ["/ws/**"]})), &wider, "LEASE_SUBSET_VIOLATION").await
}

async fn subset_of_patterns(trial: &Trial<'_>) -> Judged {
    let wider = json!({"lease_request": {"fs.read": ["/data/**"]}});
    refused(trial, &parent(&json!({"fs.read": ["/data/*"]})), &wider, "LEASE_SUBSET_VIOLATION").await
}

async fn budget(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("cost.budget")?;
    let more = json!({"lease_request": {"cost.budget": ["USD:5.01"]}});
    refused(trial, &parent(&json!({"cost.budget": ["USD:5.00"]})), &more, "LEASE_SUBSET_VIOLATION").await
}

async fn spent_budget(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("cost.budget")?;
    let spent = json!([{"name": "cost.x", "value": 3.0, "unit": "USD"}]);
    let more = json!({"metrics": spent, "lease_request": {"cost.budget": ["USD:2.01"]}});
    refused(trial, &parent(&json!({"cost.budget": ["USD:5.00"]})), &more, "LEASE_SUBSET_VIOLATION").await
}

async fn expiry(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("lease_expires_at")?;
    let mut first = parent(&json!({}));
    first["lease_constraints"] = json!({"expires_at": "2098-01-01T00:00:00Z"});
    let later = json!({"lease_constraints": {"expires_at": "2099-01-01T00:00:00Z"}});
    refused(trial, &first, &later, "LEASE_SUBSET_VIOLATION").await
}

async fn models(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("model.use")?;
    let more = json!({"lease_request": {"model.use": ["tier-slow/*"]}});
    refused(trial, &parent(&json!({"model.use": ["tier-fast/*"]})), &more, "LEASE_SUBSET_VIOLATION").await
}
