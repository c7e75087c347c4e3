//! §7.4 to §7.6: cancelling, versions of agents, subscriptions.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::{code, is_event, is_terminal, job_of, kind, named, seq, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::{Answer, Session};
use crate::commands::conformance::trial::Trial;

rules! {
    Described "§7.4" cancel: "A cancel is answered with job.cancelled, and the job ends with CANCELLED and final_status cancelled.";
    Described "§7.4" cancel_order: "job.cancelled comes before the end of the job.";
    Described "§7.4" cancelled_stays_cancelled: "A job whose agent finishes after a cancel is cancelled all the same.";
    Must "§7.4" only_the_submitter: "Another session may not cancel the job, also if it has subscribed.";
    Described "§7.5" default_version: "A bare name is resolved to the agent's default version.";
    Described "§7.5" exact_version: "name@version runs this version.";
    Described "§7.5" unknown_version: "A version that does not exist is AGENT_VERSION_NOT_AVAILABLE.";
    Described "§7.5" resolved_version: "job.accepted and lists show name@version.";
    Must "§7.6" job_id_is_required: "A subscribe without job_id is refused.";
    Described "§7.6" subscribed: "job.subscribed describes the job: status, agent, lease, trace and subscribed_from.";
    Described "§7.6" history: "With history and from_event_seq 0 a subscriber gets every event of the job, once and in order.";
    Described "§7.6" live_only: "Without history a subscriber gets no event from before.";
    Described "§7.6" current_budget: "job.subscribed shows the counters of the budget as they are now.";
    Described "§7.6" own_numbers: "The events of a subscription are numbered with those of the session's own jobs, without a gap.";
    Must "§7.6" same_principal: "A job of another principal cannot be subscribed to.";
    Described "§7.6" unknown_job: "A subscribe to a job that does not exist is JOB_NOT_FOUND.";
    Described "§7.6" unsubscribe: "After job.unsubscribe no events of the job are sent.";
}

async fn cancel(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let job = session.submit(&trial.agents().slow, &json!({"ticks": 1000, "tick_ms": 20})).await?;
    match session.cancelled(&job.id).await? {
        Answer::Reply(_) => is_cancelled(&session.terminal(&job.id).await?),
        Answer::Refused(code) => broken(format!("it is refused with {code:?}")),
    }
}

fn is_cancelled(end: &Value) -> Judged {
    expect(kind(end) == "job.error" && code(end) == "CANCELLED", || format!("the job ends with {}", named(end)))?;
    expect(text(end, "/payload/final_status") == "cancelled", || "final_status is not cancelled".to_owned())
}

async fn cancel_order(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let job = session.submit(&trial.agents().slow, &json!({"ticks": 1000, "tick_ms": 20})).await?;
    session.cancel(&job.id).await;
    session.terminal(&job.id).await?;
    let cancelled = session.seen.iter().any(|frame| kind(frame) == "job.cancelled" && job_of(frame) == job.id);
    expect(cancelled, || "the job ends without it".to_owned())
}

async fn cancelled_stays_cancelled(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let job = session.submit(&trial.agents().stubborn, &json!({"ms": 1500})).await?;
    session.cancel(&job.id).await;
    is_cancelled(&session.terminal(&job.id).await?)
}

async fn only_the_submitter(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    let job = owner.submit(&trial.agents().slow, &json!({"ticks": 40, "tick_ms": 20})).await?;
    watcher.subscribe(&json!({"job_id": job.id})).await?;
    watcher.vain_cancel(&job.id).await?;
    let end = owner.terminal(&job.id).await?;
    expect(kind(&end) == "job.result", || format!("the job ends with {}", code(&end)))
}

/// Opens a session, and returns the versions and the default of the agent with versions.
async fn versions<'a>(trial: &Trial<'a>) -> Judged<(Session<'a>, Vec<String>, String)> {
    let session = trial.session().await?;
    session.needs("agent_versions")?;
    let name = &trial.agents().versioned;
    session.offers(name)?;
    let Some(agent) = session.listed(name) else { return not_offered("the runtime lists no agents") };
    let versions = agent["versions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let versions: Vec<String> = versions.map(str::to_owned).collect();
    let default = text(agent, "/default").to_owned();
    if versions.len() < 2 {
        return not_offered(format!("agent {name} has fewer than two versions"));
    }
    Ok((session, versions, default))
}

async fn default_version(trial: &Trial<'_>) -> Judged {
    let (mut session, _, default) = versions(trial).await?;
    let name = &trial.agents().versioned;
    let (_, end) = session.run(name, &json!({})).await?;
    if default.is_empty() {
        return not_offered(format!("agent {name} has no default version"));
    }
    let ran = text(&end, "/payload/result/ran");
    expect(ran == format!("{name}@{default}"), || format!("{ran:?} has run"))
}

async fn exact_version(trial: &Trial<'_>) -> Judged {
    let (mut session, versions, _) = versions(trial).await?;
    for version in versions {
        let name = format!("{}@{version}", trial.agents().versioned);
        let (_, end) = session.run(&name, &json!({})).await?;
        let ran = text(&end, "/payload/result/ran");
        expect(ran == name, || format!("{ran:?} has run for {name}"))?;
    }
    Ok(())
}

async fn unknown_version(trial: &Trial<'_>) -> Judged {
    let (mut session, ..) = versions(trial).await?;
    let name = format!("{}@0.0.0-none", trial.agents().versioned);
    session.refused_submit(&name, &json!({}), &["AGENT_VERSION_NOT_AVAILABLE"]).await
}

async fn resolved_version(trial: &Trial<'_>) -> Judged {
    let (mut session, versions, default) = versions(trial).await?;
    let name = &trial.agents().versioned;
    let (job, _) = session.run(name, &json!({})).await?;
    let resolves = |agent: &str| {
        let version = agent.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('@'));
        version.is_some_and(
            |version| if default.is_empty() { versions.iter().any(|v| v == version) } else { version == default },
        )
    };
    let accepted = text(&job.accepted, "/payload/agent").to_owned();
    expect(resolves(&accepted), || format!("job.accepted shows {accepted:?}"))?;
    if session.has("list_jobs") {
        // A runtime need not list a job that has ended.
        if let Some(row) = session.row(&job.id).await? {
            expect(resolves(text(&row, "/agent")), || format!("the list shows {}", row["agent"]))?;
        }
    }
    Ok(())
}

async fn job_id_is_required(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("subscribe")?;
    session
        .refused("job.subscribe", &json!({"history": true}), "job.subscribed", &["INVALID_REQUEST", "JOB_NOT_FOUND"])
        .await
}

async fn subscribed(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    let more = json!({"input": {"ticks": 20, "tick_ms": 20}, "lease_request": {"fs.read": ["/workspace/**"]}});
    let job = owner.submit_with(&trial.agents().slow, &more).await?;
    let subscribed = watcher.subscribe(&json!({"job_id": job.id})).await?;
    let payload = &subscribed["payload"];
    for member in ["/job_id", "/current_status", "/agent", "/trace_id"] {
        expect(!text(payload, member).is_empty(), || format!("its payload has no {}", &member[1..]))?;
    }
    expect(payload["lease"] == json!({"fs.read": ["/workspace/**"]}), || format!("the lease is {}", payload["lease"]))?;
    expect(payload["subscribed_from"].as_u64().is_some(), || "subscribed_from is no number".to_owned())?;
    expect(payload["replayed"] == false, || "replayed is not false".to_owned())
}

/// The bodies and kinds of the events of a job, in the order of arrival.
fn stream(session: &Session<'_>, job: &str) -> Vec<(String, Value)> {
    let events = session.seen.iter().filter(|frame| kind(frame) == "job.event" && job_of(frame) == job);
    events.map(|frame| (text(frame, "/payload/kind").to_owned(), frame["payload"]["body"].clone())).collect()
}

async fn history(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    owner.needs("progress")?;
    let job = owner.submit(&trial.agents().slow, &json!({"ticks": 20, "tick_ms": 20})).await?;
    owner.event(&job.id, "progress", |body| body["current"].as_u64() >= Some(5)).await?;
    watcher.subscribe(&json!({"job_id": job.id, "from_event_seq": 0, "history": true})).await?;
    owner.terminal(&job.id).await?;
    watcher.terminal(&job.id).await?;
    let (all, some) = (stream(&owner, &job.id), stream(&watcher, &job.id));
    expect(all == some, || format!("{} of {} events come, or in another order", some.len(), all.len()))
}

async fn live_only(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    owner.needs("progress")?;
    let job = owner.submit(&trial.agents().slow, &json!({"ticks": 100, "tick_ms": 20})).await?;
    owner.event(&job.id, "progress", |body| body["current"].as_u64() >= Some(5)).await?;
    watcher.subscribe(&json!({"job_id": job.id})).await?;
    watcher.terminal(&job.id).await?;
    let early = watcher.bodies(&job.id, "progress").iter().any(|body| body["current"].as_u64() < Some(5));
    expect(!early, || "an event from before is sent".to_owned())?;
    expect(!watcher.bodies(&job.id, "progress").is_empty(), || "no live event is sent".to_owned())
}

async fn current_budget(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    owner.needs("cost.budget")?;
    let input = json!({"ops": [{"metric": {"name": "cost.x", "value": 1.5, "unit": "USD"}}, {"sleep_ms": 30_000}]});
    let more = json!({"input": input, "lease_request": {"cost.budget": ["USD:5.00"]}});
    let job = owner.submit_with(&trial.agents().ops, &more).await?;
    owner.event(&job.id, "metric", |body| body["name"] == "cost.x").await?;
    let subscribed = watcher.subscribe(&json!({"job_id": job.id})).await?;
    owner.cancel(&job.id).await;
    let budget = &subscribed["payload"]["budget"];
    expect(budget["USD"].as_f64() == Some(3.5), || format!("after 1.50 of 5.00 were spent the budget is {budget}"))
}

async fn own_numbers(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    let job = owner.submit(&trial.agents().slow, &json!({"ticks": 15, "tick_ms": 20})).await?;
    watcher.fence().await?;
    watcher.subscribe(&json!({"job_id": job.id, "from_event_seq": 0, "history": true})).await?;
    watcher.fence().await?;
    watcher.terminal(&job.id).await?;
    watcher.is_gapless_from(1)
}

async fn same_principal(trial: &Trial<'_>) -> Judged {
    let mut other = trial.other().await?;
    other.needs("subscribe")?;
    let mut owner = trial.session().await?;
    let job = owner.submit(&trial.agents().slow, &json!({"ticks": 15, "tick_ms": 20})).await?;
    let payload = json!({"job_id": job.id, "history": true, "from_event_seq": 0});
    other.refused("job.subscribe", &payload, "job.subscribed", &["PERMISSION_DENIED", "JOB_NOT_FOUND"]).await?;
    other.fence().await?;
    let seen = other.seen.iter().any(|frame| seq(frame).is_some() && job_of(frame) == job.id);
    expect(!seen, || "events of the job are sent".to_owned())
}

async fn unknown_job(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("subscribe")?;
    let payload = json!({"job_id": format!("job_{}", "0".repeat(26)), "history": true});
    session.refused("job.subscribe", &payload, "job.subscribed", &["JOB_NOT_FOUND"]).await
}

async fn unsubscribe(trial: &Trial<'_>) -> Judged {
    let (mut owner, mut watcher) = (trial.session().await?, trial.session().await?);
    owner.needs("progress")?;
    let job = owner.submit(&trial.agents().slow, &json!({"ticks": 100, "tick_ms": 20})).await?;
    watcher.subscribe(&json!({"job_id": job.id})).await?;
    watcher.event(&job.id, "progress", |_| true).await?;
    watcher.request("job.unsubscribe", &json!({"job_id": job.id})).await;
    // What was on its way may still come, but nothing behind the answer to a later request.
    watcher.fence().await?;
    let before = watcher.seen.len();
    owner.terminal(&job.id).await?;
    watcher.fence().await?;
    let after = watcher.seen.get(before..).unwrap_or_default();
    let late = after
        .iter()
        .any(|frame| is_event(frame, &job.id, "progress") || (is_terminal(frame) && job_of(frame) == job.id));
    expect(!late, || "events of the job still come".to_owned())
}
