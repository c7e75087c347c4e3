//! The checker must be able to fail: each case breaks one rule.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nuncio_core::arcp::{ConnId, Dialect};
use serde_json::{Value, json};

use super::{Checker, Frame};

const SESSION: &str = "sess_01M7XYPHEFXZS43J3Q7GF7TK63";
const JOB: &str = "job_01M7XYPH85GSFKWQXBK44MZHS9";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn welcomed() -> (Checker, ConnId) {
    let mut checker = Checker::new();
    checker.principal("tok-alice", "alice");
    let conn = ConnId::default();
    checker.opened(conn, 4096);
    checker.received(conn, r#"{"payload":{"auth":{"token":"tok-alice"}}}"#);
    let welcome = json!({"session_id": SESSION, "resume_token": "rt_1", "capabilities": {"features": ["ack"]}});
    checker.live(SESSION, Dialect::SPEC);
    checker.sent(conn, &frame(1, "session.welcome", &welcome, &json!({})));
    checker.received(conn, r#"{"id":"r","type":"job.submit"}"#);
    let accepted = json!({"job_id": JOB, "agent": "echo", "lease": {}, "trace_id": TRACE, "request_id": "r", "accepted_at": "2026-05-13T19:30:00.000Z"});
    checker.sent(conn, &frame(2, "job.accepted", &accepted, &json!({"job_id": JOB, "trace_id": TRACE})));
    (checker, conn)
}

fn frame(n: u32, kind: &str, payload: &Value, more: &Value) -> Frame {
    let id = format!("01M7XYPHEFXZS43J3Q7GF7{n:04}");
    let mut frame = json!({"arcp": "1.1", "id": id, "type": kind, "session_id": SESSION, "payload": payload});
    for (name, value) in more.as_object().into_iter().flatten() {
        frame[name] = value.clone();
    }
    Frame::parse(&frame.to_string())
}

fn event(n: u32, seq: u64) -> Frame {
    let payload = json!({"kind": "log", "ts": "2026-05-13T19:30:00.000Z", "body": {"level": "info", "message": "m"}});
    frame(n, "job.event", &payload, &json!({"job_id": JOB, "trace_id": TRACE, "event_seq": seq}))
}

fn result(n: u32, seq: u64) -> Frame {
    let payload = json!({"final_status": "success", "result": null, "completed_at": "2026-05-13T19:30:00.000Z"});
    frame(n, "job.result", &payload, &json!({"job_id": JOB, "trace_id": TRACE, "event_seq": seq}))
}

fn error(n: u32, change: impl FnOnce(&mut Value)) -> Frame {
    let mut payload = json!({"code": "INVALID_REQUEST", "message": "m", "retryable": false});
    change(&mut payload);
    frame(n, "session.error", &payload, &json!({}))
}

#[test]
fn a_good_conversation_passes() {
    let (mut checker, conn) = welcomed();
    for frame in [event(3, 1), event(4, 2), error(5, |_| {}), result(6, 3)] {
        checker.sent(conn, &frame);
    }
}

#[test]
fn every_broken_rule_is_found() {
    let job = json!({"job_id": JOB, "trace_id": TRACE, "event_seq": 1});
    let body = json!({"kind": "log", "ts": "2026-05-13T19:30:00.000Z", "body": {}});
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("gap", vec![event(3, 1), event(4, 3)]),
        ("does not start at one", vec![event(3, 2)]),
        ("repeated number", vec![event(3, 1), event(4, 1)]),
        ("repeated id", vec![event(3, 1), event(3, 2)]),
        ("after the terminal", vec![result(3, 1), event(4, 2)]),
        ("two terminals", vec![result(3, 1), result(4, 2)]),
        ("no number", vec![frame(3, "job.event", &body, &json!({"job_id": JOB, "trace_id": TRACE}))]),
        ("number on an unnumbered frame", vec![frame(3, "session.closed", &json!({}), &json!({"event_seq": 1}))]),
        ("unknown type", vec![frame(3, "session.open", &json!({}), &json!({}))]),
        ("version", vec![frame(3, "session.closed", &json!({}), &json!({"arcp": "1"}))]),
        ("lower-case id", vec![frame(3, "session.closed", &json!({}), &json!({"id": "01m7xyphefxzs43j3q7gf7tk63"}))]),
        ("null", vec![frame(3, "session.closed", &json!({"reason": null}), &json!({}))]),
        ("unknown member", vec![frame(3, "session.closed", &json!({}), &json!({"extra": 1}))]),
        (
            "other session",
            vec![frame(3, "session.closed", &json!({}), &json!({"session_id": "sess_01M7XYPHEFXZS43J3Q7GF7TK64"}))],
        ),
        ("no trace", vec![frame(3, "job.event", &body, &json!({"job_id": JOB, "event_seq": 1}))]),
        ("timestamp", vec![frame(3, "session.pong", &json!({"received_at": "2026-05-13T19:30:00Z"}), &json!({}))]),
        ("code", vec![error(3, |payload| payload["code"] = json!("OOPS"))]),
        ("message", vec![error(3, |payload| payload["message"] = json!(""))]),
        ("retryable", vec![error(3, |payload| payload["retryable"] = json!(true))]),
        ("details", vec![error(3, |payload| payload["details"] = json!({}))]),
        ("resume token", vec![error(3, |payload| payload["message"] = json!("rt_1"))]),
        ("bearer token", vec![error(3, |payload| payload["message"] = json!("tok-alice"))]),
        ("too large", vec![error(3, |payload| payload["message"] = json!("x".repeat(5000)))]),
        (
            "unnegotiated",
            vec![frame(3, "job.event", &json!({"kind": "progress", "ts": body["ts"], "body": {"current": 1}}), &job)],
        ),
        (
            "unknown job",
            vec![frame(
                3,
                "job.event",
                &body,
                &json!({"job_id": "job_01M7XYPH85GSFKWQXBK44MZHS8", "trace_id": TRACE, "event_seq": 1}),
            )],
        ),
    ];
    std::panic::set_hook(Box::new(|_| {}));
    for (name, frames) in cases {
        let (mut checker, conn) = welcomed();
        let broken = catch_unwind(AssertUnwindSafe(|| {
            for frame in &frames {
                checker.sent(conn, frame);
            }
        }));
        if broken.is_ok() {
            let _ = std::panic::take_hook();
            panic!("the checker accepted: {name}");
        }
    }
    let _ = std::panic::take_hook();
}
