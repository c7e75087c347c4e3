//! The wall clock of a runtime's machine, which may be set while the runtime runs, or stand still while the machine is
//! suspended: what follows it, and what does not (§9.5, §14, and ours).

use std::time::Duration;

use nuncio_core::arcp::{ConnId, ErrorCode, Event, Journaling, Output, Runtime, Via};
use nuncio_core::time::Time;
use nuncio_tests::world::{Job, SECOND, START, World};
use serde_json::json;

const HOUR: u64 = 3_600 * SECOND;

fn back(time: Time, micros: u64) -> Time {
    Time(time.0 - micros)
}

/// A job with a lease of 60 s.
fn leased() -> (World, ConnId, Job) {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let expires_at = START.plus_secs(60).to_rfc3339();
    let job = w.submit(
        a,
        json!({"agent": "slow", "lease_request": {"tool.call": ["t"]}, "lease_constraints": {"expires_at": expires_at}}),
    );
    w.drain(a);
    (w, a, job)
}

fn code_of_the_end(w: &mut World, conn: ConnId) -> Option<String> {
    let frames = w.drain(conn);
    let end = frames.iter().find(|frame| frame.kind() == "job.error")?;
    Some(end.payload()["code"].as_str().unwrap().to_owned())
}

#[test]
fn s9_5_a_lease_expires_when_the_wall_clock_is_set_ahead() {
    let (mut w, a, job) = leased();
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    w.set_wall(START.plus_micros(HOUR));
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.advance(SECOND);
    assert_eq!(code_of_the_end(&mut w, a).as_deref(), Some("LEASE_EXPIRED"));
}

#[test]
fn s9_5_the_grace_after_an_expiry_begins_when_the_wall_clock_was_set() {
    let (mut w, a, job) = leased();
    w.set_wall(START.plus_micros(HOUR));
    w.advance(SECOND - 1);
    w.log(&job, "unwinding");
    w.event(a, "log");
    w.advance(1);
    assert_eq!(code_of_the_end(&mut w, a).as_deref(), Some("LEASE_EXPIRED"));
}

#[test]
fn s9_5_a_lease_expires_while_the_machine_is_suspended() {
    let (mut w, _, job) = leased();
    // No timer has fired in the meantime.
    w.now = w.now.plus_micros(HOUR);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.advance(0);
    let code = w.host_event("Ended", |event| match event {
        Event::Ended { fault, .. } => fault.as_ref().map(|fault| fault.code),
        _ => None,
    });
    assert_eq!(code, ErrorCode::LeaseExpired);
}

#[test]
fn s9_5_a_step_ahead_that_does_not_reach_expires_at_leaves_the_rest() {
    let (mut w, a, job) = leased();
    w.set_wall(START.plus_secs(50));
    w.advance(10 * SECOND - 1);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    w.advance(1);
    w.expect_nothing(a);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
}

#[test]
fn s14_a_wall_clock_that_is_set_back_gives_no_authority_back() {
    // Before the lease is over, it is over when it would have been.
    let (mut w, _, job) = leased();
    w.set_wall(back(START, HOUR));
    w.advance(60 * SECOND - 1);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    w.advance(1);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    // Once it was over, it stays so, though no operation was refused, and the grace neither stalls nor starts anew.
    let (mut w, a, job) = leased();
    w.set_wall(START.plus_secs(61));
    w.set_wall(START);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("LEASE_EXPIRED"));
    w.advance(SECOND);
    assert_eq!(code_of_the_end(&mut w, a).as_deref(), Some("LEASE_EXPIRED"));
}

#[test]
fn s9_5_a_new_lease_is_judged_by_the_wall_clock_as_it_is_now() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let submit = |at: Time| json!({"agent": "slow", "lease_constraints": {"expires_at": at.to_rfc3339()}});
    w.set_wall(START.plus_micros(HOUR));
    w.submit_refused(a, submit(START.plus_secs(60)), "INVALID_REQUEST");
    let job = w.submit(a, submit(START.plus_micros(HOUR).plus_secs(60)));
    assert_eq!(job.accepted.payload()["accepted_at"], START.plus_micros(HOUR).to_rfc3339());
    w.set_wall(back(START, HOUR));
    let job = w.submit(a, submit(back(START, HOUR).plus_secs(20)));
    w.drain(a);
    w.advance(20 * SECOND);
    w.expect_nothing(a);
    w.advance(SECOND);
    let end = w.drain(a);
    assert!(end.iter().any(|frame| frame.kind() == "job.error" && frame.job() == job.id), "{end:?}");
}

#[test]
fn ours_timestamps_follow_the_wall_clock() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for wall in [START.plus_micros(HOUR), back(START, HOUR), START] {
        w.set_wall(wall);
        w.log(&job, "tick");
        assert_eq!(w.event(a, "log").payload()["ts"], wall.to_rfc3339());
        w.send(a, "session.ping", json!({"nonce": "n", "sent_at": "2026-05-13T19:30:00Z"}));
        assert_eq!(w.expect(a, "session.pong").payload()["received_at"], wall.to_rfc3339());
    }
}

/// Runs the same inputs with a wall clock that is set and with one that is not, and compares when each deadline passes.
fn unmoved(mut prepare: impl FnMut(&mut World) -> ConnId, limit: u64) {
    let run = |w: &mut World, conn: ConnId, step: Option<i64>| {
        let began = w.now;
        if let Some(step) = step {
            w.set_wall(Time(w.now.0.saturating_add_signed(step)));
        }
        let mut seen = Vec::new();
        while w.now.since(began) < limit {
            w.advance(SECOND / 2);
            let kinds: Vec<_> = w.drain(conn).iter().map(|frame| frame.kind().to_owned()).collect();
            if !kinds.is_empty() || w.closed(conn).is_some() {
                seen.push((w.now.since(began), kinds, w.closed(conn)));
            }
        }
        seen
    };
    let mut expected = None;
    for step in [None, Some(HOUR.cast_signed()), Some(-HOUR.cast_signed()), Some(2 * SECOND.cast_signed())] {
        let mut w = World::new();
        let conn = prepare(&mut w);
        w.drain(conn);
        let seen = run(&mut w, conn, step);
        assert!(!seen.is_empty());
        assert_eq!(*expected.get_or_insert_with(|| seen.clone()), seen, "the wall clock was set by {step:?} µs");
    }
}

#[test]
fn ours_intervals_neither_stall_nor_pass_early_when_the_wall_clock_is_set() {
    // Heartbeats.
    unmoved(|w| w.login("tok-alice"), 70 * SECOND);
    // The grace of a cancellation.
    unmoved(
        |w| {
            let a = w.login("tok-alice");
            let job = w.job(a, "slow");
            w.send(a, "job.cancel", json!({"job_id": job.id}));
            a
        },
        31 * SECOND,
    );
    // The time limit of a job.
    unmoved(
        |w| {
            let a = w.login("tok-alice");
            w.submit(a, json!({"agent": "slow", "max_runtime_sec": 7}));
            a
        },
        10 * SECOND,
    );
    // The time for a hello.
    unmoved(World::open, 11 * SECOND);
}

#[test]
fn ours_the_resume_window_does_not_follow_the_wall_clock() {
    for step in [HOUR.cast_signed(), -HOUR.cast_signed()] {
        let mut w = World::with(|config| config.resume_window = Duration::from_mins(1));
        let a = w.login("tok-alice");
        w.cut(a);
        w.set_wall(Time(w.now.0.saturating_add_signed(step)));
        let closed = |w: &mut World| {
            w.try_host_event(|event| matches!(event, Event::SessionClosed { .. }).then_some(())).is_some()
        };
        w.advance(60 * SECOND - 1);
        assert!(!closed(&mut w), "{step}");
        w.advance(1);
        assert!(closed(&mut w), "{step}");
    }
}

#[test]
fn ours_a_restart_takes_the_wall_clock_as_it_is_then() {
    let mut w = World::with(|config| config.journal = Journaling::Kept);
    let a = w.login("tok-alice");
    w.cut(a);
    let records: Vec<_> = w.stored.clone();
    let earlier = back(START, HOUR);
    let config = w.runtime.config().clone();
    let (mut runtime, restored) = Runtime::restore(config, w.agents.clone(), [9; 32], earlier, records).unwrap();
    assert_eq!(restored.now, w.now, "deadlines go on from the time of the latest record");
    let conn = runtime.handle_open(restored.now, Via::Tls);
    let hello = json!({"arcp": "1.1", "id": "1", "type": "session.hello", "payload": {
        "auth": {"scheme": "bearer", "token": "tok-alice"}, "capabilities": {}}});
    runtime.handle_frame(restored.now, conn, hello.to_string().as_bytes());
    runtime.admit(restored.now, conn, "alice@example.com").unwrap();
    let frames = std::iter::from_fn(|| runtime.poll_output()).filter_map(|output| match output {
        Output::Send { frame, .. } => Some(String::from_utf8_lossy(&frame).into_owned()),
        _ => None,
    });
    let welcome = frames.into_iter().find(|frame| frame.contains("session.welcome")).unwrap();
    assert!(welcome.contains(&format!("\"accepted_at\":\"{}\"", earlier.to_rfc3339())), "{welcome}");
}
