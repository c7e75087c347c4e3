//! Ours: a slow journal makes agents wait; a failed one stops new work and nothing else.

use nuncio_core::arcp::{Body, Event, Journaling, Refused, SendOrder};
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

/// The frame that was sent last, and what it may overtake.
fn last(w: &World) -> (String, SendOrder) {
    (w.history.last().unwrap().2.kind().to_owned(), *w.orders.last().unwrap())
}

#[test]
fn ours_a_paused_runtime_lists_what_is_on_record() {
    let mut w = world();
    let a = w.login("tok-alice");
    let b = w.login("tok-alice2");
    w.send(b, "session.ping", json!({"nonce": "n"}));
    w.drain(b);
    let (ended, running) = (w.job(a, "slow"), w.job(a, "slow"));
    w.journal_stalled = true;
    w.finish(&ended, "1");
    w.drain(a);
    let new = w.submit(a, json!({"agent": "slow"}));
    w.runtime.pause(w.now);
    w.log(&running, "waits");
    let durable = w.stored.iter().rposition(|(_, record)| record.kind() == "job_ended").unwrap() as u64;
    w.send(b, "session.list_jobs", json!({}));
    let jobs = w.expect(b, "session.jobs").payload()["jobs"].clone();
    let listed: Vec<_> = jobs.as_array().unwrap().iter().map(|job| (&job["job_id"], &job["status"])).collect();
    let (ended_id, running_id, status) = (json!(ended.id), json!(running.id), json!("running"));
    assert_eq!(listed, [(&ended_id, &status), (&running_id, &status)], "{} is not on record", new.id);
    assert!(w.history.last().unwrap().0 <= durable, "it waits for no record");
    w.send(b, "session.list_jobs", json!({"filter": {"status": ["success"]}}));
    assert_eq!(w.expect(b, "session.jobs").payload()["jobs"], json!([]));

    w.journal_stalled = false;
    w.runtime.proceed(w.now);
    w.settle();
    w.drain(b);
    w.send(b, "session.list_jobs", json!({}));
    let jobs = w.expect(b, "session.jobs").payload()["jobs"].clone();
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["status"]), (3, &json!("success")));
}

#[test]
fn ours_frames_that_depend_on_no_record_may_overtake_those_that_wait() {
    let mut w = world();
    let a = w.login("tok-alice");
    assert_eq!(last(&w), ("session.welcome".to_owned(), SendOrder::Welcome));
    let job = w.submit(a, json!({"agent": "slow"}));
    assert!(
        w.history
            .iter()
            .zip(&w.orders)
            .any(|((_, _, frame), order)| { frame.kind() == "job.accepted" && *order == SendOrder::Reply })
    );
    w.log(&job, "x");
    assert_eq!(last(&w), ("job.event".to_owned(), SendOrder::Event));
    w.send(a, "session.ping", json!({"nonce": "n"}));
    assert_eq!(last(&w), ("session.pong".to_owned(), SendOrder::Free));
    w.send(a, "no.such", json!({}));
    assert_eq!(last(&w), ("session.error".to_owned(), SendOrder::Free));
    w.advance(30 * 1_000_000);
    assert!(
        w.orders
            .iter()
            .zip(&w.history)
            .any(|(order, (_, _, frame))| { frame.kind() == "session.ping" && *order == SendOrder::Free })
    );
    // Nothing overtakes the welcome, and refusals no answer, if the client takes answers in the order of their arrival.
    let all = [SendOrder::Welcome, SendOrder::Reply, SendOrder::Event, SendOrder::Answer, SendOrder::Free];
    let overtaken = |order: SendOrder| all.into_iter().filter(|waiting| order.overtakes(*waiting)).collect::<Vec<_>>();
    assert_eq!(overtaken(SendOrder::Free), all[1..]);
    assert_eq!(overtaken(SendOrder::Answer), [SendOrder::Event]);
    assert!(all[..3].iter().all(|order| overtaken(*order).is_empty() && !order.is_free()));
}

#[test]
fn ours_sessions_are_told_that_the_journal_is_lost() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.drain(a);
    w.journal_stalled = true;
    w.log(&job, "is lost");
    w.drain(a);
    let stranger = w.open();
    let stored = w.stored.iter().filter(|(_, record)| record.kind() == "job_ended").count();
    w.runtime.lose_journal(w.now);
    w.settle();
    let error = w.refusal(a, "INTERNAL_ERROR");
    assert!(error.payload()["message"].as_str().unwrap().contains("lost its journal"), "{error:?}");
    assert_eq!(last(&w).1, SendOrder::Free);
    assert_eq!((w.closed(a), w.closed(stranger)), (Some(1011), Some(1011)));
    let ended = w.stored.iter().filter(|(_, record)| record.kind() == "job_ended").count();
    assert_eq!(ended, stored, "no job ends on record");
    let late = w.open();
    w.hello(late, "tok-alice", &[]);
    w.refusal(late, "INTERNAL_ERROR");
}
