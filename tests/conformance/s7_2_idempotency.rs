//! §7.2: idempotency keys.

use nuncio_core::arcp::{ErrorCode, Event};
use nuncio_tests::world::{OnSubmit, SECOND, World};
use serde_json::{Value, json};
use std::time::Duration;

fn keyed(input: Value) -> Value {
    json!({"agent": "echo", "input": input, "idempotency_key": "k"})
}

#[test]
fn s7_2_the_same_submit_gets_the_same_accepted() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, keyed(json!(1)));
    w.advance(SECOND);
    let id = w.send_submit(a, keyed(json!(1)));
    let again = w.expect(a, "job.accepted");
    let mut expected = job.accepted.payload().clone();
    expected["request_id"] = json!(id);
    assert_eq!(*again.payload(), expected, "the same payload, but its own request_id");
    w.expect_nothing(a);
    w.log(&job, "sent once");
    w.event(a, "log");
    w.expect_nothing(a);
}

#[test]
fn s7_2_the_budget_is_the_initial_one() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let submit = json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:5.00"]}, "idempotency_key": "k"});
    let job = w.submit(a, submit.clone());
    w.cost(&job, "2", "USD");
    w.drain(a);
    w.send_submit(a, submit);
    assert_eq!(w.expect(a, "job.accepted").payload()["budget"]["USD"].as_f64(), Some(5.0));
}

#[test]
fn s7_2_an_ended_job_is_answered_with_its_terminal_again() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, keyed(json!(1)));
    w.finish(&job, r#"{"z":1.0}"#);
    let first = w.expect(a, "job.result");
    w.send_submit(a, keyed(json!(1)));
    assert_eq!(w.expect(a, "job.accepted").job(), job.id);
    let again = w.expect(a, "job.result");
    assert_eq!(again.payload(), first.payload());
    assert_eq!(again.seq(), first.seq().map(|seq| seq + 1), "under a new number");
    w.expect_nothing(a);
}

#[test]
fn s7_2_conflicting_parameters_are_duplicate_key() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let base = json!({"agent": "ver", "input": {"a": [1, 2]}, "lease_request": {"fs.read": ["/a", "/b"]},
        "lease_constraints": {"expires_at": "2026-05-14T00:00:00Z"}, "max_runtime_sec": 5, "idempotency_key": "k"});
    let job = w.submit(a, base.clone());
    for (member, value) in [
        ("agent", json!("ver@2.0.0")),
        ("agent", json!("echo")),
        ("input", json!({"a": [2, 1]})),
        ("input", json!(null)),
        ("lease_request", json!({"fs.read": ["/b", "/a"]})),
        ("lease_request", json!({})),
        ("lease_constraints", json!({"expires_at": "2026-05-15T00:00:00Z"})),
        ("lease_constraints", json!({})),
        ("max_runtime_sec", json!(6)),
        ("max_runtime_sec", json!(null)),
    ] {
        let mut other = base.clone();
        other[member] = value;
        let error = w.submit_refused(a, other, "DUPLICATE_KEY");
        assert_eq!(error.payload()["details"], json!({"existing_job_id": job.id}));
    }
}

#[test]
fn s7_2_key_order_and_number_spelling_do_not_count() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let submit =
        |id: &str, payload: &str| format!(r#"{{"arcp":"1.1","id":"{id}","type":"job.submit","payload":{payload}}}"#);
    w.send_text(a, &submit("1", r#"{"agent":"echo","input":{"a":1.50,"b":[100,"x"]},"idempotency_key":"k"}"#));
    let first = w.expect(a, "job.accepted");
    w.drain(a);
    for (id, payload) in [
        ("2", r#"{"idempotency_key":"k","input":{"b":[1e2,"\u0078"],"a":1.5},"agent":"echo"}"#),
        (
            "3",
            r#"{"agent":"echo", "input": { "a" : 15e-1, "b" : [ 100.0, "x" ] }, "idempotency_key":"k", "lease_request":{}}"#,
        ),
        (
            "4",
            r#"{"agent":"echo","input":{"a":1.5,"b":[100,"x"]},"idempotency_key":"k","max_runtime_sec":null,"lease_constraints":null}"#,
        ),
    ] {
        w.send_text(a, &submit(id, payload));
        let again = w.recv(a);
        assert_eq!(again.kind(), "job.accepted", "{payload}: {again:?}");
        assert_eq!(again.job(), first.job());
        w.expect_nothing(a);
    }
    w.send_text(a, &submit("5", r#"{"agent":"echo","input":{"a":1.5,"b":["x",100]},"idempotency_key":"k"}"#));
    w.refusal(a, "DUPLICATE_KEY");
    w.send_text(a, &submit("6", r#"{"agent":"echo","input":{"a":"1.5","b":[100,"x"]},"idempotency_key":"k"}"#));
    w.refusal(a, "DUPLICATE_KEY");
}

#[test]
fn s7_2_numbers_that_differ_beyond_f64_differ() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.send_text(a, r#"{"arcp":"1.1","id":"1","type":"job.submit","payload":{"agent":"echo","input":9007199254740993,"idempotency_key":"k"}}"#);
    w.expect(a, "job.accepted");
    w.drain(a);
    w.send_text(a, r#"{"arcp":"1.1","id":"2","type":"job.submit","payload":{"agent":"echo","input":9007199254740992,"idempotency_key":"k"}}"#);
    w.refusal(a, "DUPLICATE_KEY");
}

#[test]
fn s7_2_the_scope_is_the_principal() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.login("tok-bob");
    let alices = w.submit(a, keyed(json!(1)));
    let bobs = w.submit(b, keyed(json!(2)));
    assert_ne!(alices.id, bobs.id);
}

#[test]
fn s7_2_racing_duplicate_gets_the_same_answer() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, keyed(json!(1)));
    let same = w.send_submit(a, keyed(json!(1)));
    let other = w.send_submit(b, keyed(json!(1)));
    w.submit_refused(b, keyed(json!(2)), "DUPLICATE_KEY");
    w.expect_nothing(a);
    w.expect_nothing(b);
    assert!(
        w.try_host_event(|event| matches!(event, Event::Submitted { .. }).then_some(())).is_none(),
        "the host is asked once"
    );
    w.start(key);
    let accepted: Vec<_> = w.drain(a).into_iter().filter(|frame| frame.kind() == "job.accepted").collect();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[0].job(), accepted[1].job());
    assert_eq!(accepted[1].payload()["request_id"], same.as_str());
    let answer = w.expect(b, "job.accepted");
    assert_eq!(answer.job(), accepted[0].job());
    assert_eq!(answer.payload()["request_id"], other.as_str());
}

#[test]
fn s7_2_racing_duplicate_of_a_refused_submit_is_refused_too_and_leaves_no_record() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, keyed(json!(1)));
    let same = w.send_submit(a, keyed(json!(1)));
    w.decline(key, ErrorCode::PermissionDenied);
    w.refusal(a, "PERMISSION_DENIED");
    let second = w.refusal(a, "PERMISSION_DENIED");
    assert_eq!(second.payload()["request_id"], same.as_str());
    w.on_submit = OnSubmit::Start;
    w.submit(a, keyed(json!("another")));
}

#[test]
fn s7_2_a_refused_submit_leaves_no_record() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut refused = keyed(json!(1));
    refused["agent"] = json!("nobody");
    w.submit_refused(a, refused, "AGENT_NOT_AVAILABLE");
    w.submit(a, keyed(json!(1)));
}

#[test]
fn s7_2_another_session_becomes_a_watcher_from_now_on() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, keyed(json!(1)));
    w.log(&job, "before");
    // No subscribe is needed, and the feature need not be negotiated.
    let b = w.login_without("tok-alice2", &["subscribe"]);
    let id = w.send_submit(b, keyed(json!(1)));
    let accepted = w.expect(b, "job.accepted");
    assert_eq!(accepted.payload()["request_id"], id.as_str());
    w.expect_nothing(b);
    w.log(&job, "after");
    let event = w.event(b, "log");
    assert_eq!((event.seq(), &event.body()["message"]), (Some(1), &json!("after")));
    // While the owner session exists, this one may not cancel.
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
    w.drain(a);
    w.finish(&job, "1");
    w.expect(a, "job.result");
    w.expect(b, "job.result");
}

#[test]
fn s7_2_another_session_gets_the_terminal_of_an_ended_job() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, keyed(json!(1)));
    w.finish(&job, "1");
    let b = w.login("tok-alice");
    w.send_submit(b, keyed(json!(1)));
    w.expect(b, "job.accepted");
    assert_eq!(w.expect(b, "job.result").seq(), Some(1));
    w.expect_nothing(b);
}

#[test]
fn s7_2_another_session_becomes_the_owner_if_the_owner_is_closed() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut submit = keyed(json!(1));
    submit["lease_request"] = json!({"agent.delegate": ["*"]});
    let job = w.submit(a, submit.clone());
    w.cut(a);
    w.advance(601 * SECOND);
    let b = w.login("tok-alice");
    w.send_submit(b, submit);
    w.expect(b, "job.accepted");
    w.expect_nothing(b);
    assert_eq!(w.runtime.job(job.key).unwrap().session.map(|id| id.to_string()), Some(w.session(b)));
    // Children and the right to cancel move with the ownership.
    w.delegate(&job, &json!({"agent": "slow"})).unwrap();
    w.event(b, "delegate");
    w.expect(b, "job.accepted");
    w.drain(b);
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.expect(b, "job.cancelled");
}

#[test]
fn s7_2_a_detached_owner_is_still_the_owner() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, keyed(json!(1)));
    w.cut(a);
    let b = w.login("tok-alice");
    w.send_submit(b, keyed(json!(1)));
    w.expect(b, "job.accepted");
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
}

#[test]
fn s7_2_records_last_24_hours() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.submit(a, keyed(json!(1)));
    w.finish(&job, "1");
    w.drain(a);
    w.advance(24 * 3600 * SECOND - 2 * SECOND);
    w.send_submit(a, keyed(json!(1)));
    assert_eq!(w.expect(a, "job.accepted").job(), job.id);
    w.drain(a);
    w.advance(3 * SECOND);
    let next = w.submit(a, keyed(json!(2)));
    assert_ne!(next.id, job.id);
}

#[test]
fn s7_2_records_of_terminal_jobs_are_evicted_first() {
    let mut w = World::with(|config| config.limits.idempotency_records = 3);
    let a = w.login("tok-alice");
    let keyed = |key: &str| json!({"agent": "echo", "idempotency_key": key});
    let live = w.submit(a, keyed("live"));
    let ended = w.submit(a, keyed("ended"));
    w.finish(&ended, "1");
    w.drain(a);
    w.submit(a, keyed("third"));
    w.submit(a, keyed("fourth"));
    w.send_submit(a, keyed("live"));
    assert_eq!(w.expect(a, "job.accepted").job(), live.id, "the record of a live job stays");
    w.send_submit(a, keyed("ended"));
    assert_ne!(w.expect(a, "job.accepted").job(), ended.id);
}

#[test]
fn s7_2_credentials_are_those_valid_now_and_none_once_terminal() {
    let mut w = World::with(|config| config.provisioner = true);
    let a = w.login("tok-alice");
    let submit = json!({"agent": "echo", "lease_request": {"model.use": ["m"]}, "idempotency_key": "k"});
    let job = w.submit(a, submit.clone());
    w.rotate(&job, "cred_1", "rotated-value", "alice").unwrap();
    w.drain(a);
    w.send_submit(a, submit.clone());
    let again = w.expect(a, "job.accepted");
    assert_eq!(again.payload()["credentials"][0]["value"], "rotated-value");
    w.finish(&job, "1");
    w.drain(a);
    w.send_submit(a, submit);
    assert!(w.expect(a, "job.accepted").payload().get("credentials").is_none());
}

#[test]
fn s7_2_a_racing_duplicate_owns_the_job_if_the_first_session_closed_meanwhile() {
    let mut w = World::with(|config| config.resume_window = Duration::from_secs(1));
    w.on_submit = OnSubmit::Hold;
    let a = w.login("tok-alice");
    let job = w.submit_held(a, keyed(json!(1)));
    let b = w.login("tok-alice");
    w.send_submit(b, keyed(json!(1)));
    w.send(a, "session.close", json!({}));
    w.advance(2 * SECOND);
    w.start(job);
    let accepted = w.expect(b, "job.accepted");
    let running = w.event(b, "status");
    assert_eq!(running.job(), accepted.job());
    w.send(b, "job.cancel", json!({"job_id": accepted.job()}));
    w.expect(b, "job.cancelled");
}

#[test]
fn s7_2_the_sign_counts_even_with_a_huge_exponent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let submit = |id: &str, input: &str| {
        format!(
            r#"{{"arcp":"1.1","id":"{id}","type":"job.submit","payload":{{"agent":"echo","input":{input},"idempotency_key":"k"}}}}"#
        )
    };
    w.send_text(a, &submit("1", "1e99999999999999999999"));
    w.expect(a, "job.accepted");
    w.drain(a);
    w.send_text(a, &submit("2", "-1e99999999999999999999"));
    w.refusal(a, "DUPLICATE_KEY");
}

#[test]
fn s7_2_a_refused_submit_evicts_no_record() {
    let mut w = World::with(|config| config.limits.idempotency_records = 1);
    let a = w.login("tok-alice");
    let job = w.submit(a, keyed(json!(1)));
    w.finish(&job, "1");
    w.drain(a);
    let b = w.login("tok-bob");
    w.submit_refused(b, json!({"agent": "nobody", "idempotency_key": "other"}), "AGENT_NOT_AVAILABLE");
    w.send_submit(a, keyed(json!(1)));
    assert_eq!(w.expect(a, "job.accepted").job(), job.id);
}
