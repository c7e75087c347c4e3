//! What a runtime counts for its host's metrics.

use nuncio_core::arcp::{ErrorCode, FinalStatus, Refused};
use nuncio_tests::world::{OnSubmit, World};
use serde_json::json;

#[test]
fn stats_show_sessions_by_their_connection() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.login("tok-bob");
    w.open();
    w.cut(a);
    let stats = w.runtime.stats();
    assert_eq!((stats.connections, stats.sessions_live, stats.sessions_detached), (2, 1, 1));
    w.resume(a, 0);
    let stats = w.runtime.stats();
    assert_eq!((stats.sessions_live, stats.sessions_detached), (2, 0));
    assert_eq!((stats.totals.sessions, stats.totals.resumes), (2, 1));
    assert_eq!(stats.bytes_held, w.runtime.bytes_held());
}

#[test]
fn stats_show_jobs_by_their_state_and_count_their_ends() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let good = w.job(a, "echo");
    let bad = w.job(a, "echo");
    let kept = w.job(a, "echo");
    w.finish(&good, "1");
    w.fail(&bad, "INTERNAL_ERROR", "no").unwrap();
    w.send(a, "job.cancel", json!({"job_id": kept.id}));
    w.on_submit = OnSubmit::Hold;
    w.submit_held(a, json!({"agent": "echo"}));
    let stats = w.runtime.stats();
    assert_eq!((stats.jobs_pending, stats.jobs_running, stats.jobs_cancelling, stats.jobs_kept), (1, 0, 1, 2));
    assert_eq!(stats.totals.jobs, 3, "one job is not accepted yet");
    let ended = |status| stats.totals.ended(status);
    assert_eq!((ended(FinalStatus::Success), ended(FinalStatus::Error), ended(FinalStatus::Cancelled)), (1, 1, 0));
    assert_eq!(ended(FinalStatus::TimedOut), 0);
}

#[test]
fn stats_count_an_event_once_however_many_watch_it() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    let before = w.runtime.stats().totals.events;
    w.log(&job, "one");
    assert_eq!(w.runtime.stats().totals.events, before + 1);
}

#[test]
fn stats_count_refusals_by_code() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.submit_refused(a, json!({"agent": "nobody"}), "AGENT_NOT_AVAILABLE");
    w.submit_refused(a, json!({"agent": "nobody"}), "AGENT_NOT_AVAILABLE");
    let b = w.open();
    w.hello(b, "tok-mallory", &[]);
    let totals = w.runtime.stats().totals;
    assert_eq!(totals.refused(ErrorCode::AgentNotAvailable), 2);
    assert_eq!(totals.refused(ErrorCode::Unauthenticated), 1, "the refused hello");
    let all: u64 = ErrorCode::ALL.into_iter().map(|code| totals.refused(code)).sum();
    assert_eq!(all, 3);
}

#[test]
fn stats_count_blocked_agents_and_back_pressure() {
    let mut w = World::with(|config| {
        config.limits.log_events = 4;
        config.limits.back_pressure = 2;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.send(a, "session.ack", json!({"last_processed_seq": 1}));
    w.log(&job, "2");
    w.log(&job, "3");
    w.log(&job, "4");
    assert_eq!(w.runtime.stats().totals.back_pressure, 1);
    w.hold_writes(a);
    let body = nuncio_core::arcp::Body::log("info", "more", None);
    while w.try_emit(&job, &body).is_ok() {}
    assert_eq!(w.try_emit(&job, &body), Err(Refused::Blocked));
    assert_eq!(w.runtime.stats().totals.blocked, 1, "an agent is counted once, however often it retries");
}
