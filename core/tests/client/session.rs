//! The client's session: hello, loss, resume, close (core/docs/arcp.md §6 and "The client").

use crate::support::{FEATURES, Harness, SECOND, error, event, plain, welcome, welcome_with};
use nuncio_core::arcp::client::{ClientConfig, ClientEvent, ClientOutput, ClientRefused, SubmitArgs, Welcome};
use nuncio_core::arcp::{Feature, Features, Secret};
use serde_json::json;

fn first_welcome(frame: &str) -> Welcome {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    harness.client.handle_frame(harness.now, &bytes::Bytes::copy_from_slice(frame.as_bytes()));
    match harness.client.poll_output() {
        Some(ClientOutput::Event(ClientEvent::Welcome(welcome))) => *welcome,
        other => panic!("no welcome: {other:?}"),
    }
}

#[test]
fn hello_names_the_client_and_its_features() {
    let config = ClientConfig::new(Secret::new("s3cret")).with(|config| {
        config.name = "app".into();
        config.version = "9".into();
        config.features = Features::NONE.with(Feature::Ack).with(Feature::Progress);
    });
    let mut harness = Harness::idle(config);
    assert_eq!(harness.open(), ["> session.hello"]);
    let hello = &harness.sent[0];
    assert_eq!(
        hello["payload"],
        json!({
            "client": {"name": "app", "version": "9"},
            "client_name": "app",
            "client_version": "9",
            "auth": {"scheme": "bearer", "token": "s3cret"},
            "capabilities": {"encodings": ["json"], "features": ["ack", "progress"]},
        })
    );
    let session = hello["session_id"].as_str().unwrap_or_default();
    assert!(session.starts_with("sess_") && session.len() == 31, "the Ruby runtime requires one: {session}");
    assert_eq!(hello["id"].as_str().unwrap_or_default().len(), 26);
}

#[test]
fn debug_output_shows_no_token() {
    let config = ClientConfig::new(Secret::new("s3cret"));
    let mut harness = Harness::idle(config);
    harness.client.handle_open(harness.now);
    let hello = harness.client.poll_output();
    assert!(!format!("{hello:?} {:?}", harness.client).contains("s3cret"));
}

#[test]
fn features_are_intersected_even_if_the_runtime_does_not() {
    let config = ClientConfig::default().with(|config| config.features = Features::NONE.with(Feature::Ack));
    let mut harness = Harness::live_with(config);
    let list = harness.client.list(harness.now, &nuncio_core::arcp::client::ListQuery::default());
    assert_eq!(list, Err(ClientRefused::NotNegotiated("list_jobs")));
}

#[test]
fn a_welcome_without_features_negotiates_none() {
    let welcome = first_welcome(
        r#"{"type":"session.welcome","session_id":"s","payload":{"resume_token":"t","heartbeat_interval_sec":5,"capabilities":{}}}"#,
    );
    assert_eq!(welcome.features, Features::NONE);
    assert_eq!(welcome.heartbeat_interval_sec, None, "heartbeats were not negotiated");
}

#[test]
fn agents_are_names_or_objects() {
    let flat = first_welcome(&welcome("s", "t"));
    assert_eq!((flat.agents[0].name.as_str(), flat.agents[0].versions.len()), ("echo", 0));
    let rich = first_welcome(
        r#"{"type":"session.welcome","payload":{"session_id":"s","capabilities":{"agents":[{"name":"a","versions":["1","2"],"default":"2"},{"name":"b","versions":[]},"c",7]}}}"#,
    );
    let agents: Vec<_> = rich.agents.iter().map(|agent| (agent.name.as_str(), agent.default.as_deref())).collect();
    assert_eq!(agents, [("a", Some("2")), ("b", None), ("c", None)]);
    assert_eq!(rich.session_id, "s", "the session id is read from the payload");
}

#[test]
fn requests_before_the_welcome_wait_for_it() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.submit();
    assert!(harness.sent.is_empty());
    assert_eq!(harness.open(), ["> session.hello"]);
    assert_eq!(harness.frame(&welcome("sess_1", "t")), ["welcome sess_1", "> job.submit"]);
    assert_eq!(harness.last("job.submit")["session_id"], "sess_1");
}

#[test]
fn queued_requests_for_unnegotiated_features_fail() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.submit_as(&SubmitArgs { agent: "echo@2".into(), ..SubmitArgs::default() });
    harness.submit();
    harness.open();
    let lines = harness.frame(&welcome_with("sess_1", "t", "", r#"["ack"]"#));
    assert_eq!(lines, ["welcome sess_1", "h0 submit failed: without agent_versions", "> job.submit"]);
}

#[test]
fn no_welcome_in_time_is_a_lost_transport() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    assert_eq!(harness.wait(10 * SECOND), ["drop 1002", "lost greeting", "connect 1 resume=false"]);
}

#[test]
fn attempts_count_up_to_the_next_welcome() {
    let mut harness = Harness::live();
    assert_eq!(harness.cut(), ["lost", "connect 0 resume=true"]);
    assert!(harness.cut().is_empty(), "a late or repeated close is ignored");
    harness.client.handle_connect_failed(harness.now);
    assert_eq!(harness.drain(), ["connect 1 resume=true"]);
    harness.open();
    assert_eq!(harness.cut(), ["lost", "connect 2 resume=true"]);
    assert_eq!(harness.resume(), ["> session.hello", "welcome again sess_1"]);
    assert_eq!(harness.cut(), ["lost", "connect 0 resume=true"]);
}

#[test]
fn resume_sends_the_newest_token_and_the_last_number() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.frames([&*event("j", 1), &event("j", 2)]);
    harness.cut();
    harness.resume();
    let resume = |token: &str, seq: u64| json!({"session_id": "sess_1", "resume_token": token, "token": token, "last_event_seq": seq});
    assert_eq!(harness.last("session.hello")["payload"]["resume"], resume("rt_1", 2));
    harness.frame(&event("j", 3));
    harness.cut();
    harness.open();
    assert_eq!(harness.last("session.hello")["payload"]["resume"], resume("rt_2", 3));
    harness.cut();
    harness.open();
    assert_eq!(harness.last("session.hello")["payload"]["resume"], resume("rt_2", 3), "a lost welcome changes nothing");
}

#[test]
fn opening_a_second_transport_loses_the_first() {
    let mut harness = Harness::live();
    harness.client.handle_open(harness.now);
    assert_eq!(
        harness.drain(),
        ["lost", "> session.hello"],
        "no `Connect` is left, because the new transport is already open"
    );
}

#[test]
fn a_bad_token_closes_the_client() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.submit();
    harness.open();
    let lines = harness.frame(r#"{"type":"session.error","payload":{"code":"UNAUTHENTICATED","message":"no","retryable":false,"details":null}}"#);
    assert_eq!(lines, ["drop 1000", "h0 submit failed: closed", "closed: UNAUTHENTICATED: no"]);
    assert!(harness.open().is_empty());
    assert_eq!(
        harness.client.submit(harness.now, &SubmitArgs { agent: "a".into(), ..SubmitArgs::default() }),
        Err(ClientRefused::Closed)
    );
}

#[test]
fn a_retryable_refusal_is_retried() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    let lines = harness.frame(&error(r#""code":"INTERNAL_ERROR","message":"busy","retryable":true"#));
    assert_eq!(lines, ["drop 1000", "lost INTERNAL_ERROR", "connect 1 resume=false"]);
}

#[test]
fn a_refused_resume_closes_the_client() {
    for code in ["RESUME_WINDOW_EXPIRED", "INVALID_REQUEST"] {
        let mut harness = Harness::live();
        harness.cut();
        harness.open();
        let lines = harness.frame(&error(&format!(r#""code":"{code}","message":"gone","retryable":false"#)));
        assert_eq!(lines, ["drop 1000", &format!("closed: {code}: gone")]);
    }
}

/// A Python runtime denies a resume while it believes that the old connection is still open.
#[test]
fn a_denied_resume_is_retried_a_few_times() {
    let denied = error(r#""code":"PERMISSION_DENIED","message":"no resumable session","retryable":false"#);
    let mut harness = Harness::live();
    harness.cut();
    for attempt in 1..=8 {
        harness.open();
        let again = format!("connect {attempt} resume=true");
        assert_eq!(harness.frame(&denied), ["drop 1000", "lost PERMISSION_DENIED", &*again]);
    }
    harness.open();
    assert_eq!(harness.frame(&denied), ["drop 1000", "closed: PERMISSION_DENIED: no resumable session"]);
}

#[test]
fn a_denied_session_closes_the_client() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    let lines = harness.frame(&error(r#""code":"PERMISSION_DENIED","message":"no","retryable":false"#));
    assert_eq!(lines, ["drop 1000", "closed: PERMISSION_DENIED: no"]);
}

#[test]
fn a_new_session_instead_of_the_resumed_one_closes_the_client() {
    let mut harness = Harness::live();
    harness.cut();
    harness.open();
    // The runtime of the F# SDK ignores the resume of a hello and takes `session.resume`.
    let lines = harness.frame(&welcome("sess_2", "t"));
    assert_eq!(lines, ["drop 1000", "lost replaced", "connect 1 resume=true"]);
    assert_eq!(harness.open(), ["> session.resume"]);
    let lines = harness.frame(&welcome("sess_2", "t"));
    assert_eq!(lines, ["drop 1000", "closed: the runtime began a new session instead of resuming the old one"]);
}

#[test]
fn a_runtime_that_knows_no_resume_in_any_form_closes_the_client() {
    let mut harness = Harness::live();
    harness.cut();
    harness.open();
    harness.frame(&welcome("sess_2", "t"));
    harness.open();
    let lines = harness.frame(&error(r#""code":"INVALID_REQUEST","message":"the first frame must be session.hello""#));
    assert_eq!(lines, ["drop 1000", "closed: the runtime began a new session instead of resuming the old one"]);
}

#[test]
fn a_session_that_only_session_resume_resumes_goes_on() {
    let mut harness = Harness::live_with(ClientConfig::new(Secret::new("s3cret")));
    harness.job("j");
    harness.frame(&event("j", 1));
    harness.cut();
    harness.open();
    harness.frame(&welcome("sess_2", "t"));
    harness.open();
    assert_eq!(
        harness.last("session.resume")["payload"],
        json!({
            "session_id": "sess_1",
            "resume_token": "rt_1",
            "last_event_seq": 1,
            "auth": {"scheme": "bearer", "token": "s3cret"},
        })
    );
    assert_eq!(harness.frame(&welcome("sess_1", "rt_2")), ["welcome again sess_1"]);
    assert_eq!(harness.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
    harness.cut();
    assert_eq!(harness.open(), ["> session.resume"], "the runtime is known to take it");
}

#[test]
fn the_replay_may_precede_the_welcome() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.frame(&event("j", 1));
    harness.cut();
    harness.open();
    assert_eq!(harness.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
    assert_eq!(harness.frame(&welcome("sess_1", "rt_2")), ["welcome again sess_1"]);
    assert_eq!(harness.frame(&event("j", 3)), [r#"h0 #3 log {"n":3}"#]);
}

#[test]
fn a_second_welcome_and_unknown_types_are_ignored() {
    let mut harness = Harness::live();
    assert!(harness.frame(&welcome("sess_9", "t")).is_empty());
    assert!(harness.frame(&plain("x-vendor.acme.news", "")).is_empty());
    assert!(harness.frame(&plain("session.frobnicated", "")).is_empty());
    assert!(harness.frame(&plain("session.pong", r#""ping_nonce":"never sent""#)).is_empty());
}

#[test]
fn close_waits_for_the_answer() {
    let mut harness = Harness::live();
    harness.submit();
    harness.client.close(harness.now, Some("done"));
    assert_eq!(harness.drain(), ["h0 submit failed: closed", "> session.close"]);
    assert_eq!(harness.last("session.close")["payload"], json!({"reason": "done"}));
    assert_eq!(harness.frame(&plain("session.closed", "")), ["drop 1000", "closed: the application closed the client"]);
    assert!(harness.cut().is_empty());
    assert_eq!(harness.client.poll_timeout(), None);
}

#[test]
fn close_ends_after_a_second_of_silence() {
    let mut harness = Harness::live();
    harness.client.close(harness.now, None);
    assert_eq!(harness.drain(), ["> session.close"]);
    assert!(harness.wait(SECOND - 1).is_empty());
    assert_eq!(harness.wait(1), ["drop 1000", "closed: the application closed the client"]);
}

#[test]
fn close_ends_if_the_runtime_does_not_know_it() {
    let mut harness = Harness::live();
    harness.client.close(harness.now, None);
    harness.drain();
    let unknown = error(
        r#""code":"INVALID_REQUEST","message":"unknown envelope type: 'session.close'","retryable":false,"details":null"#,
    );
    assert_eq!(harness.frame(&unknown), ["drop 1000", "closed: the application closed the client"]);
}

#[test]
fn close_ends_when_the_transport_does() {
    let mut harness = Harness::live();
    harness.client.close(harness.now, None);
    harness.drain();
    assert_eq!(harness.cut(), ["closed: the application closed the client"]);
}

#[test]
fn close_without_a_session_is_immediate() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.client.close(harness.now, None);
    assert_eq!(harness.drain(), ["closed: the application closed the client"]);
    let mut harness = Harness::live();
    harness.cut();
    harness.client.close(harness.now, None);
    assert_eq!(harness.drain(), ["closed: the application closed the client"]);
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    harness.client.close(harness.now, None);
    assert_eq!(harness.drain(), ["drop 1000", "closed: the application closed the client"]);
}

#[test]
fn an_unrequested_session_closed_loses_the_transport() {
    let mut harness = Harness::live();
    assert_eq!(harness.frame(&plain("session.closed", "")), ["drop 1000", "lost goodbye", "connect 0 resume=true"]);
}

#[test]
fn session_errors_lose_the_transport_or_close_the_client() {
    let mut harness = Harness::live();
    harness.job("j");
    let lost = error(r#""code":"HEARTBEAT_LOST","message":"m","retryable":false"#);
    assert_eq!(harness.frame(&lost), ["drop 1000", "lost heartbeat", "connect 0 resume=true"]);
    harness.resume();
    let expired = error(r#""code":"RESUME_WINDOW_EXPIRED","message":"m","retryable":false"#);
    assert_eq!(harness.frame(&expired), ["drop 1000", "closed: RESUME_WINDOW_EXPIRED: m"]);
}

#[test]
fn one_frame_too_large_or_many_malformed_close_the_client() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.frame_bytes = 2_000));
    assert!(harness.frame(&" ".repeat(2_000)).is_empty());
    assert_eq!(harness.frame(&" ".repeat(2_001)), ["drop 1009", "closed: a frame is larger than the limit"]);

    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.bad_frames = 2));
    assert!(harness.frames(["{", "[]", &plain("session.pong", ""), "", "nonsense"]).is_empty());
    assert_eq!(harness.frame("\u{0}"), ["drop 1002", "closed: too many frames are malformed"]);
}

#[test]
fn a_welcome_needs_a_valid_session_id() {
    for id in ["", "a\\u0022b"] {
        let mut harness = Harness::idle(ClientConfig::default());
        harness.open();
        let lines = harness.frame(&welcome_with(id, "t", "", FEATURES));
        assert_eq!(lines, ["drop 1002", "closed: the welcome names no session"]);
    }
}
