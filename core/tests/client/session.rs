//! The client's session: greeting, loss, resume, close (core/docs/arcp.md §6 and "The client").

use crate::support::{Desk, FEATURES, SECOND, error, event, plain, welcome, welcome_with};
use nuncio_core::arcp::client::{ClientConfig, ClientEvent, ClientOutput, ClientRefused, Submit, Welcome};
use nuncio_core::arcp::{Feature, Features, Secret};
use serde_json::json;

fn first_welcome(frame: &str) -> Welcome {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    desk.client.handle_frame(desk.now, &bytes::Bytes::copy_from_slice(frame.as_bytes()));
    match desk.client.poll_output() {
        Some(ClientOutput::Event(ClientEvent::Welcome(welcome))) => *welcome,
        other => panic!("no welcome: {other:?}"),
    }
}

#[test]
fn hello_says_who_and_what() {
    let config = ClientConfig {
        name: "app".into(),
        version: "9".into(),
        token: Secret::new("s3cret"),
        features: Features::NONE.with(Feature::Ack).with(Feature::Progress),
        ..ClientConfig::default()
    };
    let mut desk = Desk::idle(config);
    assert_eq!(desk.open(), ["> session.hello"]);
    let hello = &desk.sent[0];
    assert_eq!(
        hello["payload"],
        json!({
            "client": {"name": "app", "version": "9"},
            "auth": {"scheme": "bearer", "token": "s3cret"},
            "capabilities": {"encodings": ["json"], "features": ["ack", "progress"]},
        })
    );
    assert!(hello.get("session_id").is_none());
    assert_eq!(hello["id"].as_str().unwrap_or_default().len(), 26);
}

#[test]
fn debug_output_shows_no_token() {
    let config = ClientConfig { token: Secret::new("s3cret"), ..ClientConfig::default() };
    let mut desk = Desk::idle(config);
    desk.client.handle_open(desk.now);
    let hello = desk.client.poll_output();
    assert!(!format!("{hello:?} {:?}", desk.client).contains("s3cret"));
}

#[test]
fn features_are_intersected_here_if_the_runtime_does_not() {
    let config = ClientConfig { features: Features::NONE.with(Feature::Ack), ..ClientConfig::default() };
    let mut desk = Desk::live_with(config);
    let list = desk.client.list(desk.now, &nuncio_core::arcp::client::ListQuery::default());
    assert_eq!(list, Err(ClientRefused::NotNegotiated("list_jobs")));
}

#[test]
fn a_welcome_without_features_negotiates_none() {
    let welcome = first_welcome(
        r#"{"type":"session.welcome","session_id":"s","payload":{"resume_token":"t","heartbeat_interval_sec":5,"capabilities":{}}}"#,
    );
    assert_eq!(welcome.features, Features::NONE);
    assert_eq!(welcome.heartbeat_interval_sec, None, "not negotiated");
}

#[test]
fn agents_come_flat_or_rich() {
    let flat = first_welcome(&welcome("s", "t"));
    assert_eq!((flat.agents[0].name.as_str(), flat.agents[0].versions.len()), ("echo", 0));
    let rich = first_welcome(
        r#"{"type":"session.welcome","payload":{"session_id":"s","capabilities":{"agents":[{"name":"a","versions":["1","2"],"default":"2"},{"name":"b","versions":[]},"c",7]}}}"#,
    );
    let agents: Vec<_> = rich.agents.iter().map(|agent| (agent.name.as_str(), agent.default.as_deref())).collect();
    assert_eq!(agents, [("a", Some("2")), ("b", None), ("c", None)]);
    assert_eq!(rich.session_id, "s", "from the payload");
}

#[test]
fn requests_before_the_welcome_wait_for_it() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.submit();
    assert!(desk.sent.is_empty());
    assert_eq!(desk.open(), ["> session.hello"]);
    assert_eq!(desk.frame(&welcome("sess_1", "t")), ["welcome sess_1", "> job.submit"]);
    assert_eq!(desk.last("job.submit")["session_id"], "sess_1");
}

#[test]
fn what_was_queued_and_not_negotiated_fails() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.submit_as(&Submit { agent: "echo@2".into(), ..Submit::default() });
    desk.submit();
    desk.open();
    let lines = desk.frame(&welcome_with("sess_1", "t", "", r#"["ack"]"#));
    assert_eq!(lines, ["welcome sess_1", "h0 submit failed: without agent_versions", "> job.submit"]);
}

#[test]
fn no_welcome_in_time_is_a_lost_transport() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    assert_eq!(desk.wait(10 * SECOND), ["drop 1002", "lost greeting", "connect 1 resume=false"]);
}

#[test]
fn attempts_count_up_to_the_next_welcome() {
    let mut desk = Desk::live();
    assert_eq!(desk.cut(), ["lost", "connect 0 resume=true"]);
    assert!(desk.cut().is_empty(), "a late or repeated close is ignored");
    desk.client.handle_connect_failed(desk.now);
    assert_eq!(desk.drain(), ["connect 1 resume=true"]);
    desk.open();
    assert_eq!(desk.cut(), ["lost", "connect 2 resume=true"]);
    assert_eq!(desk.resume(), ["> session.hello", "welcome again sess_1"]);
    assert_eq!(desk.cut(), ["lost", "connect 0 resume=true"]);
}

#[test]
fn resume_shows_the_newest_token_and_the_last_number() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.frames([&*event("j", 1), &event("j", 2)]);
    desk.cut();
    desk.resume();
    let resume = |token: &str, seq: u64| json!({"session_id": "sess_1", "resume_token": token, "last_event_seq": seq});
    assert_eq!(desk.last("session.hello")["payload"]["resume"], resume("rt_1", 2));
    desk.frame(&event("j", 3));
    desk.cut();
    desk.open();
    assert_eq!(desk.last("session.hello")["payload"]["resume"], resume("rt_2", 3));
    desk.cut();
    desk.open();
    assert_eq!(desk.last("session.hello")["payload"]["resume"], resume("rt_2", 3), "a lost welcome changes nothing");
}

#[test]
fn opening_over_a_live_transport_loses_it() {
    let mut desk = Desk::live();
    desk.client.handle_open(desk.now);
    assert_eq!(desk.drain(), ["lost", "> session.hello"], "the wish to connect is fulfilled already");
}

#[test]
fn a_bad_token_closes_for_good() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.submit();
    desk.open();
    let lines = desk.frame(r#"{"type":"session.error","payload":{"code":"UNAUTHENTICATED","message":"no","retryable":false,"details":null}}"#);
    assert_eq!(lines, ["drop 1000", "h0 submit failed: closed", "closed: UNAUTHENTICATED: no"]);
    assert!(desk.open().is_empty());
    assert_eq!(
        desk.client.submit(desk.now, &Submit { agent: "a".into(), ..Submit::default() }),
        Err(ClientRefused::Closed)
    );
}

#[test]
fn a_runtime_that_cannot_tell_now_is_asked_again() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    let lines = desk.frame(&error(r#""code":"INTERNAL_ERROR","message":"busy","retryable":true"#));
    assert_eq!(lines, ["drop 1000", "lost INTERNAL_ERROR", "connect 1 resume=false"]);
}

#[test]
fn a_refused_resume_is_the_end() {
    for code in ["RESUME_WINDOW_EXPIRED", "INVALID_REQUEST"] {
        let mut desk = Desk::live();
        desk.cut();
        desk.open();
        let lines = desk.frame(&error(&format!(r#""code":"{code}","message":"gone","retryable":false"#)));
        assert_eq!(lines, ["drop 1000", &format!("closed: {code}: gone")]);
    }
}

/// A Python runtime denies a session that it believes to be on its old connection still.
#[test]
fn a_denied_resume_is_tried_again_a_few_times() {
    let denied = error(r#""code":"PERMISSION_DENIED","message":"no resumable session","retryable":false"#);
    let mut desk = Desk::live();
    desk.cut();
    for attempt in 1..=8 {
        desk.open();
        let again = format!("connect {attempt} resume=true");
        assert_eq!(desk.frame(&denied), ["drop 1000", "lost PERMISSION_DENIED", &*again]);
    }
    desk.open();
    assert_eq!(desk.frame(&denied), ["drop 1000", "closed: PERMISSION_DENIED: no resumable session"]);
}

#[test]
fn a_denied_session_is_denied_for_good() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    let lines = desk.frame(&error(r#""code":"PERMISSION_DENIED","message":"no","retryable":false"#));
    assert_eq!(lines, ["drop 1000", "closed: PERMISSION_DENIED: no"]);
}

#[test]
fn another_session_instead_of_the_resumed_one_is_the_end() {
    let mut desk = Desk::live();
    desk.cut();
    desk.open();
    let lines = desk.frame(&welcome("sess_2", "t"));
    assert_eq!(lines, ["drop 1000", "closed: the runtime began a new session instead of resuming the old one"]);
}

#[test]
fn replay_may_come_before_the_welcome() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.frame(&event("j", 1));
    desk.cut();
    desk.open();
    assert_eq!(desk.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
    assert_eq!(desk.frame(&welcome("sess_1", "rt_2")), ["welcome again sess_1"]);
    assert_eq!(desk.frame(&event("j", 3)), [r#"h0 #3 log {"n":3}"#]);
}

#[test]
fn a_second_welcome_and_unknown_types_are_ignored() {
    let mut desk = Desk::live();
    assert!(desk.frame(&welcome("sess_9", "t")).is_empty());
    assert!(desk.frame(&plain("x-vendor.acme.news", "")).is_empty());
    assert!(desk.frame(&plain("session.frobnicated", "")).is_empty());
    assert!(desk.frame(&plain("session.pong", r#""ping_nonce":"never sent""#)).is_empty());
}

#[test]
fn close_waits_for_the_answer() {
    let mut desk = Desk::live();
    desk.submit();
    desk.client.close(desk.now, Some("done"));
    assert_eq!(desk.drain(), ["h0 submit failed: closed", "> session.close"]);
    assert_eq!(desk.last("session.close")["payload"], json!({"reason": "done"}));
    assert_eq!(desk.frame(&plain("session.closed", "")), ["drop 1000", "closed: the application closed the client"]);
    assert!(desk.cut().is_empty());
    assert_eq!(desk.client.poll_timeout(), None);
}

#[test]
fn close_ends_after_a_second_of_silence() {
    let mut desk = Desk::live();
    desk.client.close(desk.now, None);
    assert_eq!(desk.drain(), ["> session.close"]);
    assert!(desk.wait(SECOND - 1).is_empty());
    assert_eq!(desk.wait(1), ["drop 1000", "closed: the application closed the client"]);
}

#[test]
fn close_ends_with_a_runtime_that_does_not_know_it() {
    let mut desk = Desk::live();
    desk.client.close(desk.now, None);
    desk.drain();
    let unknown = error(
        r#""code":"INVALID_REQUEST","message":"unknown envelope type: 'session.close'","retryable":false,"details":null"#,
    );
    assert_eq!(desk.frame(&unknown), ["drop 1000", "closed: the application closed the client"]);
}

#[test]
fn close_ends_when_the_transport_does() {
    let mut desk = Desk::live();
    desk.client.close(desk.now, None);
    desk.drain();
    assert_eq!(desk.cut(), ["closed: the application closed the client"]);
}

#[test]
fn close_without_a_session_is_immediate() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.client.close(desk.now, None);
    assert_eq!(desk.drain(), ["closed: the application closed the client"]);
    let mut desk = Desk::live();
    desk.cut();
    desk.client.close(desk.now, None);
    assert_eq!(desk.drain(), ["closed: the application closed the client"]);
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    desk.client.close(desk.now, None);
    assert_eq!(desk.drain(), ["drop 1000", "closed: the application closed the client"]);
}

#[test]
fn a_goodbye_nobody_asked_for_is_a_lost_transport() {
    let mut desk = Desk::live();
    assert_eq!(desk.frame(&plain("session.closed", "")), ["drop 1000", "lost goodbye", "connect 0 resume=true"]);
}

#[test]
fn errors_of_the_session_itself() {
    let mut desk = Desk::live();
    desk.job("j");
    let lost = error(r#""code":"HEARTBEAT_LOST","message":"m","retryable":false"#);
    assert_eq!(desk.frame(&lost), ["drop 1000", "lost heartbeat", "connect 0 resume=true"]);
    desk.resume();
    let expired = error(r#""code":"RESUME_WINDOW_EXPIRED","message":"m","retryable":false"#);
    assert_eq!(desk.frame(&expired), ["drop 1000", "closed: RESUME_WINDOW_EXPIRED: m"]);
}

#[test]
fn one_frame_too_large_or_many_malformed_end_it() {
    let mut desk = Desk::live_with(ClientConfig { frame_bytes: 2_000, ..ClientConfig::default() });
    assert!(desk.frame(&" ".repeat(2_000)).is_empty());
    assert_eq!(desk.frame(&" ".repeat(2_001)), ["drop 1009", "closed: a frame is larger than the limit"]);

    let mut desk = Desk::live_with(ClientConfig { bad_frames: 2, ..ClientConfig::default() });
    assert!(desk.frames(["{", "[]", &plain("session.pong", ""), "", "nonsense"]).is_empty());
    assert_eq!(desk.frame("\u{0}"), ["drop 1002", "closed: too many frames are malformed"]);
}

#[test]
fn a_welcome_needs_a_session_id_that_can_be_repeated() {
    for id in ["", "a\\u0022b"] {
        let mut desk = Desk::idle(ClientConfig::default());
        desk.open();
        let lines = desk.frame(&welcome_with(id, "t", "", FEATURES));
        assert_eq!(lines, ["drop 1002", "closed: the welcome names no session"]);
    }
}
