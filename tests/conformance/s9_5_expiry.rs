//! §9.5: leases that expire.

use nuncio_core::arcp::{Body, ErrorCode, Event, FinalStatus, Refused};
use nuncio_tests::world::{Job, MILLI, SECOND, World};
use serde_json::{Value, json};

const AT: &str = "2026-05-13T19:30:10Z";

fn expiring(expires_at: &str) -> Value {
    json!({"agent": "slow", "lease_request": {"tool.call": ["t"], "agent.delegate": ["*"]}, "lease_constraints": {"expires_at": expires_at}})
}

/// A world at the very microsecond at which its job's lease expires.
fn expired() -> (World, nuncio_core::arcp::ConnId, Job) {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, expiring(AT));
    w.advance(10 * SECOND - 1);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    w.advance(1);
    w.expect_nothing(a);
    (w, a, job)
}

fn expect_lease_expired(w: &mut World, conn: nuncio_core::arcp::ConnId) {
    let error = w.expect(conn, "job.error");
    assert_eq!(error.payload()["code"], "LEASE_EXPIRED");
    assert_eq!(error.payload()["final_status"], "error");
    assert_eq!(error.payload()["retryable"], false);
    w.expect_nothing(conn);
}

#[test]
fn s9_5_expires_at_must_be_utc_valid_and_in_the_future() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for bad in [
        "2026-05-13T19:29:59Z",
        "2026-05-13T19:30:00Z",
        "2020-01-01T00:00:00Z",
        "2026-05-14T00:00:00+02:00",
        "2026-05-14T00:00:00-00:30",
        "2026-05-14T00:00:00",
        "2026-05-14",
        "tomorrow",
        "",
        "2026-13-14T00:00:00Z",
    ] {
        w.submit_refused(a, expiring(bad), "INVALID_REQUEST");
    }
}

#[test]
fn s9_5_plus_zero_is_utc_and_echoed_with_z() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, expiring("2026-05-14T00:00:00+00:00"));
    let echoed = job.accepted.payload()["lease_constraints"]["expires_at"].as_str().unwrap();
    assert!(echoed.starts_with("2026-05-14T00:00:00") && echoed.ends_with('Z'), "{echoed}");
    // The Python client writes microseconds.
    w.submit(a, expiring("2026-05-14T00:00:00.315377Z"));
}

#[test]
fn s9_5_empty_constraints_are_no_expiry() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_constraints": {}}));
    assert!(w.runtime.job(job.key).unwrap().expires_at.is_none());
}

#[test]
fn s9_5_from_expires_at_every_operation_is_lease_expired() {
    let (mut w, _, job) = expired();
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    assert_eq!(w.authorize(&job, "tool.call", "not even covered"), Err("LEASE_EXPIRED"));
}

#[test]
fn s9_5_without_an_attempt_the_job_ends_after_the_grace() {
    let (mut w, a, job) = expired();
    w.advance(SECOND - 1);
    w.expect_nothing(a);
    w.advance(1);
    expect_lease_expired(&mut w, a);
    assert_eq!(w.try_finish(&job, "1"), Err(Refused::Terminal));
}

#[test]
fn s9_5_without_an_attempt_it_may_still_end_by_itself() {
    let (mut w, a, job) = expired();
    w.advance(500 * MILLI);
    w.log(&job, "events still work");
    w.event(a, "log");
    w.finish(&job, "1");
    w.expect(a, "job.result");
}

#[test]
fn s9_5_after_an_attempt_the_next_tool_result_ends_it() {
    let (mut w, a, job) = expired();
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.expect_nothing(a);
    w.log(&job, "unwinding");
    w.event(a, "log");
    let error = json!({"call_id": "c3", "error": {"code": "LEASE_EXPIRED", "message": "expired", "retryable": false}});
    w.raw(&job, "tool_result", &error);
    assert_eq!(*w.event(a, "tool_result").body(), error);
    expect_lease_expired(&mut w, a);
}

#[test]
fn s9_5_after_an_attempt_returning_ends_it() {
    let (mut w, a, job) = expired();
    let _ = w.authorize(&job, "tool.call", "t");
    let _ = w.try_finish(&job, "1");
    expect_lease_expired(&mut w, a);
    let (mut w, a, job) = expired();
    let _ = w.authorize(&job, "tool.call", "t");
    let _ = w.fail(&job, "PERMISSION_DENIED", "x");
    expect_lease_expired(&mut w, a);
}

#[test]
fn s9_5_after_an_attempt_the_grace_ends_it_at_the_latest() {
    let (mut w, a, job) = expired();
    w.advance(900 * MILLI);
    let _ = w.authorize(&job, "tool.call", "t");
    w.advance(100 * MILLI - 1);
    w.expect_nothing(a);
    w.advance(1);
    expect_lease_expired(&mut w, a);
    assert_eq!(w.try_emit(&job, &Body::thought("x")), Err(Refused::Terminal));
}

#[test]
fn s9_5_a_refused_delegation_is_an_attempt() {
    let (mut w, a, job) = expired();
    assert_eq!(w.delegate(&job, &json!({"agent": "echo", "delegate_id": "d"})), Err("LEASE_EXPIRED"));
    let frames = w.drain(a);
    let refusal = frames.iter().find(|frame| frame.event() == "tool_result").unwrap();
    assert_eq!(refusal.body()["error"]["code"], "LEASE_EXPIRED");
    let _ = w.try_finish(&job, "1");
    let terminal = w.drain(a).pop().or_else(|| frames.into_iter().next_back()).unwrap();
    assert_eq!(terminal.payload()["code"], "LEASE_EXPIRED");
}

#[test]
fn s9_5_pending_jobs_expire_too() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.job(a, "narrow");
    let mut submit = expiring(AT);
    submit["agent"] = json!("narrow");
    w.send_submit(a, submit);
    w.expect(a, "job.accepted");
    w.advance(11 * SECOND);
    expect_lease_expired(&mut w, a);
}

#[test]
fn s9_5_any_future_date_works() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let far = w.submit(a, expiring("9999-12-31T23:59:59Z"));
    let month = w.submit(a, expiring("2026-07-13T19:30:00Z"));
    w.advance(25 * 24 * 3600 * SECOND);
    w.expect_nothing(a);
    assert_eq!(w.authorize(&month, "tool.call", "t"), Ok(()));
    w.advance(40 * 24 * 3600 * SECOND);
    expect_lease_expired(&mut w, a);
    assert_eq!(w.authorize(&far, "tool.call", "t"), Ok(()));
}

#[test]
fn s9_5_a_job_without_expiry_goes_on() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"tool.call": ["t"]}}));
    w.advance(365 * 24 * 3600 * SECOND);
    w.expect_nothing(a);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
}

#[test]
fn s9_5_after_an_attempt_no_later_cause_replaces_lease_expired() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut submit = expiring(AT);
    submit["max_runtime_sec"] = json!(10);
    let job = w.submit(a, submit);
    w.now = w.now.plus_micros(10 * SECOND);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.advance(0);
    w.advance(SECOND);
    expect_lease_expired(&mut w, a);

    let parent = w.submit(a, json!({"agent": "slow", "lease_request": {"tool.call": ["t"], "agent.delegate": ["*"]}}));
    let constraints = json!({"expires_at": "2026-05-13T19:31:00Z"});
    let body = json!({"agent": "slow", "lease_request": {"tool.call": ["t"]}, "lease_constraints": constraints});
    w.delegate(&parent, &body).unwrap();
    let frames = w.drain(a);
    let child = w.job_of(frames.iter().find(|frame| frame.kind() == "job.accepted").unwrap());
    w.now = w.now.plus_secs(60);
    assert_eq!(w.authorize(&child, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.drain(a);
    w.finish(&parent, "1");
    let error = w.expect(a, "job.error");
    assert_eq!((error.job(), &error.payload()["code"]), (child.id.as_str(), &json!("LEASE_EXPIRED")));
    w.expect(a, "job.result");
}

#[test]
fn s9_5_every_kind_of_operation_is_lease_expired() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let lease = json!({
        "fs.read": ["/**"], "fs.write": ["/**"], "net.fetch": ["https://e.test/**"], "tool.call": ["*"],
        "agent.delegate": ["*"], "model.use": ["*"], "x-vendor.acme.cap": ["*"],
    });
    let operations = [
        ("fs.read", "/a"),
        ("fs.write", "/a"),
        ("net.fetch", "https://e.test/a"),
        ("tool.call", "t"),
        ("agent.delegate", "echo"),
        ("model.use", "m"),
        ("x-vendor.acme.cap", "c"),
    ];
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease, "lease_constraints": {"expires_at": AT}}));
    w.advance(10 * SECOND - 1);
    for (namespace, target) in operations {
        assert_eq!(w.authorize(&job, namespace, target), Ok(()), "{namespace}");
    }
    w.advance(1);
    for (namespace, target) in operations {
        assert_eq!(w.authorize(&job, namespace, target), Err("LEASE_EXPIRED"), "{namespace}");
    }
    w.submit_refused(a, json!({"agent": "echo", "parent_job_id": job.id}), "LEASE_EXPIRED");
}

/// Neither activity in the session or the job nor a request that names the lease again extends it.
#[test]
fn s9_5_nothing_extends_a_lease() {
    let mut w = World::with(|config| config.provisioner = true);
    let a = w.login("tok-alice");
    let mut submit = expiring(AT);
    submit["lease_request"]["model.use"] = json!(["m"]);
    submit["lease_request"]["cost.budget"] = json!(["USD:1"]);
    submit["idempotency_key"] = json!("k");
    let job = w.submit(a, submit.clone());
    let later = json!({"expires_at": "2026-05-13T20:30:10Z"});
    w.advance(9 * SECOND);
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.send(a, "session.pong", json!({"ping_nonce": "n"}));
    w.send(a, "session.ack", json!({"last_processed_seq": 1}));
    w.send(a, "session.list_jobs", json!({}));
    w.log(&job, "alive");
    w.cost(&job, "0.25", "USD");
    w.rotate(&job, "cred_1", "rotated-value", "alice").unwrap();
    w.drain(a);
    // The same submit again has the same lease; with a later expiry it is a different submit.
    w.send_submit(a, submit.clone());
    let again = w.expect(a, "job.accepted");
    assert_eq!(again.payload()["lease_constraints"], job.accepted.payload()["lease_constraints"]);
    submit["lease_constraints"] = later.clone();
    w.submit_refused(a, submit, "DUPLICATE_KEY");
    assert_eq!(
        w.delegate(&job, &json!({"agent": "echo", "lease_constraints": later})),
        Err("LEASE_SUBSET_VIOLATION"),
        "a child's lease may not expire later either"
    );
    let b = w.login("tok-alice");
    let watch = json!({"job_id": job.id, "history": true, "lease_constraints": later});
    let subscribed = w.subscribe(b, watch);
    assert_eq!(subscribed.payload()["lease_constraints"], job.accepted.payload()["lease_constraints"]);
    let a = w.resume(a, 1);
    w.drain(a);
    w.drain(b);
    let view = w.runtime.job(job.key).unwrap();
    assert_eq!(view.expires_at, Some(nuncio_tests::world::START.plus_secs(10)));
    w.advance(SECOND - 1);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    w.advance(1);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.expect(a, "session.pong");
    w.advance(SECOND);
    expect_lease_expired(&mut w, a);
}

#[test]
fn s14_an_expiration_is_reported_to_the_host() {
    for attempted in [false, true] {
        let (mut w, _, job) = expired();
        if attempted {
            let _ = w.authorize(&job, "tool.call", "t");
        }
        w.advance(SECOND);
        let (status, code) = w.host_event("Ended", |event| match event {
            Event::Ended { job: ended, status, fault, .. } if *ended == job.key => {
                Some((*status, fault.as_ref().map(|fault| fault.code)))
            }
            _ => None,
        });
        assert_eq!((status, code), (FinalStatus::Error, Some(ErrorCode::LeaseExpired)), "attempted: {attempted}");
    }
}

#[test]
fn s14_a_clock_that_steps_back_restores_no_authority() {
    let (mut w, a, job) = expired();
    let before = w.now;
    for back in [1, SECOND, 3600 * SECOND] {
        w.now = nuncio_core::time::Time(before.0 - back);
        assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"), "{back} µs back");
    }
    w.now = before;
    w.advance(SECOND);
    expect_lease_expired(&mut w, a);
}
