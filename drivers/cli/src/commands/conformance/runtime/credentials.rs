//! §6.2, §7.6, §9.8 and §14: credentials.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::text;
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::{Answer, Job, Session};
use crate::commands::conformance::trial::{FEATURES, Trial};

rules! {
    Must "§6.2" no_credentials_unnegotiated: "Without the feature provisioned_credentials no credentials are sent.";
    Must "§7.6" credentials_of_the_submitter: "A subscription of the submitter shows the credentials of the job.";
    Must "§7.6" no_credentials_for_others: "A subscription of another principal shows no value of a credential.";
    Must "§9.8.1" credential: "A credential has id, scheme, value and endpoint.";
    Must "§9.8.2" with_accepted: "The credentials of a job are issued by the time of its job.accepted, which has them.";
    Must "§9.8.2" one_job: "No two jobs get the same value.";
    Must "§9.8.2" rotation: "A rotation is a status event with the phase credential_rotated, the id and the new value.";
    Must "§14" encrypted: "Credentials are offered only on a connection with TLS, or to a client on the same machine.";
    Must "§14" not_listed: "A list for another principal shows no value of a credential.";
}

/// A submit whose lease names models, which makes runtimes issue a credential.
fn with_models(input: &Value) -> Value {
    json!({"input": input, "lease_request": {"model.use": ["tier-fast/*"], "cost.budget": ["USD:1.00"]}})
}

/// Opens a session with credentials, and a job that has some.
async fn issued<'a>(trial: &Trial<'a>, agent: &str, input: &Value) -> Judged<(Session<'a>, Job, Vec<Value>)> {
    let mut session = trial.session().await?;
    session.needs("provisioned_credentials")?;
    let job = session.submit_with(agent, &with_models(input)).await?;
    let credentials = credentials(&job.accepted);
    if credentials.is_empty() {
        return not_offered("the runtime issues no credential for a lease with model.use");
    }
    Ok((session, job, credentials))
}

async fn credential(trial: &Trial<'_>) -> Judged {
    let (_, _, credentials) = issued(trial, &trial.agents().echo, &json!(1)).await?;
    for credential in &credentials {
        for member in ["/id", "/scheme", "/value", "/endpoint"] {
            expect(!text(credential, member).is_empty(), || format!("a credential has no {}", &member[1..]))?;
        }
    }
    Ok(())
}

/// Returns the credentials of an answer.
fn credentials(answer: &Value) -> Vec<Value> {
    answer["payload"]["credentials"].as_array().cloned().unwrap_or_default()
}

async fn no_credentials_unnegotiated(trial: &Trial<'_>) -> Judged {
    issued(trial, &trial.agents().echo, &json!(1)).await?;
    let features: Vec<&str> = FEATURES[1..].iter().copied().filter(|name| *name != "provisioned_credentials").collect();
    let mut session = trial.session_with(&features).await?;
    let job = session.submit_with(&trial.agents().echo, &with_models(&json!(1))).await?;
    expect(credentials(&job.accepted).is_empty(), || "job.accepted has credentials".to_owned())
}

async fn credentials_of_the_submitter(trial: &Trial<'_>) -> Judged {
    let mut watcher = trial.session().await?;
    watcher.needs("subscribe")?;
    let (mut owner, job, issued) = issued(trial, &trial.agents().slow, &json!({"ticks": 1000, "tick_ms": 20})).await?;
    let subscribed = watcher.subscribe(&json!({"job_id": job.id})).await?;
    owner.cancel(&job.id).await;
    let shown = credentials(&subscribed);
    let is_shown = |one: &Value| shown.iter().any(|other| other["id"] == one["id"] && other["value"] == one["value"]);
    expect(issued.iter().all(is_shown), || "job.subscribed lacks credentials that job.accepted has".to_owned())
}

async fn no_credentials_for_others(trial: &Trial<'_>) -> Judged {
    let mut other = trial.other().await?;
    other.needs("subscribe")?;
    let (mut owner, job, issued) = issued(trial, &trial.agents().slow, &json!({"ticks": 1000, "tick_ms": 20})).await?;
    let mut values: Vec<String> = issued.iter().map(|one| text(one, "/value").to_owned()).collect();
    observe(&mut other, &job).await?;
    owner.cancel(&job.id).await;
    if owner.offers(&trial.agents().rotate).is_ok() {
        let value = format!("rotated-{}", trial.key("observed"));
        let more = with_models(&json!({"value": value, "wait_ms": 300}));
        values.push(value);
        let job = owner.submit_with(&trial.agents().rotate, &more).await?;
        values.extend(credentials(&job.accepted).iter().map(|one| text(one, "/value").to_owned()));
        if observe(&mut other, &job).await? {
            other.terminal(&job.id).await?;
        }
    }
    let has_value = |frame: &Value| values.iter().any(|value| frame.to_string().contains(value.as_str()));
    let shown = other.seen.iter().find(|frame| has_value(frame));
    shown.map_or(Ok(()), |frame| broken(format!("a {} shows the value", text(frame, "/type"))))
}

/// Subscribes to a job of another principal, which a runtime may allow; returns whether it does.
async fn observe(other: &mut Session<'_>, job: &Job) -> Judged<bool> {
    let payload = json!({"job_id": job.id, "from_event_seq": 0, "history": true});
    let answer = other.exchange("job.subscribe", &payload, "job.subscribed").await?;
    Ok(matches!(answer, Answer::Reply(_)))
}

async fn with_accepted(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("provisioned_credentials")?;
    let more = with_models(&json!({"ticks": 1000, "tick_ms": 20}));
    let job = session.submit_with(&trial.agents().slow, &more).await?;
    if !credentials(&job.accepted).is_empty() {
        session.cancel(&job.id).await;
        return Ok(());
    }
    let mut watcher = trial.session().await?;
    let late = watcher.subscribe(&json!({"job_id": job.id})).await;
    session.cancel(&job.id).await;
    if late.is_ok_and(|subscribed| !credentials(&subscribed).is_empty()) {
        return broken("job.accepted has no credentials, but job.subscribed has some");
    }
    not_offered("the runtime issues no credential for a lease with model.use")
}

async fn encrypted(trial: &Trial<'_>) -> Judged {
    trial.session().await?.needs("provisioned_credentials")?;
    let url = &trial.target.url;
    expect(url.tls() || is_this_machine(url.host()), || {
        "provisioned_credentials is offered without TLS to another machine".to_owned()
    })
}

/// Returns whether a host is this machine itself.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

async fn one_job(trial: &Trial<'_>) -> Judged {
    let (_, _, first) = issued(trial, &trial.agents().echo, &json!(1)).await?;
    let (_, _, second) = issued(trial, &trial.agents().echo, &json!(1)).await?;
    let repeated = first.iter().any(|one| second.iter().any(|two| one["value"] == two["value"]));
    expect(!repeated, || "two jobs have the same value".to_owned())
}

async fn rotation(trial: &Trial<'_>) -> Judged {
    let value = format!("rotated-{}", trial.key("value"));
    let (mut session, job, credentials) =
        issued(trial, &trial.agents().rotate, &json!({"value": value, "wait_ms": 50})).await?;
    session.terminal(&job.id).await?;
    let statuses = session.bodies(&job.id, "status");
    let Some(rotated) = statuses.iter().find(|body| body["phase"] == "credential_rotated") else {
        return broken("no status credential_rotated comes");
    };
    let id = credentials.first().map(|credential| credential["id"].clone()).unwrap_or_default();
    let names = [&rotated["id"], &rotated["credential_id"]];
    expect(names.contains(&&id), || "it does not name the credential".to_owned())?;
    expect(text(rotated, "/value") == value, || "it has not the new value".to_owned())
}

async fn not_listed(trial: &Trial<'_>) -> Judged {
    let mut other = trial.other().await?;
    let (mut owner, job, issued) = issued(trial, &trial.agents().slow, &json!({"ticks": 1000, "tick_ms": 20})).await?;
    let row = other.row(&job.id).await?.unwrap_or_default().to_string();
    owner.cancel(&job.id).await;
    let shown = issued.iter().any(|credential| row.contains(text(credential, "/value")));
    expect(!shown, || "the value is in the list".to_owned())
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_a_loopback_address_is_this_machine() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.3.2.1", "::1", "[::1]"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "[2001:db8::1]", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
