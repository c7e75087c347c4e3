//! Requests and their answers: correlation, refusals, local checks (core/docs/arcp.md §7 and "The client").

use crate::support::{Harness, SECOND, START, accepted, error, event, job_error, plain, result, success};
use nuncio_core::arcp::Json;
use nuncio_core::arcp::client::{
    ClientConfig, ClientEvent, ClientOutput, ClientRefused, HandleId, ListQuery, SubmitArgs, Subscribe,
};
use nuncio_core::trace::TraceId;
use serde_json::json;

fn raw(json: &str) -> Box<Json> {
    serde_json::from_str(json).unwrap()
}

fn list(harness: &mut Harness) -> String {
    harness.client.list(harness.now, &ListQuery::default()).unwrap();
    harness.drain();
    harness.id_of("session.list_jobs")
}

fn cancel(harness: &mut Harness, handle: HandleId) -> Vec<String> {
    harness.client.cancel(harness.now, handle, None).unwrap();
    harness.drain()
}

#[test]
fn submit_sends_every_member() {
    let mut harness = Harness::live();
    let (input, lease) = (raw("{\"a\":\n null}"), raw(r#"{"fs.read":["/ws/**"]}"#));
    let extensions = raw(r#"{"x-vendor.acme.note":1}"#);
    let handle = harness.submit_as(&SubmitArgs {
        agent: "echo@1".into(),
        input: Some(&input),
        lease_request: Some(&lease),
        expires_at: Some(START.plus_secs(60)),
        idempotency_key: Some("k".into()),
        max_runtime_sec: Some(5),
        parent_job_id: Some("job_p".into()),
        delegate_id: Some("d".into()),
        trace_id: TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736"),
        extensions: Some(&extensions),
    });
    assert_eq!(harness.client.job_id(handle), None);
    let submit = harness.last("job.submit");
    assert_eq!(submit["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(submit["session_id"], "sess_1");
    assert_eq!(submit["extensions"], json!({"x-vendor.acme.note": 1}));
    assert_eq!(
        submit["payload"],
        json!({
            "agent": "echo@1",
            "input": {"a": null},
            "lease_request": {"fs.read": ["/ws/**"]},
            "lease_constraints": {"expires_at": "2026-11-21T00:01:00.000Z"},
            "idempotency_key": "k",
            "max_runtime_sec": 5,
            "parent_job_id": "job_p",
            "delegate_id": "d",
        })
    );
}

#[test]
fn a_submit_without_key_gets_one() {
    let mut harness = Harness::live();
    harness.submit();
    let key = harness.last("job.submit")["payload"]["idempotency_key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("auto-") && key.len() == 31, "{key}");
    harness.submit();
    assert_ne!(harness.last("job.submit")["payload"]["idempotency_key"], key.as_str());
}

#[test]
fn invalid_requests_are_refused_locally() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.frame_bytes = 4_000));
    let (number, text) = (raw("1"), raw(&format!("\"{}\"", "x".repeat(4_000))));
    let good = SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() };
    let long = "k".repeat(257);
    for bad in [
        SubmitArgs::default(),
        SubmitArgs { idempotency_key: Some("".into()), ..good.clone() },
        SubmitArgs { idempotency_key: Some(long.into()), ..good.clone() },
        SubmitArgs { max_runtime_sec: Some(0), ..good.clone() },
        SubmitArgs { lease_request: Some(&number), ..good.clone() },
        SubmitArgs { extensions: Some(&number), ..good.clone() },
    ] {
        let refused = harness.client.submit(harness.now, &bad);
        assert!(matches!(refused, Err(ClientRefused::Invalid(_))), "{bad:?} gave {refused:?}");
    }
    let large = harness.client.submit(harness.now, &SubmitArgs { input: Some(&text), ..good });
    assert!(matches!(large, Err(ClientRefused::TooLarge { max: 4_000, .. })));
    let subscribe = harness.client.subscribe(harness.now, "a\"b", Subscribe::default());
    assert!(matches!(subscribe, Err(ClientRefused::Invalid(_))));
    assert_eq!(harness.drain(), [""; 0]);
}

#[test]
fn requests_for_unnegotiated_features_are_refused_locally() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    harness.frame(&crate::support::welcome_with("sess_1", "t", "", "[]"));
    let lease = raw(r#"{"cost.budget":["USD:1"]}"#);
    let models = raw(r#"{"fs.read":["/a"],"model.use":["m"]}"#);
    let good = SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() };
    for (submit, feature) in [
        (SubmitArgs { agent: "echo@1".into(), ..good.clone() }, "agent_versions"),
        (SubmitArgs { expires_at: Some(START.plus_secs(9)), ..good.clone() }, "lease_expires_at"),
        (SubmitArgs { lease_request: Some(&lease), ..good.clone() }, "cost.budget"),
        (SubmitArgs { lease_request: Some(&models), ..good }, "model.use"),
    ] {
        assert_eq!(harness.client.submit(harness.now, &submit), Err(ClientRefused::NotNegotiated(feature)));
    }
    let subscribe = harness.client.subscribe(harness.now, "j", Subscribe::default());
    assert_eq!(subscribe, Err(ClientRefused::NotNegotiated("subscribe")));
    assert_eq!(harness.client.ack(harness.now, None), Err(ClientRefused::NotNegotiated("ack")));
}

#[test]
fn requests_and_handles_beyond_their_limits_are_refused() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| {
        config.limits.requests = 2;
        config.limits.handles = 3;
    }));
    harness.job("j1");
    harness.submit();
    harness.submit();
    let submit = SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() };
    assert_eq!(harness.client.submit(harness.now, &submit), Err(ClientRefused::Limit { limit: "requests", max: 2 }));
    harness.frames([&*accepted("j2", None), &accepted("j3", None)]);
    assert_eq!(harness.client.submit(harness.now, &submit), Err(ClientRefused::Limit { limit: "handles", max: 3 }));
    harness.frame(&success("j1", 1));
    assert!(harness.client.submit(harness.now, &submit).is_ok());
}

#[test]
fn accepted_is_correlated_by_request_id() {
    let mut harness = Harness::live();
    harness.submit();
    let first = harness.id_of("job.submit");
    harness.submit();
    let second = harness.id_of("job.submit");
    assert_eq!(harness.frame(&accepted("b", Some(&second))), ["h1 accepted b"]);
    assert_eq!(harness.frame(&accepted("a", Some(&first))), ["h0 accepted a"]);
    assert_eq!(harness.client.job_id(harness.handles[0]), Some("a"));
}

#[test]
fn accepted_without_request_id_is_first_in_first_out() {
    let mut harness = Harness::live();
    harness.submit();
    harness.submit();
    let lines = harness.frames([&*accepted("a", None), &accepted("b", None)]);
    assert_eq!(lines, ["h0 accepted a", "h1 accepted b"]);
}

#[test]
fn a_child_does_not_answer_a_submit() {
    let mut harness = Harness::live();
    harness.job("p");
    harness.submit();
    let child = plain("job.accepted", r#""job_id":"c","parent_job_id":"p","delegate_id":"d1","lease":{}"#);
    assert_eq!(harness.frame(&child), ["h2 child c of h0"]);
    assert_eq!(harness.frame(&accepted("a", None)), ["h1 accepted a"]);
    assert_eq!(harness.frames([&*event("c", 1), &success("c", 2)]), [r#"h2 #1 log {"n":1}"#, "h2 #2 success 1"]);
    let orphan = plain("job.accepted", r#""job_id":"o","parent_job_id":"unknown""#);
    assert_eq!(harness.frame(&orphan), ["h3 child o of -"]);
}

#[test]
fn accepted_needs_only_a_job_id() {
    let mut harness = Harness::live();
    harness.submit();
    assert_eq!(harness.frame(r#"{"type":"job.accepted","job_id":"a","payload":{}}"#), ["h0 accepted a"]);
    harness.submit();
    assert_eq!(
        harness.frame(r#"{"type":"job.accepted","payload":{"job_id":"b","agent":7,"lease":null}}"#),
        ["h1 accepted b"]
    );
}

#[test]
fn budgets_are_numbers_or_strings_and_credentials_are_bearer() {
    let mut harness = Harness::live();
    harness.submit();
    let frame = plain(
        "job.accepted",
        r#""job_id":"a","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","budget":{"USD":1.50,"EUR":"EUR:2.00","credits":"7","odd":null},
           "credentials":[{"id":"c1","scheme":"bearer","value":"v1","endpoint":"http://e","constraints":{"a":1}},
                          {"id":"c2","scheme":"signed_url","value":"v2","endpoint":"http://e"},{"id":"c3"}],
           "lease_constraints":{"expires_at":"2026-11-21T00:01:00+00:00"}"#,
    );
    harness.client.handle_frame(harness.now, &bytes::Bytes::from(frame));
    let Some(ClientOutput::Event(ClientEvent::Accepted { accepted, .. })) = harness.client.poll_output() else {
        panic!("the job was not accepted")
    };
    let budget: Vec<_> = accepted.budget.iter().map(|(cur, left)| (cur.as_str(), left.as_str())).collect();
    assert_eq!(budget, [("EUR", "2.00"), ("USD", "1.50"), ("credits", "7")]);
    assert_eq!(accepted.credentials.len(), 1);
    assert_eq!(accepted.credentials[0].value.expose(), "v1");
    assert_eq!(accepted.trace_id, TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736"));
    let constraints: serde_json::Value = accepted.lease_constraints.as_ref().unwrap().parse().unwrap();
    assert_eq!(constraints["expires_at"], "2026-11-21T00:01:00+00:00");
    assert!(!format!("{accepted:?}").contains("v1"), "the debug output has no credentials");
}

#[test]
fn a_refusal_affects_no_other_request_or_job() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.submit();
    let refused = harness.id_of("job.submit");
    harness.submit();
    let fault = error(&format!(r#""code":"AGENT_NOT_AVAILABLE","message":"no","request_id":"{refused}""#));
    assert_eq!(harness.frame(&fault), ["h1 submit failed: AGENT_NOT_AVAILABLE"]);
    assert_eq!(harness.frames([&*event("j", 1), &accepted("k", None)]), [r#"h0 #1 log {"n":1}"#, "h2 accepted k"]);
}

#[test]
fn an_error_without_a_request_id_answers_the_oldest_request() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    list(&mut harness);
    harness.submit();
    let fault =
        r#"{"type":"session.error","payload":{"code":"SOMETHING_NEW","message":"m","retryable":true,"details":null}}"#;
    assert_eq!(harness.frame(fault), ["list failed: SOMETHING_NEW"]);
    assert_eq!(harness.frame(fault), ["h1 submit failed: SOMETHING_NEW"]);
    assert_eq!(harness.frame(fault), ["notice SOMETHING_NEW"], "a job that was accepted is not affected");
    cancel(&mut harness, job);
    assert_eq!(harness.frame(fault), ["h0 cancel failed: SOMETHING_NEW"]);
    assert_eq!(harness.frame(&event("j", 1)), [r#"h0 #1 log {"n":1}"#]);
}

#[test]
fn an_error_for_an_unknown_request_id_is_a_notice() {
    let mut harness = Harness::live();
    harness.submit();
    let fault = error(r#""code":"INVALID_REQUEST","message":"m","request_id":"01M7XXZJ0T1JW6HW63TPZ73659""#);
    assert_eq!(harness.frame(&fault), ["notice INVALID_REQUEST"]);
    assert_eq!(harness.frame(&accepted("a", None)), ["h0 accepted a"]);
}

#[test]
fn a_submit_may_be_refused_by_job_error() {
    let mut harness = Harness::live();
    harness.submit();
    let unknown =
        job_error("never", 1, r#""final_status":"error","code":"AGENT_NOT_AVAILABLE","message":"m","retryable":false"#);
    assert_eq!(harness.frame(&unknown), ["h0 submit failed: AGENT_NOT_AVAILABLE"]);

    harness.job("j");
    harness.submit();
    let taken = job_error(
        "j",
        2,
        r#""final_status":"error","code":"DUPLICATE_KEY","message":"m","details":{"existing_job_id":"j"}"#,
    );
    assert_eq!(harness.frame(&taken), ["h2 submit failed: DUPLICATE_KEY"], "the job that has the key continues");
    assert_eq!(harness.frame(&success("j", 3)), ["h1 #3 success 1"]);
}

#[test]
fn cancel_names_the_job_in_the_envelope_and_the_payload() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    assert_eq!(cancel(&mut harness, job), ["> job.cancel"]);
    let frame = harness.last("job.cancel");
    assert_eq!((&frame["job_id"], &frame["payload"]["job_id"]), (&json!("j"), &json!("j")));
    assert!(frame["payload"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    let id = harness.id_of("job.cancel");
    let answer = plain("job.cancelled", &format!(r#""job_id":"j","request_id":"{id}""#));
    assert_eq!(harness.frame(&answer), ["h0 cancelled acknowledged=true"]);
    let end = job_error("j", 1, r#""final_status":"cancelled","code":"CANCELLED","message":"m","retryable":false"#);
    assert_eq!(harness.frame(&end), ["h0 #1 cancelled nothing CANCELLED"]);
    assert_eq!(harness.client.cancel(harness.now, job, None), Err(ClientRefused::Stale));
}

#[test]
fn cancelled_without_request_id_is_matched_by_its_job() {
    let mut harness = Harness::live();
    let (first, second) = (harness.job("a"), harness.job("b"));
    cancel(&mut harness, first);
    cancel(&mut harness, second);
    let answer = r#"{"type":"job.cancelled","job_id":"b","payload":{}}"#;
    assert_eq!(harness.frame(answer), ["h1 cancelled acknowledged=true"]);
    assert!(harness.frame(answer).is_empty());
}

#[test]
fn a_terminal_answers_an_unanswered_cancel() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    cancel(&mut harness, job);
    let end = result("j", 1, r#""final_status":"cancelled","completed_at":"2026-11-21T00:00:00+00:00""#);
    assert_eq!(harness.frame(&end), ["h0 cancelled acknowledged=false", "h0 #1 cancelled nothing"]);
    assert_eq!(harness.wait(100 * SECOND), ["> session.ack"], "nothing times out");
}

#[test]
fn a_cancel_without_an_answer_times_out_and_the_job_continues() {
    let mut harness = Harness::live_unasking();
    let job = harness.job("j");
    cancel(&mut harness, job);
    assert_eq!(harness.wait(60 * SECOND), ["h0 cancel failed: timed out"]);
    assert_eq!(harness.frame(&success("j", 1)), ["h0 #1 success 1"]);
}

#[test]
fn a_cancel_before_the_job_is_accepted_waits_for_it() {
    let mut harness = Harness::live();
    let handle = harness.submit();
    harness.client.cancel(harness.now, handle, Some("changed my mind")).unwrap();
    assert!(harness.drain().is_empty());
    assert_eq!(harness.frame(&accepted("j", None)), ["h0 accepted j", "> job.cancel"]);
    assert_eq!(harness.last("job.cancel")["payload"], json!({"job_id": "j", "reason": "changed my mind"}));

    let handle = harness.submit();
    harness.client.cancel(harness.now, handle, None).unwrap();
    let refused = error(r#""code":"AGENT_NOT_AVAILABLE","message":"m""#);
    harness.frame(&plain("job.cancelled", r#""job_id":"j""#));
    assert_eq!(
        harness.frame(&refused),
        ["h1 cancel failed: AGENT_NOT_AVAILABLE", "h1 submit failed: AGENT_NOT_AVAILABLE"]
    );
}

#[test]
fn list_sends_its_filter_and_reads_pages() {
    let mut harness = Harness::live();
    let query = ListQuery {
        status: vec!["running".into(), "pending".into()],
        agent: Some("echo".into()),
        created_after: Some(START),
        limit: Some(2),
        cursor: Some("c\"1".into()),
        ..ListQuery::default()
    };
    harness.client.list(harness.now, &query).unwrap();
    harness.drain();
    assert_eq!(
        harness.last("session.list_jobs")["payload"],
        json!({
            "filter": {"status": ["running", "pending"], "agent": "echo", "created_after": "2026-11-21T00:00:00.000Z"},
            "limit": 2,
            "cursor": "c\"1",
        })
    );
    let rows =
        r#"[{"job_id":"a","agent":"echo","status":"running","submitted_at":"t"},{"job_id":"b"},{"agent":"no id"}]"#;
    let jobs = |members: &str| plain("session.jobs", &format!(r#""jobs":{rows}{members}"#));
    let id = harness.id_of("session.list_jobs");
    assert_eq!(
        harness.frame(&jobs(&format!(r#","request_id":"{id}","next_cursor":"n""#))),
        [r#"jobs [a,b] next=Some("n")"#]
    );
    for last_page in ["", r#","next_cursor":null"#] {
        list(&mut harness);
        assert_eq!(harness.frame(&jobs(last_page)), ["jobs [a,b] next=None"]);
    }
    assert!(harness.frame(&jobs("")).is_empty(), "no list request is pending");
}

#[test]
fn an_answer_of_the_wrong_type_is_ignored() {
    let mut harness = Harness::live();
    let id = list(&mut harness);
    assert!(harness.frame(&plain("job.accepted", &format!(r#""job_id":"a","request_id":"{id}""#))).is_empty());
    assert!(harness.frame(&plain("job.subscribed", &format!(r#""job_id":"a","request_id":"{id}""#))).is_empty());
    assert!(harness.frame(&plain("job.cancelled", &format!(r#""job_id":"a","request_id":"{id}""#))).is_empty());
    assert_eq!(harness.frame(&plain("session.jobs", &format!(r#""request_id":"{id}""#))), ["jobs [] next=None"]);
}

#[test]
fn replayed_is_a_count_or_a_boolean() {
    for (replayed, expected) in [("true", true), ("false", false), ("5", true), ("0", false), ("null", false)] {
        let mut harness = Harness::live();
        harness.subscribe("j");
        let answer =
            plain("job.subscribed", &format!(r#""job_id":"j","current_status":"running","replayed":{replayed}"#));
        assert_eq!(harness.frame(&answer), [format!("h0 subscribed j replayed={expected}")]);
    }
}

#[test]
fn subscribed_without_request_id_is_matched_by_its_job() {
    let mut harness = Harness::live();
    harness.subscribe("a");
    harness.subscribe("b");
    let payload = json!({"job_id": "b", "history": true});
    assert_eq!(harness.last("job.subscribe")["payload"], payload);
    assert_eq!(harness.frame(&plain("job.subscribed", r#""job_id":"b""#)), ["h1 subscribed b replayed=false"]);
    let denied = error(r#""code":"PERMISSION_DENIED","message":"m""#);
    assert_eq!(harness.frame(&denied), ["h0 subscribe failed: PERMISSION_DENIED"]);
}
