//! §6.1 and §6.2: authentication, the welcome, and what is negotiated.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::{dotted, kind, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::Answer;
use crate::commands::conformance::trial::{FEATURES, Trial};
use crate::commands::conformance::wire::Arrival;

rules! {
    Described "§6.1" bad_token: "A hello with an invalid token is refused with UNAUTHENTICATED.";
    Described "§6.1" no_token: "A hello without a token is not welcomed.";
    Described "§6.1" unknown_scheme: "A hello with another scheme of authentication than bearer is not welcomed.";
    Described "§6.1" hello_first: "No request is served on a connection before its hello.";
    Described "§6.1" nothing_after_refusal: "A submit that follows a refused hello at once starts no job.";
    Described "§6.2" welcome: "The welcome has a session_id, the runtime's name and version, a resume_token, its window and the capabilities.";
    Described "§6.2" heartbeat_interval: "The welcome names the interval of heartbeats where they are negotiated.";
    Described "§6.2" agents: "The welcome lists the agents; the default of an agent is one of its versions.";
    Must "§6.2" unknown_features: "A feature that the runtime does not know is not acknowledged.";
    Must "§6.2" no_progress_unnegotiated: "Without the feature progress no progress events are sent.";
    Must "§6.2" no_chunks_unnegotiated: "Without the feature result_chunk no chunks are sent.";
    Must "§6.2" no_list_unnegotiated: "Without the feature list_jobs no list is given.";
    Must "§6.2" no_subscription_unnegotiated: "Without the feature subscribe no subscription is granted.";
    Must "§6.2" no_expiry_unnegotiated: "Without the feature lease_expires_at no lease gets an expiry.";
    Must "§6.2" no_budget_unnegotiated: "Without the feature cost.budget no job gets a budget.";
    Must "§6.2" no_models_unnegotiated: "Without the feature model.use no lease names models.";
    Must "§6.2" no_versions_unnegotiated: "Without the feature agent_versions job.accepted shows the bare name of the agent.";
    Must "§6.2" no_pings_unnegotiated: "Without the feature heartbeat no pings are sent.";
}

async fn bad_token(trial: &Trial<'_>) -> Judged {
    let mut hello = trial.hello(&FEATURES);
    hello["auth"]["token"] = format!("wrong-{}", trial.target.run).into();
    let code = refusal(trial, &hello, "to an invalid token").await?;
    expect(code == "UNAUTHENTICATED", || match code.as_str() {
        "" => "no error says so".to_owned(),
        code => format!("it is refused with {code}"),
    })
}

async fn no_token(trial: &Trial<'_>) -> Judged {
    let mut hello = trial.hello(&FEATURES);
    hello["auth"] = json!({"scheme": "bearer"});
    refusal(trial, &hello, "without a token").await.map(drop)
}

async fn unknown_scheme(trial: &Trial<'_>) -> Judged {
    let mut hello = trial.hello(&FEATURES);
    hello["auth"]["scheme"] = "x-unknown".into();
    refusal(trial, &hello, "to an unknown scheme").await.map(drop)
}

async fn refusal(trial: &Trial<'_>, hello: &Value, why: &str) -> Judged<String> {
    let mut wire = trial.open().await?;
    wire.request("session.hello", hello).await;
    trial.unwelcome(wire, why).await
}

async fn hello_first(trial: &Trial<'_>) -> Judged {
    let mut wire = trial.open().await?;
    wire.request("job.submit", &json!({"agent": trial.agents().echo, "input": 1})).await;
    trial.unwelcome(wire, "to a submit without a hello").await.map(drop)
}

async fn nothing_after_refusal(trial: &Trial<'_>) -> Judged {
    let mut hello = trial.hello(&FEATURES);
    hello["auth"]["token"] = format!("wrong-{}", trial.target.run).into();
    let mut wire = trial.open().await?;
    wire.request("session.hello", &hello).await;
    wire.request("job.submit", &json!({"agent": trial.agents().echo, "input": 1})).await;
    loop {
        match wire.arrival(trial.patience()).await {
            Arrival::Frame(frame) if kind(&frame).starts_with("job.") && kind(&frame) != "job.error" => {
                return broken(format!("{} is sent although the hello was refused", kind(&frame)));
            }
            Arrival::Frame(_) | Arrival::Garbage => {}
            Arrival::Ended(_) | Arrival::Silence => return Ok(()),
        }
    }
}

async fn welcome(trial: &Trial<'_>) -> Judged {
    let session = trial.session().await?;
    let welcome = &session.welcome;
    expect(!text(welcome, "/session_id").is_empty(), || "the envelope has no session_id".to_owned())?;
    for member in ["/payload/runtime/name", "/payload/runtime/version", "/payload/resume_token"] {
        expect(!text(welcome, member).is_empty(), || format!("{} is missing", dotted(member)))?;
    }
    let window = welcome["payload"]["resume_window_sec"].as_f64();
    expect(window.is_some_and(|seconds| seconds > 0.0), || "resume_window_sec is no positive number".to_owned())?;
    let features = welcome["payload"]["capabilities"]["features"].as_array();
    expect(features.is_some_and(|names| names.iter().all(Value::is_string)), || {
        "capabilities.features is no list of names".to_owned()
    })
}

async fn heartbeat_interval(trial: &Trial<'_>) -> Judged {
    let session = trial.session_with(&["heartbeat"]).await?;
    session.needs("heartbeat")?;
    let interval = session.welcome["payload"]["heartbeat_interval_sec"].as_f64();
    expect(interval.is_some_and(|seconds| seconds > 0.0), || "heartbeat_interval_sec is no positive number".to_owned())
}

async fn agents(trial: &Trial<'_>) -> Judged {
    let session = trial.session().await?;
    let Some(agents) = session.welcome.pointer("/payload/capabilities/agents").and_then(Value::as_array) else {
        return broken("capabilities.agents is no list");
    };
    for agent in agents {
        let Some(fault) = agent_fault(agent, session.has("agent_versions")) else { continue };
        return broken(format!("agent {}: {fault}", agent["name"]));
    }
    Ok(())
}

fn agent_fault(agent: &Value, has_versions: bool) -> Option<&'static str> {
    if !has_versions {
        return (!agent.is_string() && text(agent, "/name").is_empty()).then_some("it has no name");
    }
    let Some(versions) = agent["versions"].as_array() else { return Some("it has no list of versions") };
    match &agent["default"] {
        _ if text(agent, "/name").is_empty() => Some("it has no name"),
        Value::Null => None,
        default if versions.contains(default) => None,
        _ => Some("its default is none of its versions"),
    }
}

async fn unknown_features(trial: &Trial<'_>) -> Judged {
    let unknown = "x-conformance-unknown";
    let session = trial.session_with(&["list_jobs", unknown]).await?;
    expect(!session.has(unknown), || "the welcome acknowledges a feature that was made up".to_owned())
}

/// The features with one left out.
fn without(feature: &str) -> Vec<&'static str> {
    FEATURES.into_iter().filter(|name| *name != feature && *name != "heartbeat").collect()
}

async fn no_progress_unnegotiated(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("progress")?;
    let mut session = trial.session_with(&without("progress")).await?;
    let (job, _) = session.run(&trial.agents().slow, &json!({"ticks": 2, "tick_ms": 5})).await?;
    expect(session.bodies(&job.id, "progress").is_empty(), || "a progress event is sent".to_owned())
}

async fn no_chunks_unnegotiated(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("result_chunk")?;
    let mut session = trial.session_with(&without("result_chunk")).await?;
    let (job, _) = session.run(&trial.agents().chunks, &json!({})).await?;
    expect(session.bodies(&job.id, "result_chunk").is_empty(), || "a result_chunk event is sent".to_owned())
}

async fn no_list_unnegotiated(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("list_jobs")?;
    let mut session = trial.session_with(&without("list_jobs")).await?;
    session.request("session.list_jobs", &json!({})).await;
    session.fence().await?;
    let answered = session.seen.iter().any(|frame| kind(frame) == "session.jobs");
    expect(!answered, || "session.jobs is sent".to_owned())
}

async fn no_subscription_unnegotiated(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("subscribe")?;
    let mut owner = trial.session().await?;
    let (job, _) = owner.run(&trial.agents().echo, &json!(1)).await?;
    let mut session = trial.session_with(&without("subscribe")).await?;
    session.request("job.subscribe", &json!({"job_id": job.id, "history": true, "from_event_seq": 0})).await;
    session.fence().await?;
    let answered = session.seen.iter().any(|frame| kind(frame) == "job.subscribed");
    expect(!answered, || "job.subscribed is sent".to_owned())
}

/// Submits a job that asks for what belongs to a feature, in a session without it. The submit is refused, or `job.accepted`
/// has nothing at this JSON pointer.
async fn is_left_out(trial: &Trial<'_>, feature: &str, more: &Value, pointer: &str) -> Judged {
    trial.session().await?.needs(feature)?;
    let mut session = trial.session_with(&without(feature)).await?;
    let payload = session.submission(&trial.agents().echo, more)?;
    match session.exchange("job.submit", &payload, "job.accepted").await? {
        Answer::Reply(accepted) => expect(accepted.pointer(pointer).is_none_or(Value::is_null), || {
            format!("job.accepted has {}: {}", dotted(pointer), accepted.pointer(pointer).unwrap_or(&Value::Null))
        }),
        Answer::Refused(_) => Ok(()),
    }
}

async fn no_expiry_unnegotiated(trial: &Trial<'_>) -> Judged {
    let more = json!({"lease_constraints": {"expires_at": "2099-01-01T00:00:00Z"}});
    is_left_out(trial, "lease_expires_at", &more, "/payload/lease_constraints/expires_at").await
}

async fn no_budget_unnegotiated(trial: &Trial<'_>) -> Judged {
    let more = json!({"lease_request": {"cost.budget": ["USD:1.00"]}});
    is_left_out(trial, "cost.budget", &more, "/payload/budget").await
}

async fn no_models_unnegotiated(trial: &Trial<'_>) -> Judged {
    let more = json!({"lease_request": {"model.use": ["tier-fast/*"]}});
    is_left_out(trial, "model.use", &more, "/payload/lease/model.use").await
}

async fn no_versions_unnegotiated(trial: &Trial<'_>) -> Judged {
    let session = trial.session().await?;
    session.needs("agent_versions")?;
    session.offers(&trial.agents().versioned)?;
    let mut session = trial.session_with(&without("agent_versions")).await?;
    let job = session.submit(&trial.agents().versioned, &json!({})).await?;
    let shown = text(&job.accepted, "/payload/agent");
    expect(!shown.contains('@'), || format!("it shows {shown:?}"))
}

async fn no_pings_unnegotiated(trial: &Trial<'_>) -> Judged {
    let Some(interval) = super::heartbeat::interval(trial).await? else {
        return not_offered("the interval of heartbeats is longer than half of --timeout");
    };
    let mut session = trial.session().await?;
    session.answers_pings = false;
    match session.arrival(interval * 2 + interval / 2).await {
        Arrival::Frame(frame) if kind(&frame) == "session.ping" => broken("session.ping is sent"),
        Arrival::Ended(_) => broken("the connection ends without heartbeats"),
        Arrival::Frame(_) | Arrival::Garbage | Arrival::Silence => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::agent_fault;

    #[test]
    fn agents_are_judged_by_the_features() {
        assert_eq!(agent_fault(&json!("echo"), false), None);
        assert!(agent_fault(&json!("echo"), true).is_some());
        let agent = |default| json!({"name": "a", "versions": ["1", "2"], "default": default});
        assert_eq!(agent_fault(&agent(json!("2")), true), None);
        assert_eq!(agent_fault(&agent(json!(null)), true), None);
        assert!(agent_fault(&agent(json!("3")), true).is_some());
    }
}
