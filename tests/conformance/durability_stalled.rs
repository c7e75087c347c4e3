//! Ours: a slow journal makes agents wait; a failed one stops new work and nothing else.

use nuncio_core::arcp::{Body, Event, Journaling, Refused};
use nuncio_tests::world::{Job, World};
use serde_json::json;

fn world() -> World {
    World::with(|config| {
        config.journal = Journaling::Kept;
        config.limits.store_window = 16;
    })
}

fn fill(w: &mut World, job: &Job) -> usize {
    let body = Body::log("info", "x", None);
    (0..1000).find(|_| w.try_emit(job, &body) == Err(Refused::Blocked)).expect("the agent is blocked eventually")
}

fn unblocked(w: &mut World, job: &Job) -> bool {
    w.try_host_event(|event| match event {
        Event::Unblocked { job } => Some(*job),
        _ => None,
    }) == Some(job.key)
}

#[test]
fn ours_agents_wait_for_a_slow_journal() {
    for detached in [false, true] {
        let mut w = world();
        let a = w.login("tok-alice");
        let job = w.job(a, "slow");
        if detached {
            w.cut(a);
        }
        w.journal_stalled = true;
        let taken = fill(&mut w, &job);
        assert_eq!(taken, 16);
        assert!(!unblocked(&mut w, &job));
        w.journal_stalled = false;
        w.settle();
        assert!(unblocked(&mut w, &job));
        w.log(&job, "y");
    }
}

/// Otherwise a client would receive at most one send window of frames per commit.
#[test]
fn ours_an_event_waits_for_its_own_record_and_for_no_later_one() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.drain(a);
    let before = w.history.len();
    w.hold_writes(a);
    let recorded: Vec<u64> = (0..100)
        .map(|_| {
            w.log(&job, "x");
            w.stored.len() as u64
        })
        .collect();
    w.release_writes(a);
    let waited: Vec<u64> = w.history[before..].iter().map(|(after, ..)| *after).collect();
    assert_eq!(waited, recorded);
}

#[test]
fn ours_a_job_can_end_while_its_agent_is_blocked() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.journal_stalled = true;
    fill(&mut w, &job);
    w.finish(&job, "1");
    w.journal_stalled = false;
    w.settle();
    assert_eq!(w.drain(a).last().unwrap().kind(), "job.result");
}

#[test]
fn ours_without_a_journal_no_agent_waits_for_one() {
    let mut w = World::with(|config| config.limits.store_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.journal_stalled = true;
    for _ in 0..100 {
        w.log(&job, "x");
    }
}

#[test]
fn ours_a_paused_runtime_refuses_new_work_and_serves_the_rest() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let (session, token) = (w.session(a), w.token(a));
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.drain(a);
    let durable = w.stored.len() as u64;
    w.journal_stalled = true;
    w.runtime.pause(w.now);
    w.log(&job, "waits");
    let waits = w.history.last().unwrap().0;
    assert_eq!(waits, durable + 1, "an event waits for its record");

    // A refusal does not wait for records, unless an earlier frame of the same connection does.
    let other = w.open();
    w.hello(other, "tok-alice", &[]);
    w.refusal(other, "INTERNAL_ERROR");
    assert_eq!(w.history.last().unwrap().0, 0);
    let resumed = w.resume_as("tok-alice", &session, &token, 0);
    w.refusal(resumed, "INTERNAL_ERROR");
    assert_eq!(w.history.last().unwrap().0, 0);

    // On a connection with an event outstanding, order is kept: the refusal follows the event.
    w.event(a, "log");
    let stores = w.stored.len();
    w.submit_refused(a, json!({"agent": "slow"}), "INTERNAL_ERROR");
    assert_eq!(w.history.last().unwrap().0, waits);
    assert_eq!(w.stored.len(), stores, "a refusal is not stored");
    assert_eq!(w.delegate(&job, &json!({"agent": "slow"})).unwrap_err(), "PERMISSION_DENIED");

    w.journal_stalled = false;
    w.runtime.proceed(w.now);
    w.settle();
    w.drain(a);
    w.job(a, "slow");
    let resumed = w.resume_as("tok-alice", &session, &token, 0);
    w.expect(resumed, "session.welcome");
}

#[test]
fn ours_refusals_and_pongs_do_not_wait_while_paused() {
    let mut w = world();
    let a = w.login("tok-alice");
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.drain(a);
    let durable = w.stored.len() as u64;
    let b = w.login("tok-alice2");
    let job = w.job(b, "slow");
    w.journal_stalled = true;
    w.runtime.pause(w.now);
    w.log(&job, "waits");
    assert!(w.stored.len() as u64 > durable);
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.expect(a, "session.pong");
    assert!(w.history.last().unwrap().0 <= durable);
    w.submit_refused(a, json!({"agent": "slow"}), "INTERNAL_ERROR");
    assert!(w.history.last().unwrap().0 <= durable);
}

#[test]
fn ours_repeated_resumes_do_not_grow_the_pending_stores() {
    let mut w = world();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    w.journal_stalled = true;
    let stored = w.stored.len();
    let refused = (0..2_000).find(|_| {
        let resumed = w.resume_as("tok-alice", &session, &token, 0);
        w.drain(resumed).iter().any(|frame| frame.kind() == "session.error")
    });
    assert!(refused.is_some(), "the resumes are refused eventually");
    assert!(w.stored.len() - stored < 2_000, "{} records wait", w.stored.len() - stored);
    w.journal_stalled = false;
    w.settle();
    let resumed = w.resume_as("tok-alice", &session, &token, 0);
    w.expect(resumed, "session.welcome");
}

#[test]
fn ours_a_stranger_is_refused_while_the_journal_hangs() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let durable = w.stored.len() as u64;
    // The journal hangs, but no write error was reported.
    w.journal_stalled = true;
    w.log(&job, "waits");
    for frame in ["{}", r#"{"arcp":"1.1","id":"1","type":"session.hello","payload":{}}"#] {
        let stranger = w.open();
        w.send_text(stranger, frame);
        w.refusal(stranger, if frame == "{}" { "INVALID_REQUEST" } else { "UNAUTHENTICATED" });
        assert!(w.history.last().unwrap().0 <= durable, "{frame}");
    }
}
