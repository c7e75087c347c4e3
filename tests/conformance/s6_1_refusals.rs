//! §6.1, §12: refusals before the welcome: one `session.error`, then a close.

use nuncio_core::arcp::{ConnId, ErrorCode, Event, Fault, Refused, Timer};
use nuncio_tests::world::{FEATURES, OnAuthenticate, SECOND, START, World};
use serde_json::{Value, json};

/// Expects one `session.error`, then a close, and nothing else.
fn expect_refused_and_closed(w: &mut World, conn: ConnId, code: &str) -> nuncio_tests::world::Frame {
    let error = w.refusal(conn, code);
    w.expect_nothing(conn);
    assert!(w.closed(conn).is_some(), "a close follows: {error:?}");
    error
}

fn bearer(token: &str) -> Value {
    json!({"scheme": "bearer", "token": token})
}

#[test]
fn s6_1_a_bad_token_is_unauthenticated_and_closes() {
    let mut w = World::new();
    let a = w.open();
    let id = w.hello(a, "tok-mallory", &FEATURES);
    let error = expect_refused_and_closed(&mut w, a, "UNAUTHENTICATED");
    assert_eq!(error.payload()["request_id"], id.as_str());
    assert!(!error.text().contains("mallory"), "the message does not repeat the token");
}

#[test]
fn s6_1_a_hello_without_usable_auth_is_unauthenticated() {
    for auth in [
        None,
        Some(json!({})),
        Some(json!({"scheme": "bearer"})),
        Some(bearer("")),
        Some(json!({"scheme": "basic", "token": "tok-alice"})),
    ] {
        let mut w = World::new();
        let a = w.open();
        let mut payload = json!({"client": {"name": "c", "version": "1"}});
        if let Some(auth) = auth.clone() {
            payload["auth"] = auth;
        }
        w.send(a, "session.hello", payload);
        let error = w.expect(a, "session.error");
        let code = error.payload()["code"].as_str().unwrap().to_owned();
        assert!(code == "UNAUTHENTICATED" || code == "INVALID_REQUEST", "{auth:?}: {error:?}");
        w.expect_nothing(a);
        assert!(w.closed(a).is_some());
        assert!(w.try_host_event(|event| matches!(event, Event::Authenticate { .. }).then_some(())).is_none());
    }
}

#[test]
fn s6_1_missing_auth_is_unauthenticated() {
    let mut w = World::new();
    let a = w.open();
    w.send(a, "session.hello", json!({"client": {"name": "c", "version": "1"}}));
    expect_refused_and_closed(&mut w, a, "UNAUTHENTICATED");
}

#[test]
fn s6_1_no_hello_within_the_deadline_closes() {
    let mut w = World::new();
    let a = w.open();
    assert_eq!(w.timer(), Some((START.plus_secs(10), Timer::Greeting)));
    w.advance(10 * SECOND - 1);
    w.expect_nothing(a);
    assert_eq!(w.closed(a), None);
    w.advance(1);
    assert_eq!(w.recv(a).kind(), "session.error");
    w.expect_nothing(a);
    assert!(w.closed(a).is_some());
}

#[test]
fn s6_1_no_authentication_answer_is_an_internal_error() {
    let mut w = World::new();
    w.on_authenticate = OnAuthenticate::Hold;
    let a = w.open();
    w.advance(5 * SECOND);
    w.hello(a, "tok-alice", &FEATURES);
    w.advance(10 * SECOND - 1);
    w.expect_nothing(a);
    w.advance(1);
    expect_refused_and_closed(&mut w, a, "INTERNAL_ERROR");
    assert_eq!(w.runtime.admit(w.now, a, "alice"), Err(Refused::Stale), "a late answer changes nothing");
    assert_eq!(w.runtime.reject(w.now, a, Fault::new(ErrorCode::Unauthenticated, "x")), Err(Refused::Stale));
}

#[test]
fn s6_1_an_unavailable_verifier_is_an_internal_error() {
    let mut w = World::new();
    w.on_authenticate = OnAuthenticate::Hold;
    let a = w.open();
    w.hello(a, "tok-alice", &FEATURES);
    w.runtime.reject(w.now, a, Fault::new(ErrorCode::InternalError, "the verifier is away")).unwrap();
    w.advance(0);
    expect_refused_and_closed(&mut w, a, "INTERNAL_ERROR");
}

#[test]
fn s6_1_a_wrong_first_frame_closes() {
    for kind in [
        "job.submit",
        "session.ping",
        "session.list_jobs",
        "session.close",
        "session.ack",
        "session.welcome",
        "nonsense",
    ] {
        let mut w = World::new();
        let a = w.open();
        let id = w.send(a, kind, json!({"agent": "echo", "nonce": "n"}));
        let error = expect_refused_and_closed(&mut w, a, "INVALID_REQUEST");
        assert_eq!(error.payload()["request_id"], id.as_str());
    }
}

#[test]
fn s6_1_malformed_json_before_the_welcome_closes() {
    for text in ["{", "", "[]", "\u{0}", "{\"arcp\":\"1.1\"}"] {
        let mut w = World::new();
        let a = w.open();
        w.send_text(a, text);
        expect_refused_and_closed(&mut w, a, "INVALID_REQUEST");
    }
}

#[test]
fn s6_1_a_frame_between_hello_and_welcome_closes() {
    let mut w = World::new();
    w.on_authenticate = OnAuthenticate::Hold;
    let a = w.open();
    w.hello(a, "tok-alice", &FEATURES);
    assert!(!w.runtime.reading(a), "the connection is not read while the host is asked");
    w.send_bytes(a, br#"{"arcp":"1.1","id":"early","type":"job.submit","payload":{"agent":"echo"}}"#);
    let error = expect_refused_and_closed(&mut w, a, "INVALID_REQUEST");
    assert_eq!(error.payload()["request_id"], "early");
    assert_eq!(w.runtime.admit(w.now, a, "alice"), Err(Refused::Stale));
}

#[test]
fn s6_1_reading_stops_during_authentication_and_resumes() {
    let mut w = World::new();
    w.on_authenticate = OnAuthenticate::Hold;
    let a = w.open();
    assert!(w.runtime.reading(a));
    w.hello(a, "tok-alice", &FEATURES);
    assert!(!w.runtime.reading(a));
    w.runtime.admit(w.now, a, "alice").unwrap();
    w.advance(0);
    w.expect(a, "session.welcome");
    assert!(w.runtime.reading(a));
}

#[test]
fn s6_1_malformed_hellos_close() {
    for payload in [
        json!({"client": {"name": "c", "version": "1"}, "auth": "tok-alice"}),
        json!({"client": {"name": "c", "version": "1"}, "auth": bearer("tok-alice"), "capabilities": []}),
        json!({"client": {"name": "c", "version": "1"}, "auth": bearer("tok-alice"), "capabilities": {"features": "ack"}}),
        json!({"client": {"name": "c", "version": "1"}, "auth": bearer("tok-alice"), "capabilities": {"features": [1]}}),
        json!({"client": {"name": "c", "version": "1"}, "auth": bearer("tok-alice"), "resume": 7}),
        json!({"client": {"name": "c", "version": "1"}, "auth": bearer("tok-alice"), "resume": {"session_id": "sess_x", "resume_token": "rt_x", "last_event_seq": -1}}),
    ] {
        let mut w = World::new();
        let a = w.open();
        w.send(a, "session.hello", payload);
        expect_refused_and_closed(&mut w, a, "INVALID_REQUEST");
    }
}

#[test]
fn s12_refusals_before_the_welcome_have_fresh_session_ids() {
    let mut w = World::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let a = w.open();
        w.hello(a, "tok-mallory", &[]);
        seen.push(w.refusal(a, "UNAUTHENTICATED")["session_id"].clone());
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
}

#[test]
fn s6_1_frames_after_the_close_are_ignored() {
    let mut w = World::new();
    let a = w.open();
    w.send(a, "nonsense", json!({}));
    w.drain(a);
    w.send_bytes(
        a,
        br#"{"arcp":"1.1","id":"x","type":"session.hello","payload":{"auth":{"scheme":"bearer","token":"tok-alice"}}}"#,
    );
    w.expect_nothing(a);
    assert!(!w.runtime.reading(a));
    w.cut(a);
    w.cut(a);
    w.advance(100 * SECOND);
    w.expect_nothing(a);
}

#[test]
fn s6_1_a_close_while_authenticating_is_forgotten() {
    let mut w = World::new();
    w.on_authenticate = OnAuthenticate::Hold;
    let a = w.open();
    w.hello(a, "tok-alice", &FEATURES);
    w.cut(a);
    assert_eq!(w.runtime.admit(w.now, a, "alice"), Err(Refused::Stale));
    w.advance(SECOND);
    assert!(w.try_host_event(|event| matches!(event, Event::SessionLive { .. }).then_some(())).is_none());
}

#[test]
fn s12_refused_frames_are_reported_to_the_host() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.send(a, "nonsense", json!({}));
    w.refusal(a, "INVALID_REQUEST");
    let code = w.host_event("RefusedFrame", |event| match event {
        Event::RefusedFrame { conn, code, .. } if *conn == a => Some(*code),
        _ => None,
    });
    assert_eq!(code, ErrorCode::InvalidRequest);
}
