//! core/docs/arcp.md, "Order of frames": the order of frames, also when some of them are queued.

use nuncio_tests::world::{Frame, World};
use serde_json::json;

fn position(frames: &[Frame], fits: impl Fn(&Frame) -> bool) -> usize {
    frames.iter().position(fits).unwrap_or_else(|| panic!("no frame matches: {frames:#?}"))
}

#[test]
fn s6_order_delegate_then_the_childs_accepted_then_its_events() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    w.hold_writes(a);
    for n in 0..5 {
        w.log(&job, &n.to_string());
    }
    let child = w.delegate(&job, &json!({"agent": "echo", "delegate_id": "d"})).unwrap();
    let id = w.runtime.job(child).unwrap().id.to_string();
    w.release_writes(a);
    let frames = w.drain(a);
    let delegate = position(&frames, |frame| frame.event() == "delegate");
    let accepted = position(&frames, |frame| frame.kind() == "job.accepted");
    let first = position(&frames, |frame| frame.kind() == "job.event" && frame.job() == id);
    assert!(delegate < accepted && accepted < first, "{frames:#?}");
}

#[test]
fn s6_order_accepted_comes_before_its_first_event_when_frames_wait() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    for n in 0..5 {
        w.log(&job, &n.to_string());
    }
    w.send_submit(a, json!({"agent": "echo"}));
    w.release_writes(a);
    let frames = w.drain(a);
    let accepted = position(&frames, |frame| frame.kind() == "job.accepted");
    let id = frames[accepted].job().to_owned();
    assert!(accepted < position(&frames, |frame| frame.kind() == "job.event" && frame.job() == id));
}

#[test]
fn s6_order_replies_do_not_wait_for_the_whole_log() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    for n in 0..100 {
        w.log(&job, &n.to_string());
    }
    w.send(a, "session.list_jobs", json!({}));
    w.drain(a);
    w.report_written(a, 1);
    let next = w.drain(a);
    w.report_written(a, 1);
    let after = w.drain(a);
    assert!(
        next.iter().chain(&after).any(|frame| frame.kind() == "session.jobs"),
        "a reply goes ahead of queued events"
    );
}

#[test]
fn s6_order_replies_are_in_the_order_of_their_requests() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(w.send(a, "session.list_jobs", json!({})));
        ids.push(w.send(a, "nonsense", json!({})));
    }
    let answered: Vec<String> =
        w.drain(a).iter().map(|frame| frame.payload()["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(answered, ids);
}

#[test]
fn s12_no_session_error_about_an_accepted_job() {
    // TypeScript and Python clients fail all their open handles on any `session.error`.
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(
        a,
        json!({"agent": "slow", "max_runtime_sec": 5, "lease_request": {"agent.delegate": ["*"], "cost.budget": ["USD:1"]}}),
    );
    let _ = w.delegate(&job, &json!({"agent": "nobody"}));
    let _ = w.authorize(&job, "fs.read", "/etc/passwd");
    w.cost(&job, "2", "USD");
    let _ = w.try_emit(&job, &nuncio_core::arcp::Body::log("info", &"x".repeat(2 << 20), None));
    w.send(a, "session.ack", json!({"last_processed_seq": 99}));
    w.advance(5_000_000);
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.send(a, "job.unsubscribe", json!({"job_id": job.id}));
    let frames = w.drain(a);
    assert!(frames.iter().all(|frame| frame.kind() != "session.error"), "{frames:#?}");
    assert_eq!(frames.last().unwrap().payload()["code"], "TIMEOUT");
}

#[test]
fn s7_6_unsubscribing_what_is_not_watched_is_silent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login("tok-alice");
    w.send(b, "job.unsubscribe", json!({"job_id": job.id}));
    w.expect_nothing(b);
}
