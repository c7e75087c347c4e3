use nuncio_tests::raw::{Ended, ResumePoint, Wire, assert_gapless, job_id, seqs, text};
use serde_json::{Value, json};

use super::serve;

fn slow(ticks: u32) -> Value {
    json!({"agent": "slow", "input": {"ticks": ticks, "tick_ms": 20}})
}

#[test]
fn a_job_survives_a_drop() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let job = job_id(&wire.submit(&slow(50)));
    wire.until("its third tick", |f| f["event_seq"] == 3);
    let point = wire.point();
    let before = wire.cut();
    let mut back = Wire::resume(server.url(), "tok-alice", &point);
    assert_eq!(back.terminal(&job)["payload"]["result"], json!({"ticks": 50}));
    assert_gapless(before.iter().chain(&back.seen));
}

#[test]
fn a_job_survives_a_bye_and_a_close() {
    let server = serve(&[]);
    for goodbye in ["session.bye", "session.close"] {
        let mut wire = Wire::connect(server.url(), "tok-alice");
        let job = job_id(&wire.submit(&slow(30)));
        wire.request(goodbye, &json!({"reason": "done for today"}));
        wire.until_type("session.closed");
        assert_eq!(wire.ending(), Ended(Some(1000)), "{goodbye}");
        let mut back = Wire::resume(server.url(), "tok-alice", &wire.point());
        assert_eq!(back.terminal(&job)["payload"]["result"], json!({"ticks": 30}), "{goodbye}");
        assert_gapless(wire.seen.iter().chain(&back.seen));
    }
}

#[test]
fn unwritten_events_are_not_lost_in_a_drop() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let job = job_id(&wire.submit(&json!({"agent": "flood", "input": {"n": 8000, "size": 1000}})));
    wire.until("its hundredth event", |f| f["event_seq"] == 100);
    let point = wire.point();
    wire.cut();
    let mut back = Wire::resume(server.url(), "tok-alice", &point);
    back.terminal(&job);
    assert_eq!(seqs(&back.seen), (101..=8002).collect::<Vec<_>>());
}

#[test]
fn resume_tokens_cannot_be_guessed_from_one_another() {
    let server = serve(&[]);
    let sessions: Vec<_> = (0..8).map(|_| Wire::connect(server.url(), "tok-alice")).collect();
    for wire in &sessions {
        let secret = wire.resume_token.strip_prefix("rt_").unwrap_or_default();
        assert_eq!(secret.len(), 64, "256 bits in hex: {}", wire.resume_token);
        // ULIDs made at the same time begin alike; tokens must not, or one would help to guess the next.
        let alike = sessions.iter().filter(|other| other.resume_token.get(..12) == wire.resume_token.get(..12));
        assert_eq!(alike.count(), 1, "tokens begin differently");
        let id = wire.session_id.trim_start_matches("sess_").to_lowercase();
        assert!(!secret.contains(&id), "the token does not contain the session's id");
    }
}

#[test]
fn a_wrong_resume_destroys_nothing() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.run(&json!({"agent": "echo"}));
    let right = wire.point();
    wire.cut();
    let wrong = ResumePoint { resume_token: format!("rt_{}", "0".repeat(64)), ..right.clone() };
    for _ in 0..3 {
        assert_eq!(Wire::resume_refused(server.url(), "tok-alice", &wrong).0, "RESUME_WINDOW_EXPIRED");
    }
    let beyond = ResumePoint { last_event_seq: right.last_event_seq + 1, ..right.clone() };
    assert_eq!(Wire::resume_refused(server.url(), "tok-alice", &beyond).0, "INVALID_REQUEST");
    let mut back = Wire::resume(server.url(), "tok-alice", &right);
    back.run(&json!({"agent": "echo"}));
}

#[test]
fn a_resume_is_bound_to_the_principal() {
    let server = serve(&[]);
    let wire = Wire::connect(server.url(), "tok-alice");
    let point = wire.point();
    wire.cut();
    assert_eq!(Wire::resume_refused(server.url(), "tok-bob", &point).0, "RESUME_WINDOW_EXPIRED");
    assert_eq!(Wire::resume_refused(server.url(), "tok-nobody", &point).0, "UNAUTHENTICATED");
    // Another token of the same principal is the same principal.
    let back = Wire::resume(server.url(), "tok-alice2", &point);
    assert_eq!(back.session_id, point.session_id);
}

#[test]
fn a_client_that_is_caught_up_resumes() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.run(&json!({"agent": "echo"}));
    wire.request("session.ack", &json!({"last_processed_seq": wire.point().last_event_seq}));
    wire.list();
    let point = wire.point();
    let before = wire.cut();
    let mut back = Wire::resume(server.url(), "tok-alice", &point);
    back.run(&json!({"agent": "echo"}));
    assert_gapless(before.iter().chain(&back.seen));
}

#[test]
fn only_events_that_were_not_acknowledged_can_be_replayed() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.run(&json!({"agent": "flood", "input": {"n": 100}}));
    wire.request("session.ack", &json!({"last_processed_seq": 50}));
    wire.list();
    let point = wire.point();
    wire.cut();
    let acked = ResumePoint { last_event_seq: 20, ..point.clone() };
    assert_eq!(Wire::resume_refused(server.url(), "tok-alice", &acked).0, "RESUME_WINDOW_EXPIRED");
    let kept = ResumePoint { last_event_seq: 50, ..point };
    let mut back = Wire::resume(server.url(), "tok-alice", &kept);
    back.until("the last event", |f| f["event_seq"] == 102);
    assert_eq!(seqs(&back.seen), (51..=102).collect::<Vec<_>>());
}

#[test]
fn live_events_reach_the_resumed_connection_and_numbering_continues() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.run(&json!({"agent": "echo"}));
    let job = job_id(&wire.submit(&slow(60)));
    wire.until("the job's start", |f| f["job_id"] == job.as_str() && f["type"] == "job.event");
    let point = wire.point();
    // The old connection is still open: the new one replaces it, and the old one ends without another frame.
    let mut back = Wire::resume(server.url(), "tok-alice", &point);
    assert_eq!(wire.ending(), Ended(Some(4409)));
    back.run(&json!({"agent": "echo"}));
    back.terminal(&job);
    let first_half = wire.seen.iter().filter(|f| f["event_seq"].as_u64().is_some_and(|s| s <= point.last_event_seq));
    assert_gapless(first_half.chain(&back.seen));
}

#[test]
fn a_lost_welcome_does_not_lose_the_session() {
    let server = serve(&[]);
    let wire = Wire::connect(server.url(), "tok-alice");
    let old = wire.point();
    wire.cut();
    let unread = Wire::resume(server.url(), "tok-alice", &old);
    let newest = unread.point();
    unread.cut();
    // No frame has shown that the client received the newest token, so the one before it is still valid …
    let mut back = Wire::resume(server.url(), "tok-alice", &old);
    back.list();
    let proved = back.point();
    back.cut();
    // … until a frame on a resumed connection shows that the client has a later one.
    for dead in [&old, &newest] {
        assert_eq!(Wire::resume_refused(server.url(), "tok-alice", dead).0, "RESUME_WINDOW_EXPIRED");
    }
    Wire::resume(server.url(), "tok-alice", &proved);
}

#[test]
fn job_accepted_is_repeated_before_the_first_event_after_a_resume() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let accepted = wire.submit(&slow(5));
    let job = job_id(&accepted);
    let unread = ResumePoint { last_event_seq: 0, ..wire.point() };
    wire.cut();
    let mut back = Wire::resume(server.url(), "tok-alice", &unread);
    back.terminal(&job);
    let of_job: Vec<_> = back.seen.iter().filter(|f| f["job_id"] == job.as_str()).collect();
    assert_eq!(of_job.first().copied(), Some(&accepted));
    assert_gapless(&back.seen);
}

#[test]
fn a_session_survives_ten_thousand_envelopes() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    for _ in 0..105 {
        let nonces: Vec<_> = (0..100).map(|i| format!("n{i}")).collect();
        for nonce in &nonces {
            wire.request("session.ping", &json!({"nonce": nonce, "sent_at": "2026-11-21T00:00:00Z"}));
        }
        for nonce in &nonces {
            let pong = wire.receive().expect("the session continues");
            assert_eq!(
                (text(&pong, "/type"), text(&pong, "/payload/ping_nonce")),
                ("session.pong".into(), nonce.clone())
            );
        }
    }
    wire.run(&json!({"agent": "echo"}));
}

#[test]
fn every_bad_request_is_answered_and_none_ends_the_session() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let job = job_id(&wire.submit(&slow(50)));
    let no_job = format!("job_{}", "0".repeat(26));
    for (kind, payload, code) in [
        ("no.such.type", json!({}), "INVALID_REQUEST"),
        ("session.hello", json!({}), "INVALID_REQUEST"),
        ("session.welcome", json!({}), "INVALID_REQUEST"),
        ("job.accepted", json!({}), "INVALID_REQUEST"),
        ("job.submit", json!({}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": 7}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": "no spaces"}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": "echo", "max_runtime_sec": 0}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": "echo", "idempotency_key": ""}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": "echo", "lease_request": []}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": "echo", "lease_constraints": {"expires_at": "soon"}}), "INVALID_REQUEST"),
        ("job.submit", json!({"agent": "nobody"}), "AGENT_NOT_AVAILABLE"),
        ("job.cancel", json!({}), "INVALID_REQUEST"),
        ("job.cancel", json!({"job_id": no_job}), "JOB_NOT_FOUND"),
        ("job.subscribe", json!({"job_id": no_job}), "JOB_NOT_FOUND"),
        ("job.subscribe", json!({"job_id": no_job, "from_event_seq": -1}), "INVALID_REQUEST"),
        ("session.list_jobs", json!({"limit": 0}), "INVALID_REQUEST"),
        ("session.list_jobs", json!({"limit": 1001}), "INVALID_REQUEST"),
        ("session.list_jobs", json!({"filter": {"created_after": "yesterday"}}), "INVALID_REQUEST"),
    ] {
        assert_eq!(wire.refused(kind, &payload), code, "{kind} {payload}");
    }
    for (member, value) in
        [("arcp", json!("2")), ("arcp", Value::Null), ("session_id", json!("sess_another")), ("payload", json!(7))]
    {
        let mut frame = wire.envelope("job.submit", &json!({"agent": "echo"}));
        frame[member] = value;
        wire.send(&frame);
        assert_eq!(text(&wire.answer(&text(&frame, "/id")), "/payload/code"), "INVALID_REQUEST", "{frame}");
    }
    for broken in [
        "{",
        "",
        "[]",
        "null",
        "\"job.submit\"",
        "{\"arcp\":\"1.1\",\"id\":\"a\",\"id\":\"b\",\"type\":\"session.ping\"}",
    ] {
        wire.send_text(broken);
        let error = wire.receive_past_events();
        assert_eq!(
            (text(&error, "/type"), text(&error, "/payload/code")),
            ("session.error".into(), "INVALID_REQUEST".into()),
            "{broken}"
        );
    }
    for error in wire.seen.iter().filter(|f| f["type"] == "session.error") {
        assert_eq!(error["session_id"], wire.session_id.as_str(), "{error}");
        assert!(error["payload"]["message"].as_str().is_some_and(|m| !m.is_empty()), "{error}");
        assert_eq!(error["payload"]["retryable"], false, "{error}");
    }
    assert_eq!(wire.terminal(&job)["payload"]["result"], json!({"ticks": 50}));
    wire.run(&json!({"agent": "echo"}));
    assert_gapless(&wire.seen);
}
