//! §8 and §11: events, their numbers, and traces.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect};
use crate::commands::conformance::frame::{dotted, gap, job_of, kind, seq, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::trial::Trial;

rules! {
    Described "§8.1" event: "An event has session_id, job_id, event_seq and a payload with kind and body.";
    Described "§8.2" bodies: "The body of an event has the members of its kind.";
    Described "§8.2" vendor_kinds: "An event of a vendor's kind is passed on as the agent has emitted it.";
    Must "§8.2.1" progress_current: "The current of a progress event is a number that is not negative.";
    Should "§8.2.1" progress_total: "The current of a progress event is not above its total.";
    Described "§8.3" numbers: "The events of a session are numbered 1, 2, 3 … over all of its jobs.";
    Described "§8.3" order: "The events of a job come in the order in which its agent has emitted them.";
    Described "§11" trace: "The trace_id of a submit is that of its job.";
}

async fn event(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.run(&trial.agents().echo, &json!(1)).await?;
    for event in session.seen.iter().filter(|frame| kind(frame) == "job.event") {
        for member in ["/session_id", "/job_id", "/payload/kind"] {
            expect(!text(event, member).is_empty(), || format!("an event has no {}", dotted(member)))?;
        }
        expect(text(event, "/session_id") == session.session_id, || "it names another session".to_owned())?;
        expect(seq(event).is_some(), || "an event has no event_seq".to_owned())?;
        expect(event["payload"]["body"].is_object(), || "an event has no body".to_owned())?;
    }
    Ok(())
}

/// The members that the body of a kind has (§8.2).
const MEMBERS: [(&str, &[&str]); 8] = [
    ("log", &["level", "message"]),
    ("thought", &["text"]),
    ("tool_call", &["tool", "args", "call_id"]),
    ("tool_result", &["call_id"]),
    ("status", &["phase"]),
    ("metric", &["name", "value"]),
    ("artifact_ref", &["uri", "content_type"]),
    ("progress", &["current"]),
];

/// Returns what is missing in the body of an event.
fn body_fault(event: &str, body: &Value) -> Option<String> {
    let (_, members) = MEMBERS.into_iter().find(|(name, _)| *name == event)?;
    if let Some(missing) = members.iter().find(|member| body[**member].is_null()) {
        return Some(format!("the body of {event} has no {missing}"));
    }
    let has = |member: &str| body.get(member).is_some();
    let is_incomplete = event == "tool_result" && !has("result") && !has("error");
    is_incomplete.then(|| "the body of tool_result has neither result nor error".to_owned())
}

async fn bodies(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.run(&trial.agents().events, &json!({})).await?;
    session.run(&trial.agents().slow, &json!({"ticks": 2, "tick_ms": 1})).await?;
    for frame in session.seen.iter().filter(|frame| kind(frame) == "job.event") {
        if let Some(fault) = body_fault(text(frame, "/payload/kind"), &frame["payload"]["body"]) {
            return broken(fault);
        }
    }
    Ok(())
}

async fn vendor_kinds(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let (job, _) = session.run(&trial.agents().events, &json!({})).await?;
    let bodies = session.bodies(&job.id, "x-vendor.acme.custom");
    expect(bodies == [json!({"anything": [1, 2, 3]})], || format!("its bodies are {}", Value::from(bodies.clone())))
}

/// The bodies of the progress events of a job.
async fn progress(trial: &Trial<'_>) -> Judged<Vec<Value>> {
    let mut session = trial.session().await?;
    session.needs("progress")?;
    let (job, _) = session.run(&trial.agents().slow, &json!({"ticks": 5, "tick_ms": 1})).await?;
    let bodies = session.bodies(&job.id, "progress");
    expect(!bodies.is_empty(), || "no progress event comes".to_owned())?;
    Ok(bodies)
}

async fn progress_current(trial: &Trial<'_>) -> Judged {
    let bodies = progress(trial).await?;
    let bad = bodies.iter().find(|body| body["current"].as_f64().is_none_or(|current| current < 0.0));
    expect(bad.is_none(), || "current is no number, or negative".to_owned())
}

async fn progress_total(trial: &Trial<'_>) -> Judged {
    let bodies = progress(trial).await?;
    let bad =
        bodies.iter().find(|body| body["total"].as_f64().is_some_and(|total| body["current"].as_f64() > Some(total)));
    expect(bad.is_none(), || "current is above total".to_owned())
}

async fn numbers(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let one = session.submit(&trial.agents().slow, &json!({"ticks": 10, "tick_ms": 10})).await?;
    let two = session.submit(&trial.agents().slow, &json!({"ticks": 10, "tick_ms": 7})).await?;
    session.fence().await?;
    session.terminal(&one.id).await?;
    session.terminal(&two.id).await?;
    match gap(&session.seen, 1) {
        None => Ok(()),
        Some((due, came)) => broken(format!("event_seq {came} comes where {due} is due")),
    }
}

async fn order(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let (job, _) = session.run(&trial.agents().flood, &json!({"n": 500, "size": 3})).await?;
    let logs = session.bodies(&job.id, "log");
    let in_order = logs.iter().enumerate().all(|(index, body)| body["message"] == format!("xxx{index}"));
    expect(in_order && logs.len() == 500, || format!("{} of 500 events come, or in another order", logs.len()))
}

async fn trace(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let payload = session.submission(&trial.agents().echo, &json!({"input": 1}))?;
    let mut frame = session.envelope("job.submit", &payload);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    frame["trace_id"] = trace.into();
    session.send(&frame).await;
    let accepted = session.until(0, "job.accepted", |frame| kind(frame) == "job.accepted").await?;
    let shown = [text(&accepted, "/payload/trace_id"), text(&accepted, "/trace_id")];
    expect(shown.iter().all(|id| id.is_empty() || *id == trace) && shown.contains(&trace), || {
        format!("job.accepted shows {shown:?}")
    })?;
    let job = job_of(&accepted).to_owned();
    session.terminal(&job).await?;
    let other = session.seen.iter().find(|frame| {
        job_of(frame) == job && !matches!(text(frame, "/trace_id"), "" | "4bf92f3577b34da6a3ce929d0e0e4736")
    });
    expect(other.is_none(), || "a frame of the job has another trace_id".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body_fault;

    #[test]
    fn incomplete_bodies_are_found() {
        assert_eq!(body_fault("log", &json!({"level": "info", "message": "m", "more": 1})), None);
        assert_eq!(body_fault("log", &json!({"message": "m"})), Some("the body of log has no level".to_owned()));
        assert_eq!(body_fault("tool_result", &json!({"call_id": "c", "result": null})), None);
        assert!(body_fault("tool_result", &json!({"call_id": "c"})).is_some());
        assert_eq!(body_fault("x-vendor.any", &json!({})), None);
    }
}
