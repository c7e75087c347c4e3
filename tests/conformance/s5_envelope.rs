//! §5: framing and the envelope.

use nuncio_core::arcp::{Event, Via};
use nuncio_tests::world::{Frame, World};
use serde_json::{Value, json};

fn envelope(kind: &str, payload: &Value) -> Value {
    json!({"arcp": "1.1", "id": "e1", "type": kind, "payload": payload})
}

/// Asserts that the frame is refused with `INVALID_REQUEST` and that the session survives and answers the next request.
fn survives(w: &mut World, conn: nuncio_core::arcp::ConnId, text: &str) -> Frame {
    w.send_text(conn, text);
    let error = w.refusal(conn, "INVALID_REQUEST");
    assert_eq!(w.closed(conn), None, "the session survives {text}");
    w.expect_nothing(conn);
    w.list(conn, json!({}));
    error
}

#[test]
fn s5_versions_1_1_and_1_are_accepted() {
    for version in ["1.1", "1"] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        w.send_frame(a, &json!({"arcp": version, "id": "x", "type": "session.list_jobs", "payload": {}}));
        w.expect(a, "session.jobs");
    }
}

#[test]
fn s5_other_or_missing_versions_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for version in ["1.0", "1.2", "2", "", "1.1 "] {
        let frame = json!({"arcp": version, "id": "x", "type": "session.list_jobs", "payload": {}});
        let error = survives(&mut w, a, &frame.to_string());
        assert_eq!(error.payload()["request_id"], "x");
    }
    survives(&mut w, a, r#"{"id":"x","type":"session.list_jobs","payload":{}}"#);
    survives(&mut w, a, r#"{"arcp":1.1,"id":"x","type":"session.list_jobs","payload":{}}"#);
}

#[test]
fn s5_a_wrong_version_in_the_hello_closes() {
    let mut w = World::new();
    let a = w.open();
    w.send_frame(a, &json!({"arcp": "2", "id": "h", "type": "session.hello", "payload": {"auth": {"scheme": "bearer", "token": "tok-alice"}}}));
    w.refusal(a, "INVALID_REQUEST");
    assert!(w.closed(a).is_some());
}

#[test]
fn s5_any_non_empty_string_is_an_id() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for id in [
        "x",
        "01M7XYPHEFXZS43J3Q7GF7TK63",
        "msg_01M7XYT03J30BY2WWE2V55M9SJ",
        "ü \"quoted\" \u{1F980}",
        &"long".repeat(100),
    ] {
        w.send_frame(a, &json!({"arcp": "1.1", "id": id, "type": "session.list_jobs", "payload": {}}));
        let page = w.expect(a, "session.jobs");
        assert_eq!(page.payload()["request_id"], id);
    }
}

#[test]
fn s5_an_empty_missing_or_non_string_id_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for frame in [
        r#"{"arcp":"1.1","id":"","type":"session.list_jobs","payload":{}}"#,
        r#"{"arcp":"1.1","type":"session.list_jobs","payload":{}}"#,
        r#"{"arcp":"1.1","id":7,"type":"session.list_jobs","payload":{}}"#,
        r#"{"arcp":"1.1","id":null,"type":"session.list_jobs","payload":{}}"#,
    ] {
        let error = survives(&mut w, a, frame);
        assert!(error.payload().get("request_id").is_none(), "no id could be read: {error:?}");
    }
}

#[test]
fn s5_unknown_members_are_ignored_at_every_level() {
    let mut w = World::new();
    let a = w.open();
    w.send_frame(
        a,
        &json!({"arcp": "1.1", "id": "h", "type": "session.hello", "future": [1, {"a": null}], "payload": {
            "client": {"name": "c", "version": "1", "future": 1}, "future": {},
            "auth": {"scheme": "bearer", "token": "tok-alice", "future": true},
            "capabilities": {"encodings": ["json"], "features": ["ack", "list_jobs", "from_the_future"], "future": 1}}}),
    );
    w.expect(a, "session.welcome");
    w.send_frame(
        a,
        &json!({"arcp": "1.1", "id": "s", "type": "job.submit", "extra": 1, "payload": {"agent": "echo", "future": {"x": 1}}}),
    );
    w.expect(a, "job.accepted");
}

#[test]
fn s5_duplicate_members_are_invalid_in_envelope_and_payload() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for frame in [
        r#"{"arcp":"1.1","id":"x","type":"job.submit","payload":{"agent":"echo"},"payload":{"agent":"slow"}}"#,
        r#"{"arcp":"1.1","id":"x","id":"y","type":"job.submit","payload":{"agent":"echo"}}"#,
        r#"{"arcp":"1.1","id":"x","type":"job.submit","z":1,"z":1,"payload":{"agent":"echo"}}"#,
        r#"{"arcp":"1.1","id":"x","type":"job.submit","payload":{"agent":"echo","agent":"slow"}}"#,
        r#"{"arcp":"1.1","id":"x","type":"job.submit","payload":{"agent":"echo","input":1,"input":1}}"#,
        r#"{"arcp":"1.1","id":"x","type":"job.submit","payload":{"agent":"echo","un":1,"un":2}}"#,
        // The same name, written with an escape.
        r#"{"arcp":"1.1","id":"x","type":"job.submit","payload":{"agent":"echo","\u0061gent":"slow"}}"#,
    ] {
        survives(&mut w, a, frame);
    }
    let page = w.list(a, json!({}));
    assert_eq!(page.payload()["jobs"], json!([]), "no job was started");
}

#[test]
fn s5_nesting_over_64_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"arcp":"1.1","id":"d{depth}","type":"job.submit","payload":{{"agent":"echo","input":{open}{close}}}}}"#
        )
    };
    // The envelope and the payload are two levels themselves.
    w.send_text(a, &nested(62));
    w.expect(a, "job.accepted");
    w.drain(a);
    let error = survives(&mut w, a, &nested(63));
    assert_eq!(error["session_id"], w.session(a).as_str());
    survives(&mut w, a, &nested(5_000));
    // Brackets inside strings do not nest.
    let text = "[{".repeat(200);
    w.send_submit(a, json!({"agent": "echo", "input": text}));
    w.expect(a, "job.accepted");
}

#[test]
fn s5_integers_are_from_0_to_2_pow_53_minus_1() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for limit in ["-1", "1.5", "9007199254740992", "1e3", "\"7\"", "1e400", "18446744073709551616"] {
        let frame = format!(r#"{{"arcp":"1.1","id":"x","type":"session.list_jobs","payload":{{"limit":{limit}}}}}"#);
        survives(&mut w, a, &frame);
    }
    for seq in ["-1", "9007199254740992", "0.5"] {
        survives(
            &mut w,
            a,
            &format!(r#"{{"arcp":"1.1","id":"x","type":"session.ack","payload":{{"last_processed_seq":{seq}}}}}"#),
        );
    }
    w.send_text(a, r#"{"arcp":"1.1","id":"x","type":"session.ack","payload":{"last_processed_seq":9007199254740991}}"#);
    w.expect_nothing(a);
}

#[test]
fn s5_bad_utf8_is_malformed_and_the_session_survives() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.send_bytes(a, b"{\"arcp\":\"1.1\",\"id\":\"x\xff\",\"type\":\"session.list_jobs\",\"payload\":{}}");
    w.refusal(a, "INVALID_REQUEST");
    assert_eq!(w.closed(a), None);
}

#[test]
fn s5_malformed_json_after_the_welcome_is_invalid_and_the_session_survives() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let whole = envelope("session.list_jobs", &json!({})).to_string();
    for frame in [
        "",
        " ",
        "{",
        "null",
        "[]",
        "\"x\"",
        "17",
        "{\"arcp\":\"1.1\"",
        &format!("{whole}{whole}"),
        &format!("{whole}x"),
    ] {
        survives(&mut w, a, frame);
    }
}

#[test]
fn s5_a_payload_that_is_not_an_object_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for payload in ["null", "[]", "1", "\"x\""] {
        let frame = format!(r#"{{"arcp":"1.1","id":"x","type":"job.submit","payload":{payload}}}"#);
        let error = survives(&mut w, a, &frame);
        assert_eq!(error.payload()["request_id"], "x");
    }
    survives(&mut w, a, r#"{"arcp":"1.1","id":"x","type":"job.submit"}"#);
}

#[test]
fn s5_an_absent_empty_or_own_session_id_is_accepted() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let own = w.session(a);
    for session in [json!(null), json!(""), json!(own)] {
        w.send_frame(
            a,
            &json!({"arcp": "1.1", "id": "x", "type": "session.list_jobs", "session_id": session, "payload": {}}),
        );
        w.expect(a, "session.jobs");
    }
}

#[test]
fn s5_another_session_id_is_invalid_and_not_executed() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let other = w.login("tok-alice");
    let other_session = w.session(other);
    for session in [other_session.as_str(), "sess_x", "nonsense"] {
        let mut frame = envelope("job.submit", &json!({"agent": "echo"}));
        frame["session_id"] = json!(session);
        let error = survives(&mut w, a, &frame.to_string());
        assert_eq!(error["session_id"], w.session(a).as_str());
    }
    assert_eq!(w.list(a, json!({})).payload()["jobs"], json!([]));
    w.expect_nothing(other);
}

#[test]
fn s5_unknown_types_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for kind in ["session.open", "tool.invoke", "job.pause", "", "JOB.SUBMIT", "x-vendor.acme.thing"] {
        let error = survives(&mut w, a, &envelope(kind, &json!({})).to_string());
        assert_eq!(error.payload()["request_id"], "e1");
    }
}

#[test]
fn s5_an_optional_vendor_message_is_ignored() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut frame = envelope("x-vendor.acme.thing", &json!({"a": 1}));
    frame["extensions"] = json!({"optional": true});
    w.send_frame(a, &frame);
    w.expect_nothing(a);
    frame["extensions"] = json!({"optional": false});
    survives(&mut w, a, &frame.to_string());
    // Only vendor messages can be optional.
    let mut other = envelope("job.pause", &json!({}));
    other["extensions"] = json!({"optional": true});
    survives(&mut w, a, &other.to_string());
}

#[test]
fn s5_wrong_directions_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for kind in [
        "session.welcome",
        "session.jobs",
        "job.accepted",
        "job.event",
        "job.result",
        "job.error",
        "job.cancelled",
        "job.subscribed",
    ] {
        survives(&mut w, a, &envelope(kind, &json!({"job_id": "job_x", "kind": "log"})).to_string());
    }
}

#[test]
fn s5_session_error_pong_and_closed_are_ignored() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for (kind, payload) in [
        ("session.error", json!({"code": "INTERNAL_ERROR", "message": "x", "retryable": true})),
        ("session.error", json!({})),
        ("session.pong", json!({"ping_nonce": "never-asked", "received_at": "2026-05-13T19:30:00Z"})),
        ("session.closed", json!({})),
    ] {
        w.send(a, kind, payload);
        w.expect_nothing(a);
    }
    assert_eq!(w.closed(a), None);
}

#[test]
fn s5_a_second_hello_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let id = w.hello(a, "tok-bob", &[]);
    let error = w.refusal(a, "INVALID_REQUEST");
    assert_eq!(error.payload()["request_id"], id.as_str());
    assert_eq!(w.closed(a), None);
    assert!(
        w.try_host_event(
            |event| matches!(event, Event::Authenticate { token, .. } if token.expose() == "tok-bob").then_some(())
        )
        .is_none()
    );
    w.job(a, "echo");
}

#[test]
fn s5_extensions_may_be_anything_unknown() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut frame = envelope("job.submit", &json!({"agent": "echo"}));
    frame["extensions"] = json!({"x-vendor.acme.deep": {"a": [1, 2, {"b": null}]}});
    w.send_frame(a, &frame);
    let accepted = w.expect(a, "job.accepted");
    let job = w.job_of(&accepted);
    let view = w.runtime.job(job.key).unwrap();
    assert_eq!(view.extensions.unwrap().get(), r#"{"x-vendor.acme.deep":{"a":[1,2,{"b":null}]}}"#);
}

#[test]
fn s5_a_flood_of_malformed_frames_closes() {
    let mut w = World::with(|config| config.limits.bad_frames = 5);
    let a = w.login("tok-alice");
    let mut refused = 0;
    for _ in 0..20 {
        if w.closed(a).is_some() {
            break;
        }
        w.send_text(a, "{");
        refused += 1;
    }
    assert!(w.closed(a).is_some(), "a flood closes the connection");
    assert!((5..=7).contains(&refused), "{refused} frames were answered, the limit is 5");
    let b = w.login_without("tok-alice", &["heartbeat"]);
    for _ in 0..4 {
        for _ in 0..4 {
            w.send_text(b, "{");
            w.refusal(b, "INVALID_REQUEST");
        }
        w.advance(61 * 1_000_000);
        w.drain(b);
        w.send(b, "session.pong", json!({}));
    }
    assert_eq!(w.closed(b), None, "the limit is per minute");
}

#[test]
fn s5_a_frame_beyond_the_limit_closes_with_1009() {
    let mut w = World::with(|config| config.limits.frame_bytes = 4096);
    for via in [Via::Tls, Via::Memory] {
        let a = w.login_via("tok-alice", &["list_jobs"], via);
        let frame = envelope("job.submit", &json!({"agent": "echo", "input": "x".repeat(4096)}));
        w.send_frame(a, &frame);
        assert_eq!(w.closed(a), Some(1009));
        let frames = w.drain(a);
        assert!(frames.iter().all(|frame| frame.kind() == "session.error"), "no job was started: {frames:?}");
    }
    let a = w.login_via("tok-alice", &["list_jobs"], Via::Stdio);
    w.send_frame(a, &envelope("job.submit", &json!({"agent": "echo", "input": "x".repeat(4096)})));
    w.expect(a, "session.error");
    assert!(w.closed(a).is_some(), "stdio: session.error, then end");
}

#[test]
fn s5_a_frame_of_exactly_the_limit_is_accepted() {
    let mut w = World::with(|config| config.limits.frame_bytes = 4096);
    let a = w.login("tok-alice");
    let empty = envelope("job.submit", &json!({"agent": "echo", "input": ""})).to_string();
    let input = "x".repeat(4096 - empty.len());
    let frame = envelope("job.submit", &json!({"agent": "echo", "input": input})).to_string();
    assert_eq!(frame.len(), 4096);
    w.send_text(a, &frame);
    w.expect(a, "job.accepted");
}

#[test]
fn s5_a_frame_rejected_by_the_link_is_answered_like_any_other() {
    for (code, said) in [(1009, "frame_bytes"), (1007, "UTF-8")] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.runtime.handle_unreadable(w.now, a, code);
        w.settle();
        let error = w.expect(a, "session.error");
        assert!(error.text().contains(said), "{error:?}");
        assert_eq!(w.closed(a), Some(code));
        w.log(&job, "it goes on");
        let b = w.resume(a, 1);
        assert_eq!(w.event(b, "log").body()["message"], "it goes on");
        // Once the connection is closed, another report has no effect.
        w.runtime.handle_unreadable(w.now, a, code);
        w.settle();
        w.expect_nothing(b);
    }
}
