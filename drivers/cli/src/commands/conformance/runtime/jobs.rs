//! §7.1 to §7.3 and §12: submits, idempotency, terminals and error codes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect};
use crate::commands::conformance::frame::{CODES, code, is_terminal, job_of, kind, named, seq, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::Answer;
use crate::commands::conformance::trial::Trial;

rules! {
    Described "§7.1" accepted: "job.accepted has the job's id, its effective lease and the time of acceptance.";
    Described "§7.1" accepted_first: "job.accepted comes before the first event of its job.";
    Described "§7.1" lease_is_echoed: "job.accepted repeats the lease and its constraints.";
    Described "§7.1" budget_is_echoed: "job.accepted shows the initial counters of a budget as numbers.";
    Described "§7.1" refusals_are_alone: "A submit that is refused disturbs no other job of the session.";
    Must "§7.2" same_key: "The same key with the same parameters gets the same job.accepted, also after the job has ended.";
    Must "§7.2" racing_keys: "Two submits with one key that arrive at the same time are one job.";
    Must "§7.2" same_key_elsewhere: "The key is known in another session of the principal, too.";
    Described "§7.2" conflicting_key: "The same key with other parameters is DUPLICATE_KEY.";
    Described "§7.2" keys_of_principals: "Two principals may use the same key for different jobs.";
    Described "§7.3" success: "A job that succeeds ends with job.result and final_status success.";
    Described "§7.3" one_terminal: "A job ends once, and nothing follows its end.";
    Described "§7.3" failure: "A job whose agent fails ends with job.error, final_status error and the agent's code.";
    Described "§7.3" crash: "A job whose agent fails unexpectedly ends with INTERNAL_ERROR.";
    Described "§7.3" timeout: "A job that exceeds max_runtime_sec ends with TIMEOUT and final_status timed_out.";
    Described "§12" unknown_agent: "A submit for an agent that does not exist is AGENT_NOT_AVAILABLE.";
    Described "§12" unknown_job: "A request for a job that does not exist is JOB_NOT_FOUND.";
    Described "§12" codes: "The code of an error is one of the fifteen of the specification, and retryable is a boolean.";
    Described "§12" internal_is_retryable: "INTERNAL_ERROR is always retryable.";
    Must "§12" not_retryable: "LEASE_EXPIRED and BUDGET_EXHAUSTED are not retryable.";
}

async fn accepted(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let job = session.submit(&trial.agents().echo, &json!(1)).await?;
    let payload = &job.accepted["payload"];
    expect(!text(payload, "/job_id").is_empty(), || "its payload has no job_id".to_owned())?;
    expect(payload["lease"].is_object(), || "its payload has no lease".to_owned())?;
    expect(!text(payload, "/accepted_at").is_empty(), || "its payload has no accepted_at".to_owned())?;
    expect(job.accepted["event_seq"].is_null(), || "it has an event_seq".to_owned())
}

async fn accepted_first(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    for number in 0..10 {
        session.run(&trial.agents().echo, &json!(number)).await?;
    }
    let place = |wanted: &dyn Fn(&Value) -> bool| session.seen.iter().position(wanted);
    for frame in session.seen.iter().filter(|frame| kind(frame) == "job.accepted") {
        let accepted = place(&|other| kind(other) == "job.accepted" && job_of(other) == job_of(frame));
        let event = place(&|other| seq(other).is_some() && job_of(other) == job_of(frame));
        expect(accepted < event, || "an event of the job comes before".to_owned())?;
    }
    Ok(())
}

async fn lease_is_echoed(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("lease_expires_at")?;
    let lease = json!({"fs.read": ["/workspace/**"], "tool.call": ["search.*"]});
    let more = json!({"lease_request": lease, "lease_constraints": {"expires_at": "2099-01-01T00:00:00Z"}});
    let job = session.submit_with(&trial.agents().echo, &more).await?;
    let payload = &job.accepted["payload"];
    expect(payload["lease"] == lease, || format!("the lease is {}", payload["lease"]))?;
    let expiry = text(payload, "/lease_constraints/expires_at");
    expect(expiry.starts_with("2099-01-01T00:00:00") && expiry.ends_with('Z'), || {
        format!("expires_at is {}", payload["lease_constraints"]["expires_at"])
    })
}

async fn budget_is_echoed(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("cost.budget")?;
    let more = json!({"lease_request": {"cost.budget": ["USD:5.00", "credits:1000"]}});
    let job = session.submit_with(&trial.agents().echo, &more).await?;
    let budget = &job.accepted["payload"]["budget"];
    expect(budget["USD"].as_f64() == Some(5.0) && budget["credits"].as_f64() == Some(1000.0), || {
        format!("the budget is {budget}")
    })
}

async fn refusals_are_alone(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let job = session.submit(&trial.agents().slow, &json!({"ticks": 10, "tick_ms": 20})).await?;
    let refused =
        session.exchange("job.submit", &json!({"agent": "no-such-agent", "input": {}}), "job.accepted").await?;
    expect(matches!(refused, Answer::Refused(_)), || "a submit for an unknown agent is accepted".to_owned())?;
    let end = session.terminal(&job.id).await?;
    expect(kind(&end) == "job.result", || format!("the other job ends with {}", code(&end)))
}

/// What must be equal in two answers to submits with one key.
fn essence(accepted: &Value) -> Value {
    let mut payload = accepted["payload"].clone();
    if let Some(members) = payload.as_object_mut() {
        // The credentials that are valid now, and what names the request.
        for member in ["request_id", "reply_to", "credentials"] {
            members.remove(member);
        }
    }
    payload
}

async fn same_key(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let more = json!({"input": {"n": 1}, "idempotency_key": trial.key("same")});
    let first = session.submit_with(&trial.agents().echo, &more).await?;
    let again = session.submit_with(&trial.agents().echo, &more).await?;
    expect(first.id == again.id, || "the second submit is another job".to_owned())?;
    session.terminal(&first.id).await?;
    let late = session.submit_with(&trial.agents().echo, &more).await?;
    for other in [&again, &late] {
        expect(essence(&first.accepted) == essence(&other.accepted), || "the payloads differ".to_owned())?;
    }
    Ok(())
}

async fn racing_keys(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let more = json!({"input": {"n": 1}, "idempotency_key": trial.key("racing")});
    let payload = session.submission(&trial.agents().echo, &more)?;
    for _ in 0..5 {
        session.request("job.submit", &payload).await;
    }
    session.fence().await?;
    let accepted = session.seen.iter().filter(|frame| kind(frame) == "job.accepted").map(job_of).map(str::to_owned);
    let jobs: BTreeSet<String> = accepted.collect();
    for job in &jobs {
        session.terminal(job).await?;
    }
    // One of the submits, and the fence.
    expect(jobs.len() == 2, || format!("{} jobs are accepted instead of one", jobs.len().saturating_sub(1)))
}

async fn same_key_elsewhere(trial: &Trial<'_>) -> Judged {
    let (mut first, mut second) = (trial.session().await?, trial.session().await?);
    let more = json!({"input": 1, "idempotency_key": trial.key("elsewhere")});
    let one = first.submit_with(&trial.agents().echo, &more).await?;
    let two = second.submit_with(&trial.agents().echo, &more).await?;
    expect(one.id == two.id, || "the second submit is another job".to_owned())
}

async fn conflicting_key(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let key = trial.key("conflict");
    session.run_with(&trial.agents().echo, &json!({"input": 1, "idempotency_key": key})).await?;
    let more = json!({"input": 2, "idempotency_key": key});
    session.refused_submit(&trial.agents().echo, &more, &["DUPLICATE_KEY"]).await
}

async fn keys_of_principals(trial: &Trial<'_>) -> Judged {
    let mut other = trial.other().await?;
    let mut session = trial.session().await?;
    let more = json!({"input": 1, "idempotency_key": trial.key("principals")});
    let mine = session.submit_with(&trial.agents().echo, &more).await?;
    let theirs = other.submit_with(&trial.agents().echo, &more).await?;
    expect(mine.id != theirs.id, || "another principal is answered with the job".to_owned())
}

async fn success(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let (_, end) = session.run(&trial.agents().echo, &json!({"a": [1, null, "ü"]})).await?;
    expect(kind(&end) == "job.result", || format!("it ends with {}", named(&end)))?;
    expect(text(&end, "/payload/final_status") == "success", || "final_status is not success".to_owned())?;
    expect(end["payload"]["result"] == json!({"echoed": {"a": [1, null, "ü"]}}), || {
        format!("the result is {}", end["payload"]["result"])
    })?;
    expect(seq(&end).is_some(), || "it has no event_seq".to_owned())
}

async fn one_terminal(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.run(&trial.agents().echo, &json!(1)).await?;
    let (_, end) = session.run(&trial.agents().fail, &json!({"code": "PERMISSION_DENIED", "message": "no"})).await?;
    expect(kind(&end) == "job.error", || "a failing agent succeeds".to_owned())?;
    session.fence().await?;
    after_the_end(&session.seen).map_or(Ok(()), broken)
}

/// Returns what follows the terminal of a job, if anything does.
pub(super) fn after_the_end(frames: &[Value]) -> Option<String> {
    let mut ended = Vec::new();
    for frame in frames.iter().filter(|frame| seq(frame).is_some()) {
        if ended.contains(&job_of(frame)) {
            return Some(format!("{} follows the end of its job", kind(frame)));
        }
        if is_terminal(frame) {
            ended.push(job_of(frame));
        }
    }
    None
}

async fn failure(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let (_, end) =
        session.run(&trial.agents().fail, &json!({"code": "PERMISSION_DENIED", "message": "not today"})).await?;
    expect(kind(&end) == "job.error", || format!("it ends with {}", kind(&end)))?;
    expect(text(&end, "/payload/final_status") == "error", || "final_status is not error".to_owned())?;
    expect(code(&end) == "PERMISSION_DENIED", || format!("the code is {}", code(&end)))?;
    expect(text(&end, "/payload/message").contains("not today"), || "the agent's message is lost".to_owned())
}

async fn crash(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let (_, end) = session.run(&trial.agents().fail, &json!({"throw": "raw"})).await?;
    expect(kind(&end) == "job.error" && code(&end) == "INTERNAL_ERROR", || format!("it ends with {}", named(&end)))?;
    session.fence().await
}

async fn timeout(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let more = json!({"input": {"ticks": 1000, "tick_ms": 50}, "max_runtime_sec": 1});
    let (_, end) = session.run_with(&trial.agents().slow, &more).await?;
    expect(kind(&end) == "job.error" && code(&end) == "TIMEOUT", || format!("it ends with {}", named(&end)))?;
    expect(text(&end, "/payload/final_status") == "timed_out", || "final_status is not timed_out".to_owned())
}

async fn unknown_agent(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let payload = json!({"agent": "no-such-agent", "input": {}});
    session.refused("job.submit", &payload, "job.accepted", &["AGENT_NOT_AVAILABLE"]).await
}

async fn unknown_job(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    match session.cancelled(&format!("job_{}", "0".repeat(26))).await? {
        Answer::Reply(_) => broken("job.cancelled is sent for a job that does not exist"),
        Answer::Refused(code) => expect(code == "JOB_NOT_FOUND", || format!("it is refused with {code:?}")),
    }
}

async fn codes(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.exchange("job.submit", &json!({"agent": "no-such-agent", "input": {}}), "job.accepted").await?;
    session.run(&trial.agents().fail, &json!({"code": "X_OF_ITS_OWN", "message": "no"})).await?;
    session.run(&trial.agents().fail, &json!({"code": "PERMISSION_DENIED", "message": "no"})).await?;
    for error in session.seen.iter().filter(|frame| matches!(kind(frame), "session.error" | "job.error")) {
        expect(CODES.contains(&code(error)), || format!("{:?} is none of the codes", code(error)))?;
        expect(error["payload"]["retryable"].is_boolean(), || "an error has no boolean retryable".to_owned())?;
    }
    Ok(())
}

async fn internal_is_retryable(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let (_, end) = session.run(&trial.agents().fail, &json!({"throw": "raw"})).await?;
    expect(end["payload"]["retryable"] == true, || format!("retryable is {}", end["payload"]["retryable"]))
}

async fn not_retryable(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    for code in ["LEASE_EXPIRED", "BUDGET_EXHAUSTED"] {
        let input = json!({"code": code, "message": "no", "retryable": true});
        let (_, end) = session.run(&trial.agents().fail, &input).await?;
        expect(end["payload"]["retryable"] == false, || format!("{code} is retryable"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{after_the_end, essence};

    #[test]
    fn a_frame_behind_the_end_is_found() {
        let event = json!({"type": "job.event", "job_id": "j", "event_seq": 1});
        let end = json!({"type": "job.result", "job_id": "j", "event_seq": 2});
        let other = json!({"type": "job.event", "job_id": "k", "event_seq": 3});
        assert_eq!(after_the_end(&[event.clone(), end.clone(), other]), None);
        assert!(after_the_end(&[event.clone(), end.clone(), end.clone()]).is_some());
        assert!(after_the_end(&[end, event]).is_some());
    }

    #[test]
    fn answers_to_one_key_are_compared_without_the_request() {
        let answer = |request: &str, lease: &str| json!({"payload": {"request_id": request, "lease": {lease: []}}});
        assert_eq!(essence(&answer("a", "x")), essence(&answer("b", "x")));
        assert_ne!(essence(&answer("a", "x")), essence(&answer("a", "y")));
    }
}
