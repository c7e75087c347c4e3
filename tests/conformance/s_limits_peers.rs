//! Cheap messages of a peer must not make the runtime's memory or its output grow without bound.

use nuncio_core::arcp::Via;
use nuncio_tests::world::{FEATURES, OnSubmit, SECOND, World};
use serde_json::json;
use std::time::Duration;

use crate::s_limits::assert_limit;

#[test]
fn limit_pending_copies_of_a_submit() {
    let mut w = World::with(|config| config.limits.jobs_per_session = 3);
    w.on_submit = OnSubmit::Hold;
    let a = w.login("tok-alice");
    let submit = json!({"arcp": "1.1", "id": "same", "type": "job.submit", "payload": {"agent": "echo"}});
    for _ in 0..3 {
        w.send_frame(a, &submit);
        w.expect_nothing(a);
    }
    w.send_frame(a, &submit);
    assert_limit(&w.recv(a), "jobs_per_session", 3);
}

#[test]
fn limit_copies_of_an_ended_submit_do_not_fill_the_log() {
    let mut w = World::with(|config| config.limits.log_events = 50);
    let a = w.login("tok-alice");
    let submit = json!({"agent": "echo", "idempotency_key": "k"});
    let job = w.submit(a, submit.clone());
    w.finish(&job, "1");
    w.hold_writes(a);
    // The client reads, and repeats its submit as soon as there is room for the answer.
    for _ in 0..30_000 {
        if w.runtime.reading(a) {
            w.send_submit(a, submit.clone());
        } else {
            w.report_written(a, 1);
        }
    }
    assert!(w.runtime.bytes_held() < 512 << 10, "{} bytes are held", w.runtime.bytes_held());
}

#[test]
fn limit_jobs_a_session_is_attached_to() {
    let mut w = World::with(|config| config.limits.subscriptions = 2);
    let a = w.login("tok-alice");
    let submit = |key: &str| json!({"agent": "slow", "idempotency_key": key});
    for key in ["1", "2", "3"] {
        w.submit(a, submit(key));
    }
    let b = w.login("tok-alice");
    for key in ["1", "2"] {
        w.send_submit(b, submit(key));
        w.expect(b, "job.accepted");
    }
    w.send_submit(b, submit("3"));
    assert_limit(&w.recv(b), "subscriptions", 2);
}

#[test]
fn limit_jobs_a_session_takes_over() {
    let mut w = World::with(|config| {
        config.limits.jobs_per_session = 1;
        config.resume_window = Duration::from_secs(1);
    });
    let submit = |key: &str| json!({"agent": "slow", "idempotency_key": key});
    for key in ["1", "2"] {
        let a = w.login("tok-alice");
        w.submit(a, submit(key));
        w.cut(a);
    }
    w.advance(2 * SECOND);
    let b = w.login("tok-alice");
    w.send_submit(b, submit("1"));
    w.expect(b, "job.accepted");
    w.send_submit(b, submit("2"));
    assert_limit(&w.recv(b), "jobs_per_session", 1);
}

#[test]
fn limit_delegations_per_job() {
    let mut w = World::with(|config| config.limits.delegations_per_job = 2);
    let a = w.login("tok-alice");
    let parent = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    let child = |id: &str| json!({"agent": "echo", "parent_job_id": parent.id, "delegate_id": id});
    for id in ["1", "2"] {
        let job = w.submit(a, child(id));
        w.finish(&job, "1");
        w.drain(a);
    }
    w.send_submit(a, child("3"));
    assert_limit(&w.recv(a), "delegations_per_job", 2);
}

/// The world checks that no frame exceeds the limit of its connection.
#[test]
fn limit_frames_that_echo_a_peer_stay_within_the_frame_limit() {
    for via in [Via::Tls, Via::Stdio] {
        let mut w = World::new();
        let a = w.login_via("tok-alice", &FEATURES, via);
        let job = w.job(a, "slow");
        let long = "\u{e000}".repeat(300_000);
        for (kind, payload) in [
            ("session.ping", json!({"nonce": long})),
            (long.as_str(), json!({})),
            ("job.cancel", json!({"job_id": job.id, "reason": long})),
        ] {
            w.send(a, kind, payload);
            assert!(!w.drain(a).is_empty(), "an answer");
        }
        let long = "\u{e000}".repeat(150_000);
        for (id, payload) in
            [("1", format!(r#"{{"{long}":1,"{long}":1}}"#)), ("2", format!(r#"{{}},"{long}":1,"{long}":1"#))]
        {
            let twice = format!(r#"{{"arcp":"1.1","id":"{id}","type":"session.ping","payload":{payload}}}"#);
            w.send_text(a, &twice);
            w.refusal(a, "INVALID_REQUEST");
        }
        assert_eq!(w.closed(a), None);
    }
}

#[test]
fn limit_a_lease_too_large_for_a_frame_is_refused() {
    for via in [Via::Tls, Via::Stdio] {
        let mut w = World::new();
        let a = w.login_via("tok-alice", &FEATURES, via);
        // The canonical form is three times as long.
        let patterns: Vec<String> = (0..900).map(|n| format!("https://h/{n}?{}", "/".repeat(1_000))).collect();
        w.send_submit(a, json!({"agent": "echo", "lease_request": {"net.fetch": patterns}}));
        let error = w.refusal(a, "INTERNAL_ERROR");
        assert_eq!(error.payload()["details"]["limit"], "frame_bytes");
    }
}

#[test]
fn limit_frames_of_a_job_fit_every_watcher() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let large = "x".repeat(100_000);
    let submit = json!({"agent": "slow", "idempotency_key": "k"});
    let job = w.submit(a, submit.clone());
    let pipe = w.login_via("tok-alice", &FEATURES, Via::Stdio);
    w.send_submit(pipe, submit.clone());
    w.expect(pipe, "job.accepted");
    let watcher = w.login_via("tok-alice", &FEATURES, Via::Stdio);
    w.log(&job, &large);
    w.subscribe(watcher, json!({"job_id": job.id, "history": true}));
    assert_eq!(w.event(watcher, "status").body()["phase"], "running");
    assert_eq!(w.event(watcher, "status").body()["phase"], "subscription_dropped");
    w.finish(&job, &format!("{large:?}"));
    let terminal = w.expect(pipe, "job.error");
    assert_eq!(terminal.payload()["details"]["limit"], "frame_bytes");
    // The same limit applies after the job has ended.
    w.subscribe(watcher, json!({"job_id": job.id}));
    w.expect(watcher, "job.error");
    w.send_submit(pipe, submit);
    w.expect(pipe, "job.accepted");
    w.expect(pipe, "job.error");
}
