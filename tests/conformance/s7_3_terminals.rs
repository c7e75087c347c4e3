//! §7.3, §12: how jobs end.

use nuncio_core::arcp::{Body, ErrorCode, Event, FinalStatus, JobFailure, Json, Refused, Timer};
use nuncio_tests::world::{SECOND, START, World, json_text};
use serde_json::json;

fn ended(w: &mut World) -> (FinalStatus, Option<ErrorCode>) {
    w.host_event("Ended", |event| match event {
        Event::Ended { status, fault, .. } => Some((*status, fault.as_ref().map(|fault| fault.code))),
        _ => None,
    })
}

#[test]
fn s7_3_success_is_a_result() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.finish(&job, r#"{"ok":true}"#);
    let result = w.expect(a, "job.result");
    assert_eq!(
        *result.payload(),
        json!({"final_status": "success", "result": {"ok": true}, "completed_at": "2026-05-13T19:30:00.000Z"})
    );
    assert_eq!(result.seq(), Some(2));
    assert_eq!(ended(&mut w), (FinalStatus::Success, None));
}

#[test]
fn s7_3_a_failure_is_an_error() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let details: Box<Json> = json_text(r#"{"at":12408.0}"#);
    let failure = JobFailure { code: "PERMISSION_DENIED".into(), message: "no".into(), details: Some(details) };
    w.runtime.fail(w.now, job.key, failure).unwrap();
    w.advance(0);
    let error = w.expect(a, "job.error");
    assert_eq!(error.payload()["final_status"], "error");
    assert_eq!(error.payload()["code"], "PERMISSION_DENIED");
    assert_eq!(error.payload()["message"], "no");
    assert_eq!(error.payload()["retryable"], false);
    assert_eq!(error.raw(&["payload", "details"]), r#"{"at":12408.0}"#);
    assert_eq!(ended(&mut w), (FinalStatus::Error, Some(ErrorCode::PermissionDenied)));
}

#[test]
fn s7_3_an_agents_failure_is_always_error() {
    for code in ["CANCELLED", "TIMEOUT", "LEASE_EXPIRED", "BUDGET_EXHAUSTED", "HEARTBEAT_LOST", "UNAUTHENTICATED"] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.fail(&job, code, "x").unwrap();
        let error = w.expect(a, "job.error");
        assert_eq!(error.payload()["final_status"], "error", "{code}");
        assert_eq!(error.payload()["code"], code);
    }
}

#[test]
fn s12_an_agents_own_code_becomes_internal_error() {
    for code in ["MY_CODE", "", "permission_denied", "RATE_LIMITED \" \\"] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.fail(&job, code, "").unwrap();
        let error = w.expect(a, "job.error");
        assert_eq!(error.payload()["code"], "INTERNAL_ERROR");
        assert_eq!(error.payload()["retryable"], true);
        assert_eq!(error.payload()["details"]["code"], code);
    }
}

#[test]
fn s12_an_agents_own_code_stands_among_its_details() {
    let details = [
        (r#"{"tray":2}"#, json!({"code": "OUT_OF_PAPER", "tray": 2})),
        (r#"{"code":7}"#, json!({"code": "OUT_OF_PAPER"})),
    ];
    for (own, expected) in details {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        let failure = JobFailure {
            code: "OUT_OF_PAPER".to_owned(),
            message: "no paper".to_owned(),
            details: Some(json_text(own)),
        };
        w.runtime.fail(w.now, job.key, failure).unwrap();
        w.advance(0);
        assert_eq!(w.expect(a, "job.error").payload()["details"], expected);
    }
}

#[test]
fn s12_retryable_is_true_for_internal_error_alone() {
    for code in ErrorCode::ALL {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.fail(&job, code.as_str(), "x").unwrap();
        assert_eq!(w.expect(a, "job.error").payload()["retryable"], code.as_str() == "INTERNAL_ERROR");
    }
}

#[test]
fn s7_3_nothing_follows_a_terminal() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.finish(&job, "1");
    w.drain(a);
    assert_eq!(w.try_emit(&job, &Body::thought("x")), Err(Refused::Terminal));
    assert_eq!(w.try_finish(&job, "2"), Err(Refused::Terminal));
    assert_eq!(w.fail(&job, "INTERNAL_ERROR", "x"), Err(Refused::Terminal));
    let operation = nuncio_core::lease::Operation::new("tool.call", "t").unwrap();
    assert!(w.runtime.authorize(w.now, job.key, &operation).is_err());
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.advance(1000 * SECOND);
    let frames = w.drain(a);
    assert!(frames.iter().all(|frame| frame.seq().is_none()), "{frames:?}");
}

#[test]
fn s7_3_a_pending_job_takes_no_commands() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.job(a, "narrow");
    w.send_submit(a, json!({"agent": "narrow"}));
    let accepted = w.expect(a, "job.accepted");
    let job = w.job_of(&accepted);
    assert_eq!(w.try_emit(&job, &Body::thought("x")), Err(Refused::NotRunning));
    assert_eq!(w.try_finish(&job, "2"), Err(Refused::NotRunning));
}

#[test]
fn s7_1_max_runtime_counts_from_start() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let first = w.job(a, "narrow");
    w.send_submit(a, json!({"agent": "narrow", "max_runtime_sec": 10}));
    let accepted = w.expect(a, "job.accepted");
    let job = w.job_of(&accepted);
    w.advance(100 * SECOND);
    w.expect_nothing(a);
    w.finish(&first, "1");
    w.drain(a);
    assert_eq!(w.timer(), Some((START.plus_secs(110), Timer::Runtime)));
    assert_eq!(w.runtime.job(job.key).unwrap().deadline, Some(START.plus_secs(110)));
    w.advance(10 * SECOND - 1);
    w.expect_nothing(a);
    w.advance(1);
    let error = w.expect(a, "job.error");
    assert_eq!(error.payload()["final_status"], "timed_out");
    assert_eq!(error.payload()["code"], "TIMEOUT");
    assert_eq!(ended(&mut w), (FinalStatus::Success, None));
    assert_eq!(ended(&mut w), (FinalStatus::TimedOut, Some(ErrorCode::Timeout)));
    assert_eq!(w.try_finish(&job, "\"late\""), Err(Refused::Terminal));
}

#[test]
fn s7_1_the_longest_max_runtime_does_not_overflow() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.submit(a, json!({"agent": "slow", "max_runtime_sec": 4_294_967_295_u64}));
    w.advance(100 * 24 * 3600 * SECOND);
    w.expect_nothing(a);
    w.log(&job, "runs on");
}

#[test]
fn s7_3_jobs_end_while_their_session_is_away() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.cut(a);
    w.finish(&job, "1");
    let b = w.resume(a, 1);
    assert_eq!(w.expect(b, "job.result").job(), job.id);
}
