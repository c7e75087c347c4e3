//! §6.5: the event log, acknowledgements, back-pressure, and when agents wait.

use nuncio_core::arcp::{Body, ConnId, Event, Refused};
use nuncio_tests::world::{Frame, Job, World};
use serde_json::json;

fn ack(w: &mut World, conn: ConnId, seq: u64) {
    w.send(conn, "session.ack", json!({"last_processed_seq": seq}));
}

fn seqs(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(Frame::seq).collect()
}

fn back_pressure(frames: &[Frame]) -> Vec<&Frame> {
    frames.iter().filter(|frame| frame.event() == "status" && frame.body()["phase"] == "back_pressure").collect()
}

fn body(text: &str) -> Body {
    Body::log("info", text, None)
}

fn unblocked(w: &mut World, job: &Job) -> bool {
    w.try_host_event(|event| matches!(event, Event::Unblocked { job: key } if *key == job.key).then_some(())).is_some()
}

#[test]
fn s6_5_acks_backwards_or_beyond_are_ignored() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.drain(a);
    for seq in [0, 99, 2, 1, 0, 3, 9_007_199_254_740_991] {
        ack(&mut w, a, seq);
        w.expect_nothing(a);
    }
    w.log(&job, "3");
    assert_eq!(w.event(a, "log").seq(), Some(3));
    let b = w.resume(a, 2);
    assert_eq!(seqs(&w.drain(b)), [3], "an ack beyond what was written freed nothing");
}

#[test]
fn s6_5_a_backwards_ack_does_not_increase_the_lag() {
    let mut w = World::with(|config| config.limits.back_pressure = 4);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for text in ["2", "3", "4"] {
        w.log(&job, text);
    }
    ack(&mut w, a, 4);
    ack(&mut w, a, 1);
    w.log(&job, "5");
    w.log(&job, "6");
    assert!(back_pressure(&w.drain(a)).is_empty());
}

#[test]
fn s6_5_an_ack_of_what_was_not_yet_written_is_ignored() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.hold_writes(a);
    for n in 2..=5 {
        w.log(&job, &n.to_string());
    }
    w.drain(a);
    ack(&mut w, a, 5);
    w.cut(a);
    let b = w.resume(a, 1);
    assert_eq!(seqs(&w.drain(b)), [2, 3, 4, 5]);
}

#[test]
fn s6_5_nothing_is_freed_by_age() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.job(a, "slow");
    w.log(&job, "2");
    w.advance(100 * 24 * 3600 * 1_000_000);
    let b = w.resume(a, 0);
    assert_eq!(seqs(&w.drain(b)), [1, 2]);
}

#[test]
fn s6_5_a_full_log_drops_the_oldest_written_event() {
    let mut w = World::with(|config| config.limits.log_events = 4);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 2..=20 {
        w.log(&job, &n.to_string());
    }
    assert_eq!(seqs(&w.drain(a)), (2..=20).collect::<Vec<_>>());
    w.cut(a);
    let (session, token) = (w.session(a), w.token(a));
    for gone in [10, 15] {
        let b = w.resume_as("tok-alice", &session, &token, gone);
        w.refusal(b, "RESUME_WINDOW_EXPIRED");
    }
    let c = w.resume(a, 16);
    assert_eq!(seqs(&w.drain(c)), [17, 18, 19, 20], "the log keeps as many events as fit");
}

#[test]
fn s6_5_an_agent_waits_only_when_the_log_is_full_of_unwritten_events() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 2;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.hold_writes(a);
    let mut taken = 0;
    while w.try_emit(&job, &body("x")).is_ok() {
        taken += 1;
        assert!(taken <= 8, "the log is bounded");
    }
    assert!(taken >= 5, "{taken} events of 8 were taken");
    assert_eq!(w.try_emit(&job, &body("x")), Err(Refused::Blocked));
    assert!(!unblocked(&mut w, &job));
    w.report_written(a, 2);
    assert!(unblocked(&mut w, &job), "written frames make room");
    w.log(&job, "again");
    w.release_writes(a);
    let frames = w.drain(a);
    assert_eq!(seqs(&frames).last(), Some(&(taken + 2)), "nothing was lost");
}

#[test]
fn s6_5_bytes_block_like_events() {
    let mut w = World::with(|config| {
        config.limits.log_bytes = 10_000;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.hold_writes(a);
    let big = body(&"x".repeat(1000));
    let mut taken = 0;
    while w.try_emit(&job, &big).is_ok() {
        taken += 1;
        assert!(taken < 12, "the log is bounded in bytes");
    }
    assert!(taken >= 7, "{taken}");
    assert_eq!(w.try_emit(&job, &big), Err(Refused::Blocked));
    w.release_writes(a);
    assert!(unblocked(&mut w, &job));
    w.emit(&job, &big);
}

#[test]
fn s6_5_written_bytes_do_not_block() {
    let taken = [0, 50].map(|before| {
        let mut w = World::with(|config| (config.limits.log_bytes, config.limits.send_window) = (10_000, 2));
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        let big = body(&"x".repeat(1000));
        w.hold_writes(a);
        w.emit(&job, &big);
        for _ in 0..before {
            // One event is always outstanding.
            w.emit(&job, &big);
            w.report_written(a, 1);
        }
        (0..12).take_while(|_| w.try_emit(&job, &big).is_ok()).count()
    });
    assert!(taken[0] > 4 && taken[0] == taken[1], "{taken:?}");
}

#[test]
fn s6_5_a_terminal_is_never_blocked() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let jobs = [w.job(a, "echo"), w.job(a, "echo"), w.job(a, "echo")];
    w.hold_writes(a);
    while w.try_emit(&jobs[0], &body("x")).is_ok() {}
    for job in &jobs {
        w.finish(job, "1");
    }
    w.release_writes(a);
    let terminals = w.drain(a).iter().filter(|frame| frame.kind() == "job.result").count();
    assert_eq!(terminals, 3);
}

#[test]
fn s6_5_detached_sessions_do_not_block_agents() {
    let mut w = World::with(|config| config.limits.log_events = 8);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.cut(a);
    for n in 2..=100 {
        w.log(&job, &n.to_string());
    }
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice", &session, &token, 1);
    w.refusal(b, "RESUME_WINDOW_EXPIRED");
}

#[test]
fn s6_5_losing_the_connection_unblocks_the_agent() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.hold_writes(a);
    while w.try_emit(&job, &body("x")).is_ok() {}
    w.cut(a);
    assert!(unblocked(&mut w, &job));
    w.log(&job, "on");
}

#[test]
fn s6_5_back_pressure_needs_a_session_that_has_acked() {
    let mut w = World::with(|config| config.limits.back_pressure = 10);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 0..50 {
        w.log(&job, &n.to_string());
    }
    assert!(back_pressure(&w.drain(a)).is_empty());
}

#[test]
fn s6_5_back_pressure_is_signalled_once_and_again_after_half() {
    let mut w = World::with(|config| config.limits.back_pressure = 10);
    let a = w.login("tok-alice");
    let b = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    ack(&mut w, a, 1);
    for n in 0..40 {
        w.log(&job, &n.to_string());
    }
    let frames = w.drain(a);
    let signals = back_pressure(&frames);
    assert_eq!(signals.len(), 1, "one signal, however large the lag");
    assert_eq!(signals[0].job(), job.id);
    assert!(signals[0].body()["message"].as_str().is_some_and(|message| !message.is_empty()));
    let at = signals[0].seq().unwrap();
    assert_eq!(at, 13, "signalled as soon as 11 events, from the second on, are unacknowledged");
    let last = frames.last().and_then(Frame::seq).unwrap();
    // The lag falls to half the threshold, but not below it.
    ack(&mut w, a, last - 5);
    for n in 0..10 {
        w.log(&job, &n.to_string());
    }
    let frames = w.drain(a);
    assert!(back_pressure(&frames).is_empty(), "the lag never fell below half");
    let last = frames.last().and_then(Frame::seq).unwrap();
    ack(&mut w, a, last);
    for n in 0..20 {
        w.log(&job, &n.to_string());
    }
    assert_eq!(back_pressure(&w.drain(a)).len(), 1, "signalled again after the lag fell below half");
    assert!(back_pressure(&w.drain(b)).is_empty(), "other watchers get no signal");
}

#[test]
fn s6_5_back_pressure_is_not_in_the_jobs_history() {
    let mut w = World::with(|config| config.limits.back_pressure = 5);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    ack(&mut w, a, 1);
    for n in 0..20 {
        w.log(&job, &n.to_string());
    }
    assert_eq!(back_pressure(&w.drain(a)).len(), 1);
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    let frames = w.drain(b);
    assert_eq!(frames.len(), 21);
    assert!(back_pressure(&frames).is_empty());
}

#[test]
fn s6_5_back_pressure_comes_under_the_most_recent_live_job() {
    let mut w = World::with(|config| config.limits.back_pressure = 5);
    let a = w.login("tok-alice");
    let old = w.job(a, "echo");
    let ended = w.job(a, "echo");
    let recent = w.job(a, "echo");
    let gone = w.job(a, "echo");
    w.finish(&gone, "1");
    w.drain(a);
    ack(&mut w, a, 4);
    for n in 0..20 {
        w.log(&old, &n.to_string());
    }
    let frames = w.drain(a);
    let signals = back_pressure(&frames);
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].job(), recent.id, "not {}", ended.id);
}

#[test]
fn s6_5_a_bad_ack_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for payload in [json!({}), json!({"last_processed_seq": "1"}), json!({"last_processed_seq": null})] {
        w.send(a, "session.ack", payload);
        w.refusal(a, "INVALID_REQUEST");
    }
}

#[test]
fn s6_5_one_stalled_watcher_does_not_stop_the_owner() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let b = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    w.hold_writes(b);
    for n in 0..100 {
        w.log(&job, &n.to_string());
    }
    assert_eq!(w.drain(a).len(), 100);
    w.release_writes(b);
    let frames = w.drain(b);
    let last = frames.last().unwrap();
    assert_eq!(last.body()["phase"], "subscription_dropped", "a subscription that would make an agent wait ends");
    assert_eq!(last.job(), job.id);
    assert!(last.body()["message"].is_string());
    w.log(&job, "more");
    w.expect_nothing(b);
}

#[test]
fn s6_5_a_takeover_that_makes_room_unblocks_the_agent() {
    let mut w = World::with(|config| config.limits.log_events = 8);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.drain(a);
    w.hold_writes(a);
    let body = Body::thought("x");
    let mut last = 1;
    while w.try_emit(&job, &body).is_ok() {
        last += 1;
    }
    w.drain(a);
    // The client has received everything, although no frame was reported as written.
    w.resume(a, last);
    w.host_event("Unblocked", |event| matches!(event, Event::Unblocked { .. }).then_some(()));
    assert_eq!(w.try_emit(&job, &body), Ok(()));
}

#[test]
fn s6_5_an_agent_blocked_by_its_owner_is_unblocked_after_a_slow_subscriber_left() {
    let mut w = World::with(|config| {
        config.limits.log_events = 20;
        config.limits.log_bytes = 20_000;
    });
    let a = w.login("tok-alice");
    let b = w.login("tok-alice");
    let job = w.job(a, "slow");
    let other = w.job(b, "slow");
    w.subscribe(b, json!({"job_id": job.id}));
    w.hold_writes(a);
    w.hold_writes(b);
    for _ in 0..3 {
        w.log(&job, &"x".repeat(5_000));
    }
    // The subscriber's log fills with its own events; the owner's has some bytes left, but not enough.
    while w.try_emit(&other, &Body::log("info", "more", None)).is_ok() {}
    assert_eq!(w.try_emit(&job, &Body::log("info", &"x".repeat(5_000), None)), Err(Refused::Blocked));
    w.send(b, "job.unsubscribe", json!({"job_id": job.id}));
    w.release_writes(a);
    let woken = |event: &Event| matches!(event, Event::Unblocked { job: woken } if *woken == job.key).then_some(());
    w.host_event("Unblocked", woken);
}

#[test]
fn s6_5_an_interrupted_replay_evicts_nothing_the_client_has_not_received() {
    let mut w = World::with(|config| {
        config.limits.log_events = 16;
        config.limits.send_window = 4;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for message in 0..20 {
        w.log(&job, &message.to_string());
    }
    let b = w.login("tok-alice");
    let own = w.job(b, "slow");
    w.hold_writes(b);
    for message in ["2", "3", "4"] {
        w.log(&own, message);
    }
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    w.cut(b);
    let c = w.resume(b, 1);
    let events = w.drain(c).into_iter().filter(|frame| frame.seq().is_some());
    let jobs: Vec<String> = events.map(|frame| frame.job().to_owned()).collect();
    assert_eq!(jobs.iter().filter(|id| **id == own.id).count(), 3, "its own events");
    assert_eq!(jobs.iter().filter(|id| **id == job.id).count(), 21, "and the whole history");
}

#[test]
fn s6_5_unacknowledged_events_are_kept_as_long_as_the_session() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for n in 2..=6 {
        w.log(&job, &n.to_string());
    }
    w.drain(a);
    ack(&mut w, a, 3);
    w.cut(a);
    w.log(&job, "7");
    w.advance(599_000_000);
    let b = w.resume(a, 3);
    assert_eq!(seqs(&w.drain(b)), [4, 5, 6, 7], "an ack frees what it names, and nothing after it");
}

#[test]
fn ours_credit_returns_as_frames_are_written() {
    let mut w = World::with(|config| config.limits.send_window_bytes = 2_048);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for _ in 0..100 {
        w.log(&job, &"x".repeat(500));
    }
    w.drain(a);
    w.hold_writes(a);
    for _ in 0..3 {
        w.log(&job, "x");
    }
    assert_eq!(w.drain(a).len(), 3, "three small frames fit into the window");
}
