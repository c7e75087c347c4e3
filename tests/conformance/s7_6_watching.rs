//! §7.6, §7.7: subscriptions over time: detached sessions, jobs without an owner, slow watchers, order.

use nuncio_core::arcp::{ACCEPTED_REPLAY, Refused};
use nuncio_tests::world::{Frame, SECOND, World};
use serde_json::json;

#[test]
fn s7_6_subscriptions_continue_while_detached_and_after_a_resume() {
    let mut w = World::new();
    let a = w.login("tok-bob");
    let job = w.job(a, "echo");
    let b = w.login("tok-bob");
    let (session, token) = (w.session(b), w.token(b));
    w.subscribe(b, json!({"job_id": job.id}));
    w.log(&job, "1 for b");
    w.cut(b);
    w.log(&job, "2 for b");
    let c = w.resume_as("tok-bob", &session, &token, 1);
    w.expect(c, "session.welcome");
    assert_eq!(w.event(c, "log").body()["message"], "2 for b");
    w.log(&job, "3 for b");
    assert_eq!(w.event(c, "log").seq(), Some(3));
}

#[test]
fn s13_3_watchers_stay_when_the_owner_goes() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login_without("tok-alice", &["heartbeat"]);
    w.subscribe(b, json!({"job_id": job.id}));
    w.cut(a);
    w.log(&job, "2");
    w.event(b, "log");
    w.advance(601 * SECOND);
    w.log(&job, "3");
    w.event(b, "log");
}

#[test]
fn s7_6_an_ownerless_job_continues_its_numbers() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.cut(a);
    w.advance(601 * SECOND);
    w.log(&job, "3");
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true, "from_event_seq": 2}));
    assert_eq!(subscribed.payload()["subscribed_from"], 3);
    let frames = w.drain(b);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].body()["message"], "3");
}

#[test]
fn s7_6_history_outlives_the_owners_acks() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 2..=5 {
        w.log(&job, &n.to_string());
    }
    w.send(a, "session.ack", json!({"last_processed_seq": 5}));
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(w.drain(b).len(), 5);
}

#[test]
fn s6_order_subscribed_comes_before_its_frames_and_live_waits_for_the_replay() {
    let mut w = World::with(|config| config.limits.send_window = 2);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 2..=20 {
        w.log(&job, &n.to_string());
    }
    let b = w.login("tok-alice");
    w.hold_writes(b);
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    for n in 21..=30 {
        w.log(&job, &n.to_string());
    }
    w.release_writes(b);
    let frames = w.drain(b);
    assert_eq!(frames[0].kind(), "job.subscribed");
    let messages: Vec<_> =
        frames[2..].iter().map(|frame| frame.body()["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages, (2..=30).map(|n: u32| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn s7_6_a_dropped_subscription_ends_and_can_be_renewed() {
    let mut w = World::with(|config| {
        config.limits.log_events = 10;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let b = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    w.hold_writes(b);
    for n in 2..=50 {
        w.log(&job, &n.to_string());
        w.drain(a);
    }
    w.release_writes(b);
    let frames = w.drain(b);
    let drops: Vec<&Frame> = frames
        .iter()
        .filter(|frame| frame.event() == "status" && frame.body()["phase"] == "subscription_dropped")
        .collect();
    assert_eq!(drops.len(), 1);
    assert_eq!(drops[0].seq(), frames.last().unwrap().seq(), "it is the last event");
    w.log(&job, "51");
    w.expect_nothing(b);
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true, "from_event_seq": 49}));
    assert_eq!(subscribed.payload()["replayed"], true);
    assert!(w.drain(b).iter().any(|frame| frame.body()["message"] == "51"));
    w.finish(&job, "1");
    w.expect(b, "job.result");
}

#[test]
fn s7_6_several_watchers_see_the_same_bodies() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let watchers: Vec<_> = (0..5).map(|_| w.login("tok-alice")).collect();
    for watcher in &watchers {
        w.subscribe(*watcher, json!({"job_id": job.id}));
    }
    w.log(&job, "x");
    w.finish(&job, "1");
    let owner = w.drain(a);
    for watcher in watchers {
        let frames = w.drain(watcher);
        let payloads: Vec<_> = frames.iter().map(|frame| frame.payload().clone()).collect();
        assert_eq!(payloads, owner.iter().map(|frame| frame.payload().clone()).collect::<Vec<_>>());
    }
}

#[test]
fn s7_6_the_owner_waits_for_its_own_session_only() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let b = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    w.hold_writes(a);
    let mut taken = 0;
    let blocked = loop {
        match w.try_emit(&job, &nuncio_core::arcp::Body::log("info", "x", None)) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 50);
    };
    assert_eq!(blocked, Refused::Blocked);
    assert_eq!(w.drain(b).len(), taken, "a refused event is sent to nobody");
}

#[test]
fn s7_6_a_subscription_is_dropped_if_its_job_is_evicted_before_the_replay() {
    let mut w = World::with(|config| {
        config.limits.retained_jobs = 1;
        config.limits.send_window = 2;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for message in ["2", "3", "4", "5"] {
        w.log(&job, message);
    }
    w.finish(&job, "1");
    let b = w.login("tok-alice");
    w.hold_writes(b);
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    w.drain(a);
    let next = w.job(a, "slow");
    w.finish(&next, "1");
    w.release_writes(b);
    let frames = w.drain(b);
    let last = frames.last().expect("a frame");
    assert_eq!((last.job(), &last.body()["phase"]), (job.id.as_str(), &json!("subscription_dropped")), "{frames:?}");
}

/// The client takes what follows the answer for events of the new subscription.
#[test]
fn s7_6_the_answer_to_a_repeated_subscribe_follows_the_events_of_the_first() {
    let mut w = World::with(|config| config.limits.send_window = 4);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    w.hold_writes(b);
    for number in 0..100 {
        w.log(&job, &number.to_string());
    }
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    w.release_writes(b);
    let frames = w.drain(b);
    let answer = frames.iter().position(|frame| frame.kind() == "job.subscribed").unwrap();
    let messages = frames[answer..].iter().filter(|frame| frame.event() == "log");
    let messages: Vec<_> = messages.map(|frame| frame.body()["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// A client that asks for the answers that it has lost asks again with the same id. The socket of each connection takes the
/// whole history, but only five frames of it arrive.
#[test]
fn s6_3_each_connection_brings_the_end_of_a_history_nearer() {
    for ends in [false, true] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        for number in 0..60 {
            w.log(&job, &number.to_string());
        }
        if ends {
            w.finish(&job, "1");
        }
        let subscribe = json!({
            "arcp": "1.1", "id": "same", "type": "job.subscribe", "payload": {"job_id": job.id, "history": true}
        });
        let mut b = w.login_with("tok-alice", &["subscribe", ACCEPTED_REPLAY]);
        w.send_frame(b, &subscribe);
        let (mut seen, mut answers, mut heard) = (0, 0, Vec::new());
        for _ in 0..60 {
            b = w.resume(b, seen);
            if answers == 0 {
                w.send_frame(b, &subscribe);
            }
            for frame in w.drain(b).into_iter().take(5) {
                answers += usize::from(frame.kind() == "job.subscribed");
                assert!(answers > 0, "the answer comes before the events");
                seen = frame.seq().unwrap_or(seen);
                heard.push(frame);
            }
        }
        let logged = heard.iter().filter(|frame| frame.event() == "log");
        let messages: Vec<_> = logged.map(|frame| frame.body()["message"].as_str().unwrap().to_owned()).collect();
        assert_eq!(messages, (0..60).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(heard.last().unwrap().kind() == "job.result", ends);
    }
}
