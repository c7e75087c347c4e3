//! Each limit of `Config` is hit once: the request is refused with `INTERNAL_ERROR` and `details{limit,max}`, and the
//! limit is never exceeded.

use nuncio_core::arcp::{Event, Refused};
use nuncio_tests::world::{Frame, SECOND, World};
use serde_json::json;

pub(crate) fn assert_limit(error: &Frame, name: &str, max: u64) {
    assert_eq!(error.payload()["code"], "INTERNAL_ERROR");
    assert_eq!(error.payload()["details"], json!({"limit": name, "max": max}), "{error:?}");
}

#[test]
fn limit_connections() {
    let mut w = World::with(|config| config.limits.connections = 2);
    let a = w.login("tok-alice");
    w.login("tok-alice");
    let c = w.open();
    assert_limit(&w.recv(c), "connections", 2);
    assert!(w.closed(c).is_some());
    w.cut(a);
    w.login("tok-alice");
}

#[test]
fn limit_sessions() {
    let mut w = World::with(|config| config.limits.sessions = 2);
    let a = w.login("tok-alice");
    w.login("tok-bob");
    let c = w.open();
    w.hello(c, "tok-alice", &[]);
    assert_limit(&w.recv(c), "sessions", 2);
    assert!(w.closed(c).is_some());
    // A resume needs no new session.
    w.resume(a, 0);
}

#[test]
fn limit_sessions_per_principal_does_not_count_closed_idle_sessions() {
    let mut w = World::with(|config| config.limits.sessions_per_principal = 2);
    // Sessions that are still counted: one closed while its job runs, and one that was cut.
    let a = w.login("tok-alice");
    w.job(a, "echo");
    w.send(a, "session.close", json!({}));
    let b = w.login("tok-alice");
    w.cut(b);
    let c = w.open();
    w.hello(c, "tok-alice", &[]);
    assert_limit(&w.recv(c), "sessions_per_principal", 2);
    let b = w.resume(b, 0);
    w.send(b, "session.close", json!({}));
    // A closed session without jobs is not counted: short commands may follow each other without limit.
    for _ in 0..10 {
        let d = w.login("tok-alice");
        w.send(d, "session.close", json!({}));
    }
    w.resume(a, 0);
}

#[test]
fn limit_sessions_per_principal() {
    let mut w = World::with(|config| config.limits.sessions_per_principal = 1);
    let a = w.login("tok-alice");
    let b = w.open();
    w.hello(b, "tok-alice2", &[]);
    assert_limit(&w.recv(b), "sessions_per_principal", 1);
    assert!(w.closed(b).is_some());
    w.login("tok-bob");
    // A session whose window has lapsed no longer counts.
    w.cut(a);
    w.advance(601 * SECOND);
    w.login("tok-alice");
}

#[test]
fn limit_jobs() {
    let mut w = World::with(|config| config.limits.jobs = 2);
    let a = w.login("tok-alice");
    let b = w.login("tok-bob");
    let job = w.job(a, "slow");
    w.job(b, "slow");
    assert_limit(&w.submit_refused(a, json!({"agent": "slow"}), "INTERNAL_ERROR"), "jobs", 2);
    w.finish(&job, "1");
    w.drain(a);
    w.job(a, "slow");
}

#[test]
fn limit_jobs_per_session() {
    let mut w = World::with(|config| config.limits.jobs_per_session = 2);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.job(a, "slow");
    assert_limit(&w.submit_refused(a, json!({"agent": "slow"}), "INTERNAL_ERROR"), "jobs_per_session", 2);
    let b = w.login("tok-alice");
    w.job(b, "slow");
    w.finish(&job, "1");
    w.drain(a);
    w.job(a, "slow");
}

#[test]
fn limit_subscriptions() {
    let mut w = World::with(|config| config.limits.subscriptions = 2);
    let a = w.login("tok-alice");
    let jobs: Vec<_> = (0..3).map(|_| w.job(a, "slow")).collect();
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": jobs[0].id}));
    w.subscribe(b, json!({"job_id": jobs[1].id}));
    w.send(b, "job.subscribe", json!({"job_id": jobs[2].id}));
    assert_limit(&w.recv(b), "subscriptions", 2);
    // Repeating a subscription does not count again; an ended or cancelled one no longer counts.
    w.subscribe(b, json!({"job_id": jobs[1].id}));
    w.send(b, "job.unsubscribe", json!({"job_id": jobs[0].id}));
    w.subscribe(b, json!({"job_id": jobs[2].id}));
    w.finish(&jobs[1], "1");
    w.drain(b);
    w.subscribe(b, json!({"job_id": jobs[0].id}));
}

#[test]
fn limit_list_page() {
    let mut w = World::with(|config| config.limits.list_page = 3);
    let a = w.login("tok-alice");
    for _ in 0..5 {
        w.job(a, "slow");
    }
    let page = w.list(a, json!({}));
    assert_eq!(page.payload()["jobs"].as_array().unwrap().len(), 3);
    assert!(page.payload()["next_cursor"].is_string());
}

#[test]
fn limit_a_page_never_exceeds_the_frame() {
    let mut w = World::with(|config| config.limits.frame_bytes = 8192);
    let a = w.login("tok-alice");
    let patterns: Vec<String> = (0..60).map(|n| format!("/workspace/directory-{n}/**")).collect();
    let ids: Vec<String> =
        (0..10).map(|_| w.submit(a, json!({"agent": "slow", "lease_request": {"fs.read": patterns}})).id).collect();
    let mut found = Vec::new();
    let mut cursor = json!(null);
    loop {
        let page = w.list(a, json!({"cursor": cursor}));
        found.extend(
            page.payload()["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap().to_owned()),
        );
        cursor = page.payload()["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(found, ids);
}

#[test]
fn limit_replies_stop_reading() {
    let mut w = World::with(|config| config.limits.reply_frames = 4);
    let a = w.login("tok-alice");
    w.hold_writes(a);
    let mut asked = 0;
    while w.runtime.reading(a) {
        w.send(a, "session.list_jobs", json!({}));
        asked += 1;
        assert!(asked < 200, "replies are bounded");
    }
    w.report_written(a, w.unsent(a));
    w.release_writes(a);
    assert!(w.runtime.reading(a));
    assert!(w.reading_announced(a));
    assert_eq!(w.drain(a).len(), asked);
}

#[test]
fn limit_reply_bytes_stop_reading() {
    let mut w = World::with(|config| {
        config.limits.reply_bytes = 4_000;
        config.limits.send_window_bytes = 1_000;
    });
    let a = w.login("tok-alice");
    for _ in 0..3 {
        w.job(a, "slow");
    }
    w.hold_writes(a);
    let mut asked = 0;
    while w.runtime.reading(a) {
        w.send(a, "session.list_jobs", json!({}));
        asked += 1;
        assert!(asked < 50, "replies are bounded in bytes");
    }
    w.release_writes(a);
    assert!(w.runtime.reading(a));
    assert_eq!(w.drain(a).len(), asked);
}

#[test]
fn limit_send_window() {
    let mut w = World::with(|config| config.limits.send_window = 3);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    for n in 0..10 {
        w.log(&job, &n.to_string());
    }
    assert_eq!((w.drain(a).len(), w.unsent(a)), (3, 3));
    w.report_written(a, 2);
    assert_eq!((w.drain(a).len(), w.unsent(a)), (2, 3));
    // Excess and late reports are harmless.
    w.report_written(a, 1_000);
    w.release_writes(a);
    assert_eq!(w.drain(a).len(), 5);
}

#[test]
fn limit_send_window_bytes_always_allow_one_frame() {
    let mut w = World::with(|config| config.limits.send_window_bytes = 1_000);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    for _ in 0..3 {
        w.log(&job, &"x".repeat(2_000));
    }
    assert_eq!(w.drain(a).len(), 1);
    w.report_written(a, 1);
    assert_eq!(w.drain(a).len(), 1);
}

#[test]
fn limit_send_window_bytes_count_the_frame_that_is_next() {
    let mut w = World::with(|config| config.limits.send_window_bytes = 2_000);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.drain(a);
    w.hold_writes(a);
    for _ in 0..3 {
        w.log(&job, &"x".repeat(1_000));
    }
    assert_eq!(w.drain(a).len(), 1, "two of them are more than may be outstanding");
}

#[test]
fn limit_retained_jobs() {
    let mut w = World::with(|config| config.limits.retained_jobs = 3);
    let a = w.login("tok-alice");
    let jobs: Vec<_> = (0..6).map(|_| w.job(a, "echo")).collect();
    for job in &jobs {
        w.finish(job, "1");
    }
    w.drain(a);
    let page = w.list(a, json!({}));
    let ids: Vec<&str> =
        page.payload()["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [jobs[3].id.as_str(), &jobs[4].id, &jobs[5].id], "the oldest go");
    w.send(a, "job.subscribe", json!({"job_id": jobs[0].id}));
    w.refusal(a, "JOB_NOT_FOUND");
    assert!(w.runtime.job(jobs[0].key).is_none());
}

#[test]
fn limit_retained_bytes() {
    let mut w = World::with(|config| config.limits.retained_bytes = 100_000);
    let a = w.login("tok-alice");
    for _ in 0..20 {
        let job = w.job(a, "echo");
        for _ in 0..10 {
            w.log(&job, &"x".repeat(2_000));
        }
        w.finish(&job, "1");
        w.drain(a);
    }
    let kept = w.list(a, json!({})).payload()["jobs"].as_array().unwrap().len();
    assert!((1..=5).contains(&kept), "{kept} jobs of 20 KiB are kept in 100 KB");
}

#[test]
fn limit_memory_is_returned() {
    let mut w = World::with(|config| {
        config.limits.retained_jobs = 0;
        config.limits.idempotency_records = 10;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.finish(&job, "1");
    w.drain(a);
    w.send(a, "session.ack", json!({"last_processed_seq": 2}));
    let before = w.runtime.bytes_held();
    for n in 0..2_000_u64 {
        let job = w.submit(a, json!({"agent": "echo", "input": "x".repeat(100), "idempotency_key": format!("k{n}")}));
        w.log(&job, &"x".repeat(1_000));
        w.finish(&job, "1");
        let last = w.drain(a).last().and_then(Frame::seq).unwrap();
        w.send(a, "session.ack", json!({"last_processed_seq": last}));
        w.history.clear();
        w.events.clear();
    }
    let after = w.runtime.bytes_held();
    assert!(after < before + 200_000, "{before} -> {after} bytes");
}

#[test]
fn limit_the_log_is_bounded_in_bytes() {
    let mut w = World::with(|config| {
        config.limits.log_bytes = 100_000;
        config.limits.history_bytes = 100_000;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for _ in 0..500 {
        w.log(&job, &"x".repeat(2_000));
    }
    assert!(w.runtime.bytes_held() < 1_000_000, "{}", w.runtime.bytes_held());
    w.cut(a);
    for _ in 0..500 {
        w.log(&job, &"x".repeat(2_000));
    }
    assert!(w.runtime.bytes_held() < 1_000_000, "{}", w.runtime.bytes_held());
}

#[test]
fn limit_history_bytes() {
    let mut w = World::with(|config| config.limits.history_bytes = 10_000);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for _ in 0..10 {
        w.log(&job, &"x".repeat(2_000));
    }
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "from_event_seq": 0, "history": true}));
    assert_eq!(subscribed.payload()["history_truncated"], true);
    let replayed = w.drain(b).len();
    assert!((3..=4).contains(&replayed), "{replayed} events of 2 KB are kept in 10 KB");
}

#[test]
fn limit_idempotency_bytes() {
    let keyed = |key: String| json!({"agent": "echo", "idempotency_key": key});
    let mut w = World::with(|config| {
        config.limits.retained_jobs = 0;
        config.limits.idempotency_bytes = 5_000;
    });
    let a = w.login("tok-alice");
    let mut ended = Vec::new();
    for n in 0..100 {
        let job = w.submit(a, keyed(format!("k{n}")));
        w.finish(&job, "1");
        w.drain(a);
        ended.push(job.id);
    }
    // The newest record is still kept; the oldest was evicted, so its key is free again.
    w.send_submit(a, keyed("k99".into()));
    assert_eq!(w.expect(a, "job.accepted").job(), ended[99]);
    w.drain(a);
    w.send_submit(a, keyed("k0".into()));
    assert_ne!(w.expect(a, "job.accepted").job(), ended[0]);
}

#[test]
fn limit_ended_is_the_last_host_event_of_a_job() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.finish(&job, "1");
    let last = w.events.iter().rev().find(|event| {
        matches!(event, Event::Start { job: key } | Event::Ended { job: key, .. } | Event::Cancel { job: key, .. } if *key == job.key)
    });
    assert!(matches!(last, Some(Event::Ended { .. })), "the last event of a job");
    assert!(matches!(w.try_finish(&job, "1"), Err(Refused::Terminal | Refused::Stale)));
}

#[test]
fn limit_a_long_session_lives() {
    // The Python runtime killed a session after 10 000 envelopes.
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 0..12_000_u32 {
        w.log(&job, "x");
        if n % 1_000 == 0 {
            w.send(a, "session.pong", json!({}));
            w.drain(a);
        }
    }
    w.drain(a);
    w.finish(&job, "1");
    w.expect(a, "job.result");
}
