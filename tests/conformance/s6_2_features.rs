//! §6.2: a feature that was not negotiated is not used in either direction.

use nuncio_core::arcp::{Body, Chunk, Number, Refused};
use nuncio_tests::world::{Frame, World, json_text};
use serde_json::json;

#[test]
fn s6_2_requests_of_unnegotiated_features_are_invalid() {
    for (feature, kind, payload) in [
        ("list_jobs", "session.list_jobs", json!({})),
        ("subscribe", "job.subscribe", json!({"job_id": "job_01M7XYPH85GSFKWQXBK44MZHS9"})),
        ("subscribe", "job.unsubscribe", json!({"job_id": "job_01M7XYPH85GSFKWQXBK44MZHS9"})),
    ] {
        let mut w = World::new();
        let a = w.login_without("tok-alice", &[feature]);
        let id = w.send(a, kind, payload);
        assert_eq!(w.refusal(a, "INVALID_REQUEST").payload()["request_id"], id.as_str());
        assert_eq!(w.closed(a), None);
    }
}

#[test]
fn s6_2_submits_that_use_unnegotiated_features_are_invalid() {
    for (feature, payload) in [
        ("lease_expires_at", json!({"agent": "echo", "lease_constraints": {"expires_at": "2026-05-14T00:00:00Z"}})),
        ("cost.budget", json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1"]}})),
        ("model.use", json!({"agent": "echo", "lease_request": {"model.use": ["tier-fast/*"]}})),
        ("agent_versions", json!({"agent": "ver@1.0.0"})),
    ] {
        let mut w = World::new();
        let a = w.login_without("tok-alice", &[feature]);
        w.submit_refused(a, payload.clone(), "INVALID_REQUEST");
        let b = w.login("tok-alice");
        w.submit(b, payload);
    }
}

#[test]
fn s6_2_an_unnegotiated_ack_is_ignored() {
    let mut w = World::with(|config| config.limits.log_events = 4);
    let a = w.login_without("tok-alice", &["ack"]);
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.drain(a);
    w.send(a, "session.ack", json!({"last_processed_seq": 2}));
    w.expect_nothing(a);
    let b = w.resume(a, 0);
    assert_eq!(w.drain(b).iter().filter_map(Frame::seq).collect::<Vec<_>>(), [1, 2], "nothing was freed");
}

#[test]
fn s6_2_progress_is_left_out_without_a_gap() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["progress"]);
    let b = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    let number = Number::from(1_u32);
    w.emit(&job, &Body::progress(&number, None, None, None).unwrap());
    w.expect_nothing(a);
    assert_eq!(w.event(b, "progress").seq(), Some(1), "a watcher that negotiated it gets it");
    w.log(&job, "after");
    assert_eq!(w.event(a, "log").seq(), Some(2), "no number was used");
}

#[test]
fn s6_2_result_chunks_of_a_watched_job_are_left_out() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.login_without("tok-alice", &["result_chunk"]);
    let job = w.job(a, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    w.chunk(&job, Chunk::Text("hello"), true).unwrap();
    w.finish_streamed(&job);
    assert_eq!(w.event(a, "result_chunk").body()["data"], "hello");
    w.expect(a, "job.result");
    let terminal = w.expect(b, "job.result");
    assert_eq!(terminal.seq(), Some(1));
    w.expect_nothing(b);
}

#[test]
fn s6_2_the_writer_delivers_inline_without_result_chunk() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["result_chunk"]);
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("hello "), false).unwrap();
    w.chunk(&job, Chunk::Text("world"), true).unwrap();
    w.expect_nothing(a);
    w.finish_streamed(&job);
    let terminal = w.expect(a, "job.result");
    assert_eq!(terminal.payload()["result"], "hello world");
    assert!(terminal.payload().get("result_id").is_none());
}

#[test]
fn s6_2_bytes_that_are_delivered_inline_name_their_encoding() {
    let pieces = [Chunk::Text("hello "), Chunk::Bytes(b"w\xffrld")];
    for (pieces, result) in [(&pieces[..], "aGVsbG8gd/9ybGQ="), (&pieces[1..], "d/9ybGQ=")] {
        let mut w = World::new();
        let a = w.login_without("tok-alice", &["result_chunk"]);
        let job = w.job(a, "echo");
        for piece in pieces {
            w.chunk(&job, *piece, false).unwrap();
        }
        w.finish_streamed(&job);
        let terminal = w.expect(a, "job.result");
        assert_eq!(terminal.payload()["result"], result);
        assert_eq!(terminal.payload()["encoding"], "base64");
    }
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["result_chunk"]);
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("aGVsbG8g"), true).unwrap();
    w.finish_streamed(&job);
    assert_eq!(w.expect(a, "job.result").payload().get("encoding"), None, "this is text");
}

#[test]
fn s6_2_a_raw_result_chunk_is_refused_without_result_chunk() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["result_chunk"]);
    let job = w.job(a, "echo");
    let body = json!({"result_id": "r", "chunk_seq": 0, "data": "x", "encoding": "utf8", "more": true});
    let body = Body::raw("result_chunk", &json_text(&body.to_string())).unwrap();
    assert!(matches!(w.try_emit(&job, &body), Err(Refused::NotNegotiated(_))));
    w.expect_nothing(a);
    w.finish(&job, "1");
    w.expect(a, "job.result");
}

#[test]
fn s6_2_agent_is_the_bare_name_without_agent_versions() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["agent_versions"]);
    let job = w.job(a, "ver");
    assert_eq!(job.accepted.payload()["agent"], "ver");
    assert_eq!(w.list(a, json!({})).payload()["jobs"][0]["agent"], "ver");
    let b = w.login("tok-alice");
    assert_eq!(
        w.list(b, json!({})).payload()["jobs"][0]["agent"],
        "ver@2.0.0",
        "the version was resolved nevertheless"
    );
    let subscribed = w.subscribe(a, json!({"job_id": job.id}));
    assert_eq!(subscribed.payload()["agent"], "ver");
}

#[test]
fn s6_2_without_provisioned_credentials_none_are_asked_for_or_shown() {
    let mut w = World::with(|config| config.provisioner = true);
    let a = w.login_without("tok-alice", &["provisioned_credentials"]);
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"model.use": ["tier-fast/*"]}}));
    assert!(job.accepted.payload().get("credentials").is_none());
    let credentials = w.host_event("Submitted", |event| match event {
        nuncio_core::arcp::Event::Submitted { credentials, .. } => Some(*credentials),
        _ => None,
    });
    assert!(!credentials);
}

#[test]
fn s6_2_without_heartbeat_no_ping_is_sent_and_no_session_is_lost() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    w.advance(1_000 * 1_000_000);
    w.expect_nothing(a);
    assert_eq!(w.closed(a), None);
    // A ping is always answered, negotiated or not.
    w.send(a, "session.ping", json!({"nonce": "n1", "sent_at": "2026-05-13T19:30:00.000Z"}));
    assert_eq!(w.expect(a, "session.pong").payload()["ping_nonce"], "n1");
}

#[test]
fn s6_2_a_delegated_lease_may_not_use_unnegotiated_features() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["model.use", "cost.budget"]);
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"agent.delegate": ["*"]}}));
    for lease in [json!({"model.use": ["x"]}), json!({"cost.budget": ["USD:1"]})] {
        assert!(w.delegate(&job, &json!({"agent": "echo", "lease_request": lease})).is_err());
    }
}

#[test]
fn s6_2_a_resume_keeps_the_features() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["list_jobs", "heartbeat", "agent_versions"]);
    w.cut(a);
    let b = w.resume(a, 0);
    let welcome = w.welcome(b);
    let features = &welcome.payload()["capabilities"]["features"];
    assert_eq!(*features, w.welcome(a).payload()["capabilities"]["features"], "fixed at the first hello");
    assert!(welcome.payload().get("heartbeat_interval_sec").is_none());
    w.send(b, "session.list_jobs", json!({}));
    w.refusal(b, "INVALID_REQUEST");
}
