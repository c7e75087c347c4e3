//! What the client survives of the deployed runtimes, rule by rule (core/docs/arcp.md, "The client").

use crate::support::{Harness, accepted, event, job_error, kind, plain, success};
use nuncio_core::arcp::client::{HandleId, ListQuery};
use serde_json::{Value, json};

fn cancel(harness: &mut Harness, handle: HandleId) -> Vec<String> {
    harness.client.cancel(harness.now, handle, None).unwrap();
    harness.drain()
}

/// Returns a frame with another value of a member of its envelope.
fn with(frame: &str, member: &str, value: impl Into<Value>) -> String {
    let mut frame: Value = serde_json::from_str(frame).unwrap();
    frame[member] = value.into();
    frame.to_string()
}

/// Returns a frame with another value of a member of its payload.
fn saying(frame: &str, member: &str, value: impl Into<Value>) -> String {
    let mut frame: Value = serde_json::from_str(frame).unwrap();
    frame["payload"][member] = value.into();
    frame.to_string()
}

/// Returns a `job.error` without a number, as the Java and Ruby runtimes refuse requests.
fn unnumbered(job: &str, code: &str) -> String {
    let members = format!(r#""final_status":"error","code":"{code}","message":"m","retryable":false"#);
    let frame = plain("job.error", &members);
    if job.is_empty() { frame } else { with(&frame, "job_id", job) }
}

#[test]
fn answers_are_correlated_by_reply_to() {
    let mut harness = Harness::live();
    harness.submit();
    let first = harness.id_of("job.submit");
    harness.submit();
    let second = harness.id_of("job.submit");
    let lines = [("b", second), ("a", first)].map(|(job, id)| {
        let frame = saying(&accepted(job, None), "reply_to", id);
        harness.frame(&frame)
    });
    assert_eq!(lines, [["h1 accepted b"], ["h0 accepted a"]]);
}

#[test]
fn answers_are_correlated_by_their_envelope_id() {
    let mut harness = Harness::live();
    harness.submit();
    let first = harness.id_of("job.submit");
    harness.submit();
    let second = harness.id_of("job.submit");
    assert_eq!(harness.frame(&with(&accepted("b", None), "id", second)), ["h1 accepted b"]);
    assert_eq!(harness.frame(&with(&accepted("a", None), "id", first)), ["h0 accepted a"]);
    harness.client.list(harness.now, &ListQuery::default()).unwrap();
    harness.drain();
    let id = harness.id_of("session.list_jobs");
    let refused = with(&plain("session.error", r#""code":"INVALID_REQUEST","message":"m""#), "id", id);
    assert_eq!(harness.frame(&refused), ["list failed: INVALID_REQUEST"]);
}

#[test]
fn a_job_error_with_the_id_of_a_request_refuses_the_request_and_ends_no_job() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    cancel(&mut harness, job);
    let refused = with(&unnumbered("j", "PERMISSION_DENIED"), "id", harness.id_of("job.cancel"));
    assert_eq!(harness.frame(&refused), ["h0 cancel failed: PERMISSION_DENIED"]);
    cancel(&mut harness, job);
    let refused = saying(&unnumbered("j", "JOB_NOT_FOUND"), "reply_to", harness.id_of("job.cancel"));
    assert_eq!(harness.frame(&refused), ["h0 cancel failed: JOB_NOT_FOUND"]);
    assert_eq!(harness.frame(&event("j", 1)), [r#"h0 #1 log {"n":1}"#]);

    harness.subscribe("k");
    let refused = with(&unnumbered("k", "JOB_NOT_FOUND"), "id", harness.id_of("job.subscribe"));
    assert_eq!(harness.frame(&refused), ["h1 subscribe failed: JOB_NOT_FOUND"]);
}

#[test]
fn a_late_refusal_of_a_request_that_was_given_up_ends_no_job() {
    let mut harness = Harness::live_unasking();
    let job = harness.job("j");
    cancel(&mut harness, job);
    let refused = with(&unnumbered("j", "PERMISSION_DENIED"), "id", harness.id_of("job.cancel"));
    assert_eq!(harness.wait(60 * crate::support::SECOND), ["h0 cancel failed: timed out"]);
    assert!(harness.frame(&refused).is_empty());
    assert_eq!(harness.frame(&event("j", 1)), [r#"h0 #1 log {"n":1}"#]);
}

#[test]
fn a_job_error_without_a_job_refuses_a_request() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.submit();
    harness.client.list(harness.now, &ListQuery::default()).unwrap();
    harness.drain();
    let list = with(&unnumbered("", "INTERNAL_ERROR"), "id", harness.id_of("session.list_jobs"));
    assert_eq!(harness.frame(&list), ["list failed: INTERNAL_ERROR"]);
    let submit = with(&unnumbered("", "INVALID_REQUEST"), "id", harness.id_of("job.submit"));
    assert_eq!(harness.frame(&submit), ["h1 submit failed: INVALID_REQUEST"]);
    assert_eq!(harness.frame(&success("j", 1)), ["h0 #1 success 1"]);
}

#[test]
fn a_job_error_without_a_job_refuses_a_hello() {
    let mut harness = Harness::idle(nuncio_core::arcp::ClientConfig::default());
    harness.open();
    let lines = harness.frame(&unnumbered("", "UNAUTHENTICATED"));
    assert_eq!(lines, ["drop 1000", "closed: UNAUTHENTICATED: m"]);

    let mut harness = Harness::live();
    harness.cut();
    harness.open();
    let lines = harness.frame(r#"{"arcp":"1.1","id":"x","type":"job.error","payload":{"final_status":"error","code":"RESUME_WINDOW_EXPIRED","message":"m"}}"#);
    assert_eq!(lines, ["drop 1000", "closed: RESUME_WINDOW_EXPIRED: m"]);
}

#[test]
fn a_refused_cancel_of_a_watched_job_is_not_the_end_of_the_job() {
    // The TypeScript runtime numbers this refusal and quotes no request.
    let members = r#""final_status":"error","code":"PERMISSION_DENIED","message":"Subscription does not confer cancel authority","retryable":false"#;
    let mut harness = Harness::live();
    let job = harness.subscribe("s");
    harness.frame(&plain("job.subscribed", r#""job_id":"s","current_status":"running""#));
    cancel(&mut harness, job);
    assert_eq!(harness.frame(&job_error("s", 1, members)), ["h0 cancel failed: PERMISSION_DENIED"]);
    assert_eq!(harness.frame(&event("s", 2)), [r#"h0 #2 log {"n":2}"#]);
    assert_eq!(harness.frame(&job_error("s", 3, members)), ["h0 #3 error nothing PERMISSION_DENIED"]);
}

#[test]
fn the_end_of_a_watched_job_is_not_a_refused_cancel() {
    let members = r#""final_status":"error","code":"PERMISSION_DENIED","message":"m","retryable":false"#;
    let ends = [
        with(&job_error("s", 1, members), "trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        saying(&job_error("s", 1, members), "completed_at", "2026-11-21T00:00:00Z"),
    ];
    for end in ends {
        let mut harness = Harness::live();
        let job = harness.subscribe("s");
        harness.frame(&plain("job.subscribed", r#""job_id":"s","current_status":"running""#));
        cancel(&mut harness, job);
        assert_eq!(harness.frame(&end), ["h0 cancelled acknowledged=false", "h0 #1 error nothing PERMISSION_DENIED"]);
    }
}

#[test]
fn a_number_counts_whatever_the_type_of_its_frame() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    harness.frame(&event("j", 1));
    cancel(&mut harness, job);
    let cancelled = |seq: u64| with(&with(&plain("job.cancelled", r#""reason":"x""#), "job_id", "j"), "event_seq", seq);
    assert_eq!(harness.frame(&cancelled(2)), ["h0 cancelled acknowledged=true"]);
    assert!(harness.frame(&with(&plain("job.unknown_type", ""), "event_seq", 3)).is_empty());
    assert_eq!(harness.frame(&event("j", 4)), [r#"h0 #4 log {"n":4}"#]);
    assert_eq!(harness.frame(&cancelled(6)), ["drop 1000", "lost gap 5..=5", "connect 0 resume=true"]);
}

#[test]
fn a_replayed_answer_is_passed_over() {
    let mut harness = Harness::live();
    let job = harness.job("j");
    cancel(&mut harness, job);
    let cancelled = with(&with(&plain("job.cancelled", ""), "job_id", "j"), "event_seq", 1);
    harness.frame(&cancelled);
    harness.cut();
    harness.resume();
    assert!(harness.frame(&cancelled).is_empty());
    assert_eq!(harness.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
}

#[test]
fn cancelled_with_the_status_error_is_a_cancel_if_the_client_has_cancelled_the_job() {
    let members = r#""final_status":"error","code":"CANCELLED","message":"m","retryable":false"#;
    let mut harness = Harness::live();
    let job = harness.job("j");
    cancel(&mut harness, job);
    harness.frame(&plain("job.cancelled", r#""job_id":"j""#));
    assert_eq!(harness.frame(&job_error("j", 1, members)), ["h0 #1 cancelled nothing CANCELLED"]);

    harness.job("k");
    assert_eq!(harness.frame(&job_error("k", 2, members)), ["h1 #2 error nothing CANCELLED"]);

    let job = harness.job("l");
    cancel(&mut harness, job);
    let id = harness.id_of("job.cancel");
    harness.frame(&plain("session.error", &format!(r#""code":"PERMISSION_DENIED","message":"m","request_id":"{id}""#)));
    assert_eq!(harness.frame(&job_error("l", 3, members)), ["h2 #3 error nothing CANCELLED"]);
}

#[test]
fn events_with_the_session_and_numbers_of_another_session_are_delivered_and_do_not_count() {
    // The Ruby runtime sends the events of a watched job as their owner gets them.
    let mut harness = Harness::live();
    harness.job("own");
    harness.frame(&event("own", 1));
    harness.subscribe("s");
    let foreign = |frame: &str| with(frame, "session_id", "sess_2");
    let mut lines = harness.frame(&foreign(&event("s", 44)));
    lines.extend(harness.frame(&plain("job.subscribed", r#""job_id":"s","current_status":"running""#)));
    for frame in [foreign(&event("s", 45)), foreign(&event("s", 45)), event("own", 2)] {
        lines.extend(harness.frame(&frame));
    }
    let end =
        foreign(r#"{"type":"job.result","job_id":"s","payload":{"job_id":"s","final_status":"success","result":1}}"#);
    lines.extend(harness.frame(&end));
    assert_eq!(
        lines,
        [
            r#"h1 #44 log {"n":44}"#,
            "h1 subscribed s replayed=false",
            r#"h1 #45 log {"n":45}"#,
            r#"h0 #2 log {"n":2}"#,
            "h1 #0 success 1",
        ]
    );
    harness.cut();
    harness.open();
    assert_eq!(harness.last("session.hello")["payload"]["resume"]["last_event_seq"], 2);
}

#[test]
fn a_submit_always_has_an_input() {
    let mut harness = Harness::live();
    harness.submit();
    let payload = harness.last("job.submit")["payload"].as_object().unwrap();
    assert_eq!(payload.get("input"), Some(&Value::Null));
}

#[test]
fn a_subscription_to_a_job_that_has_timed_out_in_the_words_of_the_csharp_runtime_ends() {
    let mut harness = Harness::live();
    harness.subscribe("s");
    harness.frame(&plain("job.subscribed", r#""job_id":"s","current_status":"timedout","replayed":false"#));
    assert_eq!(harness.wait(60 * crate::support::SECOND), ["h0 #0 timed_out unknown"]);
}

#[test]
fn a_fault_has_the_detail_of_the_csharp_runtime() {
    let mut harness = Harness::live();
    harness.job("j");
    let end = job_error("j", 1, r#""final_status":"error","code":"BUDGET_EXHAUSTED","message":"m","detail":"USD""#);
    harness.client.handle_frame(harness.now, &bytes::Bytes::from(end));
    let Some(nuncio_core::arcp::ClientOutput::Event(nuncio_core::arcp::ClientEvent::Terminal { outcome, .. })) =
        harness.client.poll_output()
    else {
        panic!("no terminal")
    };
    let details = outcome.fault.and_then(|fault| fault.details);
    assert_eq!(details.as_ref().map(nuncio_core::arcp::client::Raw::as_str), Some("\"USD\""));
}

#[test]
fn a_rotated_credential_is_read_in_the_form_of_every_runtime() {
    let forms = [
        r#"{"phase":"credential_rotated","id":"c1","value":"s1"}"#,
        r#"{"phase":"credential_rotated","credential_id":"c1","id":"c1","value":"s1"}"#,
        r#"{"phase":"credential_rotated","details":{"id":"c1","value":"s1"}}"#,
        r#"{"phase":"credential_rotated","credential_id":"c1","credential_value":"s1"}"#,
        r#"{"phase":"credential_rotated","fields":{"id":"c1","value":"s1"}}"#,
        r#"{"phase":"credential_rotated","message":"{\"id\":\"c1\",\"value\":\"s1\"}"}"#,
        r#"{"phase":"credential_rotated","fields":{"id":"c1"}}"#,
        r#"{"phase":"running","id":"c1","value":"s1"}"#,
    ];
    let mut harness = Harness::live();
    harness.job("j");
    let mut read = Vec::new();
    for (seq, body) in (1..).zip(forms) {
        harness.client.handle_frame(harness.now, &bytes::Bytes::from(kind("j", seq, "status", body)));
        let Some(nuncio_core::arcp::ClientOutput::Event(nuncio_core::arcp::ClientEvent::Job(event))) =
            harness.client.poll_output()
        else {
            panic!("no event")
        };
        assert!(!format!("{:?} {event:?}", event.rotation()).contains("s1"), "no secret is shown");
        let rotation = event.rotation().map(|rotation| {
            (rotation.credential_id, rotation.value.map_or_else(String::new, |value| value.expose().to_owned()))
        });
        read.push(rotation);
    }
    let full = Some(("c1".to_owned(), "s1".to_owned()));
    let mut expected = vec![full; 6];
    expected.extend([Some(("c1".to_owned(), String::new())), None]);
    assert_eq!(read, expected);
}

#[test]
fn events_of_a_session_without_a_job_count_and_are_passed_over() {
    // The back-pressure status of the C# runtime names no job.
    let mut harness = Harness::live();
    harness.job("j");
    let mut status: Value = serde_json::from_str(&kind("j", 1, "status", r#"{"phase":"back_pressure"}"#)).unwrap();
    status.as_object_mut().unwrap().remove("job_id");
    assert!(harness.frame(&status.to_string()).is_empty());
    assert_eq!(harness.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
}

/// The members of a welcome by which a runtime is recognised, and the hello that resumes a session there.
#[test]
fn a_resume_has_the_form_that_the_runtime_of_the_welcome_reads() {
    const TOKEN: &str = "RESUME-TOKEN";
    type Form = fn(&str) -> Value;
    let member: Form = |id| json!({"resume": {"session_id": id, "resume_token": TOKEN, "last_event_seq": 0}});
    let top_level: Form = |_| json!({"resume_token": TOKEN, "last_event_seq": 0});
    let token: Form = |_| json!({"resume": {"token": TOKEN, "last_event_seq": 0}});
    let rows: [(&str, &str, Form); 6] = [
        ("go", include_str!("../fixtures/go-runtime.jsonl"), member),
        ("java", include_str!("../fixtures/java-runtime.jsonl"), top_level),
        ("ruby", include_str!("../fixtures/ruby-runtime.jsonl"), token),
        ("csharp", include_str!("../fixtures/csharp-runtime.jsonl"), top_level),
        ("typescript", include_str!("../fixtures/ts-runtime.jsonl"), member),
        ("python", include_str!("../fixtures/py-runtime.jsonl"), member),
    ];
    for (name, lines, expected) in rows {
        let welcome = lines.lines().find(|line| line.contains(r#""type": "session.welcome""#)).unwrap();
        let welcome = saying(welcome, "resume_token", TOKEN);
        let mut harness = Harness::idle(nuncio_core::arcp::ClientConfig::default());
        harness.open();
        harness.frame(&welcome);
        harness.cut();
        harness.open();
        let hello = harness.last("session.hello")["payload"].as_object().unwrap().clone();
        let resume: serde_json::Map<String, Value> =
            hello.into_iter().filter(|(name, _)| name.contains("resume") || name == "last_event_seq").collect();
        let session = serde_json::from_str::<Value>(&welcome).unwrap()["session_id"].as_str().unwrap().to_owned();
        assert_eq!(Value::from(resume), expected(&session), "{name}");
        let names = harness.last("session.hello")["payload"].get("client_name").is_some();
        assert_eq!(names, name == "ruby", "{name}");
    }
}

#[test]
fn a_resume_at_a_runtime_that_is_not_known_has_every_form() {
    let point = nuncio_core::arcp::client::ResumePoint {
        session_id: "sess_1".into(),
        token: nuncio_core::arcp::Secret::new("rt_1"),
        last_event_seq: 7,
    };
    let config = nuncio_core::arcp::ClientConfig::default();
    let mut client = nuncio_core::arcp::Client::resuming(config, [7; 32], crate::support::START, point);
    client.handle_open(crate::support::START);
    let Some(nuncio_core::arcp::ClientOutput::Send(hello)) = client.poll_output() else { panic!("no hello") };
    let hello: Value = serde_json::from_slice(&hello).unwrap();
    assert_eq!(hello["session_id"], "sess_1");
    let payload = &hello["payload"];
    let resume = json!({"session_id": "sess_1", "resume_token": "rt_1", "token": "rt_1", "last_event_seq": 7});
    assert_eq!(payload["resume"], resume);
    assert_eq!((&payload["resume_token"], &payload["last_event_seq"]), (&json!("rt_1"), &json!(7)));
    assert_eq!(payload["client"]["name"], payload["client_name"]);
}

#[test]
fn a_runtime_that_answers_by_envelope_id_is_resumed_by_session_resume() {
    // The runtime of the F# SDK: the id of an answer is that of its request.
    let mut harness = Harness::idle(nuncio_core::arcp::ClientConfig::default());
    harness.open();
    let welcome = |id: String| with(&crate::support::welcome("sess_1", "rt_1"), "id", id);
    assert_eq!(harness.frame(&welcome(harness.id_of("session.hello"))), ["welcome sess_1"]);
    harness.submit();
    harness.submit();
    let second = harness.id_of("job.submit");
    assert!(harness.frame(&accepted("a", None)).is_empty(), "it always names the request");
    assert_eq!(harness.frame(&with(&accepted("b", None), "id", second)), ["h1 accepted b"]);
    harness.cut();
    assert_eq!(harness.open(), ["> session.resume"]);
}

#[test]
fn a_ruby_job_that_ends_before_it_is_accepted_refuses_no_submit() {
    let ruby = include_str!("../fixtures/ruby-runtime.jsonl");
    let mut harness = Harness::idle(nuncio_core::arcp::ClientConfig::default());
    harness.open();
    harness.frame(ruby.lines().find(|line| line.contains("session.welcome")).unwrap());
    harness.submit();
    let id = harness.id_of("job.submit");
    let failed = saying(&with(&unnumbered("j", "PERMISSION_DENIED"), "session_id", ""), "job_id", "j");
    assert!(harness.frame(&failed).is_empty());
    let lines = harness.frame(&saying(&accepted("j", None), "reply_to", id));
    assert_eq!(lines, ["h0 accepted j", "h0 #0 error nothing PERMISSION_DENIED"]);
}
