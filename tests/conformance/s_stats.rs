//! What a runtime counts for its host's metrics.

use std::time::Duration;

use nuncio_core::arcp::{AgentCounts, AgentSpec, AgentStats, ConnId, ErrorCode, FinalStatus, Refused};
use nuncio_tests::world::{Job, OnSubmit, World};
use serde_json::json;

use crate::durability_jobs::{rerunning, same};

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

/// The stats of one agent.
fn of(w: &World, name: &str) -> AgentStats {
    w.runtime.agent_stats().find(|stats| stats.name == name).expect("the agent is registered")
}

/// Submits a job whose agent has no slot for it.
fn waiting(w: &mut World, conn: ConnId, agent: &str) -> Job {
    w.send_submit(conn, json!({"agent": agent}));
    let accepted = w.expect(conn, "job.accepted");
    w.job_of(&accepted)
}

#[test]
fn stats_of_an_agent_count_its_jobs_by_how_they_end() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let (good, bad) = (w.job(a, "echo"), w.job(a, "echo"));
    w.job(a, "echo");
    w.submit_refused(a, json!({"agent": "nobody"}), "AGENT_NOT_AVAILABLE");
    w.finish(&good, "1");
    w.fail(&bad, "INTERNAL_ERROR", "no").unwrap();
    let echo = of(&w, "echo");
    assert_eq!((echo.jobs_waiting, echo.jobs_running, echo.counts.jobs), (0, 1, 3));
    let ended = |status| echo.counts.ended(status);
    assert_eq!((ended(FinalStatus::Success), ended(FinalStatus::Error)), (1, 1));
    assert_eq!((ended(FinalStatus::Cancelled), ended(FinalStatus::TimedOut)), (0, 0));
    let others: Vec<AgentStats> = w.runtime.agent_stats().filter(|stats| stats.name != "echo").collect();
    assert!(!others.is_empty() && others.iter().all(|stats| stats.counts == AgentCounts::default()), "{others:?}");
    let names: Vec<String> = w.runtime.agent_stats().map(|stats| stats.name).collect();
    assert!(
        names.is_sorted() && !names.contains(&"nobody".to_owned()),
        "only registered agents are counted: {names:?}"
    );
}

#[test]
fn stats_of_an_agent_measure_how_long_its_jobs_wait_and_run() {
    let mut w = World::new();
    w.offer(AgentSpec { max_concurrent: Some(1), ..AgentSpec::new("one") });
    let a = w.login("tok-alice");
    let first = w.job(a, "one");
    let (second, third) = (waiting(&mut w, a, "one"), waiting(&mut w, a, "one"));
    assert_eq!((of(&w, "one").jobs_waiting, of(&w, "one").jobs_running), (2, 1));
    w.advance(3_000_000);
    w.finish(&first, "1");
    w.advance(7_000_000);
    w.send(a, "job.cancel", json!({"job_id": third.id}));
    w.finish(&second, "1");
    let counts = of(&w, "one").counts;
    assert_eq!((counts.waits.count(), counts.waits.sum()), (2, Duration::from_secs(3)), "the third has never run");
    assert_eq!((counts.runs.count(), counts.runs.sum()), (2, Duration::from_secs(10)));
    let within = |bound| counts.runs.buckets().find(|(known, _)| *known == bound).map(|(_, count)| count);
    assert_eq!(within(Duration::from_secs(1)), Some(0));
    assert_eq!(within(Duration::from_secs(5)), Some(1));
    assert_eq!(within(Duration::from_secs(15)), Some(2));
    assert_eq!(counts.ended(FinalStatus::Cancelled), 1);
}

#[test]
fn stats_of_an_agent_count_a_restored_job_when_it_runs_and_ends() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.job(a, "again-one");
    waiting(&mut w, a, "again-one");
    w.advance(2_000_000);
    w.restart();
    let restored = of(&w, "again-one");
    assert_eq!((restored.jobs_waiting, restored.jobs_running, restored.counts.jobs), (1, 1, 0));
    w.advance(1_000_000);
    let job = same(&w, &job);
    w.finish(&job, "1");
    let counts = of(&w, "again-one").counts;
    assert_eq!((counts.runs.count(), counts.runs.sum()), (1, Duration::from_secs(1)), "the time before is not known");
    assert_eq!((counts.waits.count(), counts.waits.sum()), (2, Duration::from_secs(1)));
}

#[test]
fn stats_of_an_agent_count_no_run_of_a_job_that_was_cancelled_before_a_restart() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.job(a, "again");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    assert_eq!(w.restart().interrupted, 1);
    let counts = of(&w, "again").counts;
    assert_eq!((counts.runs.count(), counts.runs.sum()), (0, Duration::ZERO), "its run ended with the runtime before");
    assert_eq!(counts.ended(FinalStatus::Cancelled), 1);
}
