//! §5: the envelope, and frames that are malformed.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect};
use crate::commands::conformance::frame::{code, kind, named, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::Session;
use crate::commands::conformance::trial::Trial;
use crate::commands::conformance::wire::Arrival;

rules! {
    Must "§5" unknown_members: "Members of the envelope that the receiver does not know are ignored.";
    Described "§5" unknown_payload_members: "Members of a payload that the receiver does not know do no harm.";
    Described "§5" envelopes: "Every message is a JSON object with arcp, id, type and payload.";
    Described "§5" unknown_type: "A message of an unknown type ends neither the session nor its jobs.";
    Described "§5" wrong_version: "A hello of a protocol version that does not exist is not welcomed.";
    Described "§5" not_json: "A message that is not JSON is INVALID_REQUEST, or ends the connection; other sessions go on.";
    Described "§5" not_an_object: "A message that is JSON but no object is INVALID_REQUEST, or ends the connection.";
    Described "§5" wrong_types: "A payload whose members have wrong types is INVALID_REQUEST, and the session goes on.";
    Described "§5" too_large: "A very large message harms no other session.";
    Described "§5" deep_nesting: "A deeply nested message harms no other session.";
}

async fn unknown_members(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let payload = session.submission(&trial.agents().echo, &json!({"input": 1}))?;
    let mut frame = session.envelope("job.submit", &payload);
    frame["x_unknown"] = json!({"nested": [1, {"deeper": null}]});
    frame["zz"] = "text".into();
    let from = session.seen.len();
    session.send(&frame).await;
    let answer = session.until(from, "the answer to job.submit", is_answer).await?;
    expect(kind(&answer) == "job.accepted", || format!("the submit is refused with {}", code(&answer)))
}

async fn unknown_payload_members(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.run_with(&trial.agents().echo, &json!({"input": 1, "x_unknown": {"nested": true}})).await?;
    Ok(())
}

async fn envelopes(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.run(&trial.agents().echo, &json!(1)).await?;
    if session.has("list_jobs") {
        session.list(&json!({})).await?;
    }
    for frame in &session.seen {
        if let Some(fault) = fault(frame) {
            return broken(format!("a {} {fault}", kind(frame)));
        }
    }
    Ok(())
}

/// Returns what is wrong with an envelope.
fn fault(frame: &Value) -> Option<&'static str> {
    match () {
        () if !text(frame, "/arcp").starts_with('1') => Some("has no version 1 in arcp"),
        () if text(frame, "/id").is_empty() => Some("has no id"),
        () if kind(frame).is_empty() => Some("has no type"),
        () if !frame["payload"].is_object() => Some("has no object as payload"),
        () => None,
    }
}

async fn unknown_type(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let job = session.submit(&trial.agents().slow, &json!({"ticks": 5, "tick_ms": 20})).await?;
    session.request("no.such.type", &json!({"any": 1})).await;
    session.fence().await?;
    let end = session.terminal(&job.id).await?;
    expect(kind(&end) == "job.result", || format!("the running job fails: {}", code(&end)))
}

async fn wrong_version(trial: &Trial<'_>) -> Judged {
    let mut wire = trial.open().await?;
    let mut hello = wire.envelope("session.hello", &trial.hello(&["list_jobs"]));
    hello["arcp"] = "99".into();
    wire.send(&hello).await;
    trial.unwelcome(wire, "to version 99").await.map(drop)
}

async fn not_json(trial: &Trial<'_>) -> Judged {
    is_malformed(trial, "{\"arcp\":\"1.1\",\"id\":").await
}

async fn not_an_object(trial: &Trial<'_>) -> Judged {
    is_malformed(trial, "[\"job.submit\"]").await
}

/// Sends a malformed message. It is answered with an error or a close, and another session goes on.
async fn is_malformed(trial: &Trial<'_>, message: &str) -> Judged {
    let mut bystander = trial.session().await?;
    let mut session = trial.session().await?;
    session.send_text(message).await;
    match session.arrival(trial.patience()).await {
        Arrival::Ended(_) => {}
        Arrival::Frame(frame) => {
            expect(code(&frame) == "INVALID_REQUEST", || format!("it is answered with {}", named(&frame)))?;
        }
        Arrival::Garbage => return broken("it is answered with what is no JSON object"),
        Arrival::Silence => return broken("it is not answered, and the connection stays open"),
    }
    bystander.fence().await
}

async fn wrong_types(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    for payload in [json!({"agent": 7}), json!({}), json!({"agent": trial.agents().echo, "lease_request": []})] {
        session.refused("job.submit", &payload, "job.accepted", &["INVALID_REQUEST"]).await?;
    }
    session.fence().await
}

async fn too_large(trial: &Trial<'_>) -> Judged {
    let filler = "x".repeat(2 << 20);
    disturbs_nobody(trial, |session, agent| {
        session.envelope("job.submit", &json!({"agent": agent, "input": filler})).to_string()
    })
    .await
}

async fn deep_nesting(trial: &Trial<'_>) -> Judged {
    disturbs_nobody(trial, |session, agent| {
        let frame = session.envelope("job.submit", &json!({"agent": agent, "input": "DEEP"}));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        frame.to_string().replace("\"DEEP\"", &deep)
    })
    .await
}

/// Sends a message that the runtime may refuse or not. Another session goes on, and a new one can be opened.
async fn disturbs_nobody(trial: &Trial<'_>, message: impl FnOnce(&mut Session<'_>, &str) -> String) -> Judged {
    let mut bystander = trial.session().await?;
    let mut session = trial.session().await?;
    let message = message(&mut session, &trial.agents().echo);
    session.send_text(&message).await;
    let _any = session.arrival(trial.patience()).await;
    bystander.fence().await?;
    trial.session().await?.fence().await
}

fn is_answer(frame: &Value) -> bool {
    matches!(kind(frame), "job.accepted" | "job.error" | "session.error")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fault;

    #[test]
    fn a_fault_of_an_envelope_is_found() {
        let good = json!({"arcp": "1.1", "id": "a", "type": "session.pong", "payload": {}});
        assert_eq!(fault(&good), None);
        for (member, value) in [("arcp", json!(null)), ("id", json!("")), ("type", json!(1)), ("payload", json!([]))] {
            let mut bad = good.clone();
            bad[member] = value;
            assert!(fault(&bad).is_some(), "{bad}");
        }
    }
}
