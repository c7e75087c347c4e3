//! §7.4: cancelling.

use nuncio_core::arcp::{Body, ErrorCode, Event, FinalStatus, Refused};
use nuncio_tests::world::{Job, OnSubmit, SECOND, World};
use serde_json::{Value, json};
use std::time::Duration;

fn cancel_request(w: &mut World, job: &Job) -> Option<(Option<String>, u64)> {
    let now = w.now;
    w.try_host_event(|event| match event {
        Event::Cancel { job: key, reason, deadline } if *key == job.key => Some((reason.clone(), deadline.since(now))),
        _ => None,
    })
}

fn expect_cancelled(w: &mut World, conn: nuncio_core::arcp::ConnId) -> Value {
    let error = w.expect(conn, "job.error");
    assert_eq!(error.payload()["final_status"], "cancelled");
    assert_eq!(error.payload()["code"], "CANCELLED");
    w.expect_nothing(conn);
    error.payload().clone()
}

#[test]
fn s7_4_cancelled_precedes_the_terminal() {
    for on_envelope in [true, false] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "slow");
        let mut frame = json!({"arcp": "1.1", "id": "c", "type": "job.cancel", "payload": {"reason": "user"}});
        if on_envelope {
            frame["job_id"] = json!(job.id);
        } else {
            frame["payload"]["job_id"] = json!(job.id);
        }
        w.send_frame(a, &frame);
        let cancelled = w.expect(a, "job.cancelled");
        assert_eq!(*cancelled.payload(), json!({"job_id": job.id, "reason": "user", "request_id": "c"}));
        w.expect_nothing(a);
        assert_eq!(cancel_request(&mut w, &job), Some((Some("user".into()), 30 * SECOND)));
        w.fail(&job, "INTERNAL_ERROR", "stopped").unwrap();
        expect_cancelled(&mut w, a);
    }
}

#[test]
fn s7_4_a_reason_is_optional() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for payload in [json!({}), json!({"reason": null})] {
        let job = w.job(a, "slow");
        w.send_frame(a, &json!({"arcp": "1.1", "id": "c", "type": "job.cancel", "job_id": job.id, "payload": payload}));
        let cancelled = w.expect(a, "job.cancelled");
        assert!(cancelled.payload().get("reason").is_none());
        assert_eq!(cancel_request(&mut w, &job).unwrap().0, None);
    }
}

#[test]
fn s7_4_an_agent_that_finishes_meanwhile_is_cancelled_too() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.finish(&job, "1");
    expect_cancelled(&mut w, a);
    let (status, code) = w.host_event("Ended", |event| match event {
        Event::Ended { status, fault, .. } => Some((*status, fault.as_ref().map(|fault| fault.code))),
        _ => None,
    });
    assert_eq!((status, code), (FinalStatus::Cancelled, Some(ErrorCode::Cancelled)));
}

#[test]
fn s7_4_the_grace_period_ends() {
    let mut w = World::with(|config| config.cancel_grace = Duration::from_secs(5));
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.advance(5 * SECOND - 1);
    w.expect_nothing(a);
    w.advance(1);
    expect_cancelled(&mut w, a);
    assert_eq!(w.try_finish(&job, "\"late\""), Err(Refused::Terminal));
}

#[test]
fn s7_4_during_the_grace_events_and_authorize_still_work() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"tool.call": ["t"]}}));
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.log(&job, "cleaning up");
    w.event(a, "log");
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    w.finish(&job, "1");
    expect_cancelled(&mut w, a);
    assert_eq!(w.try_emit(&job, &Body::thought("x")), Err(Refused::Terminal));
}

#[test]
fn s7_4_repeated_while_pending_is_answered_again() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for _ in 0..3 {
        let id = w.send(a, "job.cancel", json!({"job_id": job.id}));
        assert_eq!(w.expect(a, "job.cancelled").payload()["request_id"], id.as_str());
        w.advance(SECOND);
    }
    assert!(cancel_request(&mut w, &job).is_some());
    assert!(cancel_request(&mut w, &job).is_none(), "the agent is asked once");
    w.advance(30 * SECOND);
    let frames = w.drain(a);
    assert_eq!(frames.iter().filter(|frame| frame.kind() == "job.error").count(), 1, "the grace counts from the first");
}

#[test]
fn s7_4_cancelling_a_job_that_ended_in_this_session_gets_no_answer() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.finish(&job, "1");
    w.expect(a, "job.result");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect_nothing(a);
    assert_eq!(w.closed(a), None);
}

#[test]
fn s7_4_unknown_and_invisible_jobs_get_the_same_answer() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login("tok-bob");
    let mut answers = Vec::new();
    for id in [job.id.as_str(), "job_01M7XYPH85GSFKWQXBK44MZHS9", "job_x", ""] {
        if id.is_empty() {
            continue;
        }
        w.send(b, "job.cancel", json!({"job_id": id}));
        let mut payload = w.refusal(b, "JOB_NOT_FOUND").payload().clone();
        payload.as_object_mut().unwrap().remove("request_id");
        answers.push(payload);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(cancel_request(&mut w, &job), None);
}

#[test]
fn s7_4_only_the_owning_session_may_cancel() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login("tok-alice");
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    let refusal = w.refusal(b, "PERMISSION_DENIED");
    assert_eq!(refusal.payload()["details"], json!({"reason": "session"}), "its principal may, in another session");
    w.subscribe(b, json!({"job_id": job.id}));
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
    assert_eq!(cancel_request(&mut w, &job), None);
    let c = w.resume(a, 1);
    w.send(c, "job.cancel", json!({"job_id": job.id}));
    w.expect(c, "job.cancelled");
}

#[test]
fn s7_4_a_job_whose_owner_session_has_gone_may_be_cancelled_by_its_principal() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.send(a, "session.close", json!({}));
    let b = w.login("tok-alice2");
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
    // The session that submitted it can no longer be resumed.
    let window = w.runtime.config().resume_window;
    w.advance(u64::try_from(window.as_micros()).unwrap() + SECOND);
    let other = w.login("tok-bob");
    w.send(other, "job.cancel", json!({"job_id": job.id}));
    w.refusal(other, "JOB_NOT_FOUND");
    let c = w.login("tok-alice2");
    w.send(c, "job.cancel", json!({"job_id": job.id}));
    w.expect(c, "job.cancelled");
    assert!(cancel_request(&mut w, &job).is_some());
}

#[test]
fn s7_4_an_operator_lists_watches_and_cancels_every_job_without_its_credentials() {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.operators.insert("bob".to_owned());
    });
    let a = w.login("tok-alice");
    w.send_submit(a, json!({"agent": "slow", "lease_request": {"model.use": ["tier-fast/*"]}}));
    let accepted = w.expect(a, "job.accepted");
    assert!(accepted.payload()["credentials"].is_array());
    let job = w.job_of(&accepted);
    let b = w.login("tok-bob");
    assert_eq!(w.list(b, json!({})).payload()["jobs"][0]["job_id"], job.id.as_str());
    let subscribed = w.subscribe(b, json!({"job_id": job.id}));
    assert!(subscribed.payload().get("credentials").is_none());
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.expect(b, "job.cancelled");
    assert!(cancel_request(&mut w, &job).is_some());
}

#[test]
fn s7_4_visible_by_policy_but_another_principals_is_permission_denied() {
    let mut w = World::with(|config| config.policy = std::sync::Arc::new(nuncio_core::arcp::AnyPrincipal));
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login("tok-bob");
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    let refusal = w.refusal(b, "PERMISSION_DENIED");
    assert_eq!(refusal.payload()["details"], json!({"reason": "principal"}));
}

#[test]
fn s7_4_a_job_waiting_for_a_slot_ends_at_once() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.job(a, "narrow");
    w.send_submit(a, json!({"agent": "narrow"}));
    let accepted = w.expect(a, "job.accepted");
    let job = w.job_of(&accepted);
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    expect_cancelled(&mut w, a);
    let started = w.events.iter().any(|event| matches!(event, Event::Start { job: key } if *key == job.key));
    assert!(!started, "the agent never ran");
}

#[test]
fn s7_4_first_cause_wins_over_a_timeout() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "max_runtime_sec": 10}));
    w.advance(9 * SECOND);
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.advance(5 * SECOND);
    w.expect_nothing(a);
    w.finish(&job, "1");
    expect_cancelled(&mut w, a);
}

#[test]
fn s7_4_first_cause_wins_over_an_expiry() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(
        a,
        json!({"agent": "slow", "lease_request": {"tool.call": ["t"]}, "lease_constraints": {"expires_at": "2026-05-13T19:30:10Z"}}),
    );
    w.advance(9 * SECOND);
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.advance(5 * SECOND);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.advance(5 * SECOND);
    w.expect_nothing(a);
    w.finish(&job, "1");
    expect_cancelled(&mut w, a);
}

#[test]
fn s7_4_a_cancel_that_names_two_jobs_or_none_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let one = w.job(a, "slow");
    let two = w.job(a, "slow");
    w.send_frame(
        a,
        &json!({"arcp": "1.1", "id": "c", "type": "job.cancel", "job_id": one.id, "payload": {"job_id": two.id}}),
    );
    w.refusal(a, "INVALID_REQUEST");
    w.send(a, "job.cancel", json!({}));
    w.refusal(a, "INVALID_REQUEST");
    assert_eq!((cancel_request(&mut w, &one), cancel_request(&mut w, &two)), (None, None));
    w.send_frame(
        a,
        &json!({"arcp": "1.1", "id": "c", "type": "job.cancel", "job_id": one.id, "payload": {"job_id": one.id}}),
    );
    w.expect(a, "job.cancelled");
}

#[test]
fn s7_4_a_job_that_is_not_yet_accepted_is_not_found() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, json!({"agent": "echo"}));
    let id = w.runtime.job(key).unwrap().id.to_string();
    w.send(a, "job.cancel", json!({"job_id": id}));
    w.refusal(a, "JOB_NOT_FOUND");
}

#[test]
fn s6_order_cancelled_comes_before_the_terminal_even_when_frames_wait() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    w.log(&job, "1");
    w.log(&job, "2");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.finish(&job, "1");
    w.release_writes(a);
    let kinds: Vec<String> = w.drain(a).iter().map(|frame| frame.kind().to_owned()).collect();
    let at = |kind: &str| kinds.iter().position(|known| known == kind).unwrap();
    assert!(at("job.cancelled") < at("job.error"), "{kinds:?}");
}
