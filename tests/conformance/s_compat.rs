//! core/docs/arcp.md, "Dialects": `python-1.1`.

use nuncio_core::arcp::{Dialect, Timer};
use nuncio_tests::world::{FEATURES, MILLI, SECOND, World};
use serde_json::json;

#[test]
fn compat_python_is_recognised_by_empty_agents_and_can_be_forced() {
    for (forced, agents, python) in [
        (None, Some(json!([])), true),
        (None, None, false),
        (None, Some(json!(["echo"])), false),
        (None, Some(json!(null)), false),
        (Some(Dialect::SPEC), Some(json!([])), false),
        (Some(Dialect::PYTHON), None, true),
    ] {
        let mut w = World::with(|config| config.dialect = forced);
        let a = w.open();
        let mut payload = json!({"client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "tok-alice"},
            "capabilities": {"features": FEATURES}});
        if let Some(agents) = agents.clone() {
            payload["capabilities"]["agents"] = agents;
        }
        w.send(a, "session.hello", payload);
        w.expect(a, "session.welcome");
        let job = w.submit(a, json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1.00"]}}));
        assert_eq!(job.accepted.payload()["budget"]["USD"].is_string(), python, "{forced:?} {agents:?}");
    }
}

#[test]
fn compat_python_budget_is_an_amount_string() {
    let mut w = World::new();
    let a = w.login_python("tok-alice");
    let job =
        w.submit(a, json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1.00", "USD:2.5", "credits:7"]}}));
    let budget = &job.accepted.payload()["budget"];
    for (currency, amount) in [("USD", 3.5), ("credits", 7.0)] {
        let text = budget[currency].as_str().unwrap();
        let value = text.strip_prefix(&format!("{currency}:")).unwrap().parse::<f64>().unwrap();
        assert!((value - amount).abs() < 1e-9, "{text}");
    }
}

#[test]
fn compat_python_cancelled_and_timed_out_jobs_end_by_a_result() {
    let mut w = World::new();
    let a = w.login_python("tok-alice");
    let job = w.job(a, "slow");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.finish(&job, "1");
    let terminal = w.expect(a, "job.result");
    assert_eq!(*terminal.payload(), json!({"final_status": "cancelled", "completed_at": "2026-05-13T19:30:00.000Z"}));
    let job = w.submit(a, json!({"agent": "slow", "max_runtime_sec": 5}));
    w.advance(5 * SECOND);
    let terminal = w.expect(a, "job.result");
    assert_eq!(terminal.job(), job.id);
    assert_eq!(*terminal.payload(), json!({"final_status": "timed_out", "completed_at": "2026-05-13T19:30:05.000Z"}));
    // A job that fails ends with `job.error` as usual.
    let job = w.job(a, "slow");
    w.fail(&job, "PERMISSION_DENIED", "x").unwrap();
    assert_eq!(w.expect(a, "job.error").payload()["final_status"], "error");
}

#[test]
fn compat_the_form_is_that_of_the_watching_session() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.login_python("tok-alice");
    let job = w.job(a, "slow");
    w.subscribe(b, json!({"job_id": job.id}));
    w.advance(50 * MILLI);
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.finish(&job, "1");
    w.expect(a, "job.error");
    w.expect(b, "job.result");
}

#[test]
fn compat_python_a_childs_accepted_is_not_sent_but_its_events_are() {
    let mut w = World::new();
    let a = w.login_python("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    let child = w.delegate(&job, &json!({"agent": "slow", "delegate_id": "d"})).unwrap();
    w.event(a, "delegate");
    let running = w.event(a, "status");
    assert_eq!(w.key(running.job()), child);
    w.expect_nothing(a);
}

#[test]
fn compat_python_no_accepted_is_sent_again_after_a_cut() {
    let mut w = World::new();
    let a = w.login_python("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    w.delegate(&job, &json!({"agent": "slow", "delegate_id": "d"})).unwrap();
    w.cut(a);
    let b = w.resume(a, 0);
    let kinds: Vec<String> = w.drain(b).iter().map(|frame| frame.kind().to_owned()).collect();
    assert!(!kinds.contains(&"job.accepted".to_owned()), "{kinds:?}");
    assert_eq!(kinds.len(), 3);
}

#[test]
fn compat_python_a_resume_keeps_the_form() {
    let mut w = World::new();
    let a = w.login_python("tok-alice");
    w.cut(a);
    // `World::resume` sends a hello without `agents`.
    let b = w.resume(a, 0);
    let job = w.submit(b, json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1"]}}));
    assert!(job.accepted.payload()["budget"]["USD"].is_string());
}

#[test]
fn compat_python_a_subscriptions_frames_start_50_ms_after_its_answer() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.log(&job, "2");
    let b = w.login_python("tok-alice");
    let own = w.job(b, "echo");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    w.expect_nothing(b);
    assert_eq!(w.timer().map(|(at, timer)| (at.since(w.now), timer)), Some((50 * MILLI, Timer::Subscription)));
    w.log(&job, "3");
    w.log(&own, "other frames go on");
    let frame = w.event(b, "log");
    assert_eq!((frame.job(), frame.seq()), (own.id.as_str(), Some(2)));
    w.expect_nothing(b);
    w.advance(50 * MILLI - 1);
    w.expect_nothing(b);
    w.advance(1);
    let frames = w.drain(b);
    assert_eq!(frames.len(), 3, "running, 2 and 3");
    assert_eq!(frames[2].body()["message"], "3");
    w.log(&job, "4");
    w.event(b, "log");
}

#[test]
fn compat_spec_subscriptions_start_at_once() {
    let mut w = World::with(|config| config.dialect = Some(Dialect::SPEC));
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login_python("tok-alice");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    w.event(b, "status");
}

#[test]
fn compat_python_the_delay_counts_from_when_the_answer_was_written() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login_python("tok-alice");
    w.hold_writes(b);
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    w.expect(b, "job.subscribed");
    w.advance(200 * MILLI);
    w.expect_nothing(b);
    w.release_writes(b);
    w.expect_nothing(b);
    w.advance(50 * MILLI);
    w.event(b, "status");
}

#[test]
fn compat_python_a_terminal_waits_for_the_delay() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login_python("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    w.log(&job, "2");
    w.finish(&job, "1");
    w.expect_nothing(b);
    w.advance(50 * MILLI);
    w.event(b, "log");
    w.expect(b, "job.result");
    w.expect_nothing(b);
}

#[test]
fn compat_python_a_takeover_before_the_answer_was_written_does_not_block_the_subscription() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let b = w.login_python("tok-alice");
    w.hold_writes(b);
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    let c = w.resume(b, 0);
    w.log(&job, "2");
    w.advance(SECOND);
    w.event(c, "status");
    w.event(c, "log");
}

#[test]
fn compat_python_back_pressure_is_not_signalled_under_a_pending_subscription() {
    let mut w = World::with(|config| config.limits.back_pressure = 2);
    let b = w.login_python("tok-alice");
    let own = w.job(b, "slow");
    w.send(b, "session.ack", json!({"last_processed_seq": 1}));
    let a = w.login("tok-alice");
    let newer = w.job(a, "slow");
    w.subscribe(b, json!({"job_id": newer.id, "history": true}));
    for message in ["2", "3", "4"] {
        w.log(&own, message);
    }
    let frames = w.drain(b);
    assert!(frames.iter().any(|frame| frame.body()["phase"] == "back_pressure"), "{frames:?}");
    assert!(frames.iter().all(|frame| frame.job() == own.id), "{frames:?}");
}
