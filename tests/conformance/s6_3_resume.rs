//! §6.3: resuming a session: the three forms, the refusals and the tokens.

use nuncio_core::arcp::{ConnId, Event};
use nuncio_tests::world::{FEATURES, Frame, OnAuthenticate, SECOND, World};
use serde_json::{Value, json};
use std::time::Duration;

fn auth(token: &str) -> Value {
    json!({"scheme": "bearer", "token": token})
}

/// Creates a session with events 1..=3 whose connection was cut.
fn dropped(w: &mut World) -> ConnId {
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.log(&job, "3");
    w.drain(a);
    w.cut(a);
    a
}

fn seqs(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(Frame::seq).collect()
}

#[test]
fn s6_3_hello_with_payload_resume() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let b = w.resume(a, 1);
    assert_eq!(seqs(&w.drain(b)), [2, 3]);
    assert_ne!(w.token(a), w.token(b), "the token rotates with every welcome");
    let resumed = w.host_event("SessionLive", |event| match event {
        Event::SessionLive { conn, resumed, .. } if *conn == b => Some(*resumed),
        _ => None,
    });
    assert!(resumed);
}

#[test]
fn s6_3_session_resume_as_first_frame() {
    // The session id is in the payload, on the envelope, or absent: then the token identifies the session.
    for place in 0..3 {
        let mut w = World::new();
        let a = dropped(&mut w);
        let session = w.session(a);
        let b = w.open();
        let mut frame = json!({"arcp": "1.1", "id": "r", "type": "session.resume",
            "payload": {"resume_token": w.token(a), "last_event_seq": 2, "auth": auth("tok-alice")}});
        match place {
            0 => frame["payload"]["session_id"] = json!(session),
            1 => frame["session_id"] = json!(session),
            _ => {}
        }
        w.send_frame(b, &frame);
        assert_eq!(w.expect(b, "session.welcome")["session_id"], session.as_str(), "place {place}");
        assert_eq!(seqs(&w.drain(b)), [3]);
    }
}

#[test]
fn s6_3_hello_with_top_level_token() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let b = w.open();
    let payload = json!({"client": {"name": "java", "version": "1"}, "auth": auth("tok-alice"), "resume_token": w.token(a), "last_event_seq": 2});
    w.send(b, "session.hello", payload);
    assert_eq!(w.expect(b, "session.welcome")["session_id"], w.session(a).as_str());
    assert_eq!(seqs(&w.drain(b)), [3]);
}

#[test]
fn s6_3_a_bad_bearer_is_unauthenticated_before_anything_else() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-mallory", &session, &token, 1);
    w.refusal(b, "UNAUTHENTICATED");
    assert!(w.closed(b).is_some());
    w.resume(a, 1);
}

#[test]
fn s6_3_session_resume_without_auth_is_unauthenticated() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let b = w.open();
    w.send(b, "session.resume", json!({"session_id": w.session(a), "resume_token": w.token(a), "last_event_seq": 1}));
    w.refusal(b, "UNAUTHENTICATED");
    assert!(w.closed(b).is_some());
    w.resume(a, 1);
}

#[test]
fn s6_3_session_resume_without_auth_where_the_config_allows_it() {
    let mut w = World::with(|config| config.resume_by_token = true);
    let a = dropped(&mut w);
    let b = w.open();
    w.send(b, "session.resume", json!({"resume_token": w.token(a), "last_event_seq": 2}));
    w.expect(b, "session.welcome");
    assert_eq!(seqs(&w.drain(b)), [3]);
    let principal = w.host_event("SessionLive", |event| match event {
        Event::SessionLive { conn, principal, .. } if *conn == b => Some(principal.to_string()),
        _ => None,
    });
    assert_eq!(principal, "alice", "the principal is the session's");
    // A wrong token gets the usual answer, and a bearer token that is present is still verified.
    let c = w.open();
    w.send(c, "session.resume", json!({"resume_token": "rt_wrong", "last_event_seq": 0}));
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let d = w.open();
    w.send(d, "session.resume", json!({"resume_token": w.token(b), "last_event_seq": 0, "auth": auth("tok-mallory")}));
    w.refusal(d, "UNAUTHENTICATED");
}

#[test]
fn s6_3_wrong_token_changes_nothing() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let session = w.session(a);
    for _ in 0..3 {
        let b = w.resume_as("tok-alice", &session, &format!("rt_{}", "0".repeat(64)), 1);
        w.refusal(b, "RESUME_WINDOW_EXPIRED");
        assert!(w.closed(b).is_some());
    }
    let b = w.resume(a, 1);
    assert_eq!(seqs(&w.drain(b)), [2, 3]);
}

#[test]
fn s6_3_a_wrong_token_does_not_disturb_a_live_connection() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let session = w.session(a);
    let b = w.resume_as("tok-alice", &session, "rt_wrong", 0);
    w.refusal(b, "RESUME_WINDOW_EXPIRED");
    assert_eq!(w.closed(a), None);
    w.job(a, "echo");
}

#[test]
fn s6_3_wrong_token_other_principal_unknown_and_lapsed_get_the_same_answer() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    let answers = [
        w.resume_as("tok-alice", &session, "rt_wrong", 1),
        w.resume_as("tok-bob", &session, &token, 1),
        w.resume_as("tok-alice", "sess_01M7XYPMSEMAHVYA5T6KW642F0", &token, 1),
        w.resume_as("tok-alice", "nonsense", &token, 1),
        w.resume_as("tok-bob", &session, &token, 999),
    ]
    .map(|conn| (conn, w.refusal(conn, "RESUME_WINDOW_EXPIRED")));
    w.resume(a, 1);
    let c = w.login("tok-alice");
    let (session, token) = (w.session(c), w.token(c));
    w.cut(c);
    w.advance(601 * SECOND);
    let lapsed = w.resume_as("tok-alice", &session, &token, 0);
    let lapsed = (lapsed, w.refusal(lapsed, "RESUME_WINDOW_EXPIRED"));
    let text = |frame: &Frame| {
        let mut payload = frame.payload().clone();
        payload.as_object_mut().unwrap().remove("request_id");
        payload
    };
    for (conn, answer) in &answers {
        assert_eq!(text(answer), text(&lapsed.1));
        assert_eq!(w.closed(*conn), w.closed(lapsed.0));
        assert!(w.closed(*conn).is_some());
    }
}

#[test]
fn s6_3_another_bearer_of_the_same_principal_may_resume() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice2", &session, &token, 3);
    w.expect(b, "session.welcome");
    w.expect_nothing(b);
}

#[test]
fn s6_3_caught_up_is_resumed_and_beyond_sent_is_invalid() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice", &session, &token, 4);
    w.refusal(b, "INVALID_REQUEST");
    assert!(w.closed(b).is_some());
    let c = w.resume(a, 3);
    w.expect_nothing(c);
}

#[test]
fn s6_3_an_evicted_event_is_resume_window_expired() {
    let mut w = World::with(|config| config.limits.log_events = 3);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 2..=6 {
        w.log(&job, &n.to_string());
    }
    w.cut(a);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice", &session, &token, 1);
    w.refusal(b, "RESUME_WINDOW_EXPIRED");
    assert!(w.closed(b).is_some());
    let c = w.resume(a, 5);
    assert_eq!(seqs(&w.drain(c)), [6], "the session still exists");
}

#[test]
fn s6_3_an_acknowledged_event_is_gone() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.log(&job, "3");
    w.send(a, "session.ack", json!({"last_processed_seq": 2}));
    w.cut(a);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice", &session, &token, 1);
    w.refusal(b, "RESUME_WINDOW_EXPIRED");
    let c = w.resume(a, 2);
    assert_eq!(seqs(&w.drain(c)), [3]);
}

#[test]
fn s6_3_a_live_connection_is_replaced_and_closed_with_4409() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.drain(a);
    let b = w.resume(a, 0);
    assert_eq!(w.closed(a), Some(4409), "a code of its own: its client does not come back");
    w.expect_nothing(a);
    w.drain(b);
    w.log(&job, "to b");
    w.event(b, "log");
    w.expect_nothing(a);
    // Frames that arrive late on the old connection are ignored.
    w.send_bytes(a, br#"{"arcp":"1.1","id":"late","type":"job.submit","payload":{"agent":"echo"}}"#);
    w.cut(a);
    w.expect_nothing(b);
    assert_eq!(w.list(b, json!({})).payload()["jobs"].as_array().unwrap().len(), 1);
    assert!(w.try_host_event(|event| matches!(event, Event::SessionDetached { .. }).then_some(())).is_none());
}

#[test]
fn s6_3_nothing_is_written_to_the_old_connection_after_the_takeover() {
    let mut w = World::with(|config| config.limits.send_window = 2);
    let a = w.login("tok-alice");
    w.hold_writes(a);
    let job = w.job(a, "echo");
    for n in 0..5 {
        w.log(&job, &n.to_string());
    }
    w.drain(a);
    let b = w.resume(a, 1);
    assert_eq!(w.closed(a), Some(4409), "closed without a frame and without lingering");
    w.release_writes(a);
    w.expect_nothing(a);
    assert_eq!(seqs(&w.drain(b)), [2, 3, 4, 5, 6]);
}

#[test]
fn s6_3_the_window_lapses_after_its_seconds_detached() {
    let mut w = World::with(|config| config.resume_window = Duration::from_mins(1));
    let a = dropped(&mut w);
    w.host_event("SessionDetached", |event| matches!(event, Event::SessionDetached { .. }).then_some(()));
    w.advance(60 * SECOND - 1);
    let b = w.resume(a, 3);
    w.advance(3600 * SECOND);
    w.drain(b);
    if w.closed(b).is_none() {
        w.cut(b);
    }
    w.advance(61 * SECOND);
    let (session, token) = (w.session(b), w.token(b));
    let c = w.resume_as("tok-alice", &session, &token, 3);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    w.host_event("SessionClosed", |event| matches!(event, Event::SessionClosed { .. }).then_some(()));
}

#[test]
fn s6_3_two_tokens_are_valid_until_the_newest_is_proved() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let session = w.session(a);
    let first = w.token(a);
    // The welcome on `b` is lost: the client still holds only the first token.
    let b = w.resume(a, 3);
    let second = w.token(b);
    w.cut(b);
    let c = w.resume_as("tok-alice", &session, &first, 3);
    w.expect(c, "session.welcome");
    let third = w.token(c);
    w.cut(c);
    // At most two tokens are valid: the last one the client has proved and the newest.
    let d = w.resume_as("tok-alice", &session, &second, 3);
    w.refusal(d, "RESUME_WINDOW_EXPIRED");
    let e = w.resume_as("tok-alice", &session, &third, 3);
    w.expect(e, "session.welcome");
    // The third token was proved by its use.
    w.cut(e);
    let f = w.resume_as("tok-alice", &session, &first, 3);
    w.refusal(f, "RESUME_WINDOW_EXPIRED");
}

#[test]
fn s6_3_the_first_frame_on_the_new_connection_proves_the_newest_token() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let session = w.session(a);
    let first = w.token(a);
    let b = w.resume(a, 3);
    w.send(b, "session.pong", json!({"ping_nonce": "x"}));
    w.cut(b);
    let c = w.resume_as("tok-alice", &session, &first, 3);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    w.resume(b, 3);
}

#[test]
fn s6_3_nothing_is_resumed_before_authentication_is_answered() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_authenticate = OnAuthenticate::Hold;
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice", &session, &token, 0);
    assert_eq!(w.closed(a), None, "the old connection stays until the bearer token was verified");
    w.runtime.admit(w.now, b, "alice").unwrap();
    w.advance(0);
    w.expect(b, "session.welcome");
    assert_eq!(w.closed(a), Some(4409));
}

#[test]
fn s6_3_the_later_hello_gets_the_session_whichever_is_answered_first() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    w.on_authenticate = OnAuthenticate::Hold;
    // The client has lost `b`, which the runtime has not noticed yet, and tries again.
    let b = w.resume_as("tok-alice", &session, &token, 3);
    let c = w.resume_as("tok-alice", &session, &token, 3);
    for conn in [c, b] {
        w.runtime.admit(w.now, conn, "alice").unwrap();
        w.advance(0);
    }
    w.expect(c, "session.welcome");
    w.refusal(b, "RESUME_WINDOW_EXPIRED");
    assert_eq!(w.closed(c), None);
    w.on_authenticate = OnAuthenticate::Table;
    w.cut(c);
    w.resume(c, 3);
}

#[test]
fn s6_3_a_session_resume_after_the_welcome_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.send(a, "session.resume", json!({"resume_token": w.token(a), "last_event_seq": 0, "auth": auth("tok-alice")}));
    w.refusal(a, "INVALID_REQUEST");
    assert_eq!(w.closed(a), None);
}

#[test]
fn s6_3_a_hello_without_resume_is_a_new_session() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.open();
    w.hello(b, "tok-alice", &FEATURES);
    w.expect(b, "session.welcome");
    assert_ne!(w.session(a), w.session(b));
    assert_eq!(w.closed(a), None);
}

#[test]
fn s6_3_a_lost_welcome_does_not_lose_a_session_named_by_token_alone() {
    let mut w = World::new();
    let a = dropped(&mut w);
    let first = w.token(a);
    let b = w.resume(a, 3);
    w.cut(b);
    let c = w.open();
    let auth = json!({"scheme": "bearer", "token": "tok-alice"});
    w.send(c, "session.resume", json!({"resume_token": first, "last_event_seq": 3, "auth": auth}));
    let welcome = w.expect(c, "session.welcome");
    assert_eq!(welcome["session_id"], w.session(a));
}
