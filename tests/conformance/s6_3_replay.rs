//! §6.3, §8.3: what is replayed after a cut, and in which order.

use nuncio_core::arcp::{Chunk, ErrorCode};
use nuncio_tests::world::{ACCEPTED_REPLAY, Frame, OnSubmit, World};
use serde_json::json;

fn kinds(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| format!("{}{}", frame.kind(), frame.seq().map_or(String::new(), |seq| format!("#{seq}"))))
        .collect()
}

#[test]
fn s6_3_accepted_directly_precedes_the_first_replayed_event() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let one = w.job(a, "echo");
    let two = w.job(a, "echo");
    w.log(&one, "3");
    w.cut(a);
    let b = w.resume(a, 0);
    let frames = w.drain(b);
    assert_eq!(kinds(&frames), ["job.accepted", "job.event#1", "job.accepted", "job.event#2", "job.event#3"]);
    assert_eq!(frames[0].text(), one.accepted.text(), "same id, same payload");
    assert_eq!(frames[2].text(), two.accepted.text());
}

#[test]
fn s6_3_accepted_precedes_a_first_event_after_a_cut_too() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.hold_writes(a);
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, json!({"agent": "echo"}));
    w.cut(a);
    // The client never saw `job.accepted`: its job starts while the session is detached.
    w.start(key);
    let b = w.resume(a, 0);
    let frames = w.drain(b);
    assert_eq!(kinds(&frames), ["job.accepted", "job.event#1"]);
}

#[test]
fn s6_3_a_client_that_did_not_ask_gets_no_accepted_again() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &[ACCEPTED_REPLAY]);
    let features = w.welcome(a).payload()["capabilities"]["features"].clone();
    assert!(
        !features.as_array().unwrap().contains(&json!(ACCEPTED_REPLAY)),
        "it is in the welcome of a session that asked"
    );
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"agent.delegate": ["*"]}}));
    w.delegate(&job, &json!({"agent": "slow", "delegate_id": "d"})).unwrap();
    w.cut(a);
    let b = w.resume(a, 0);
    assert_eq!(kinds(&w.drain(b)), ["job.event#1", "job.event#2", "job.event#3"]);
}

#[test]
fn s6_3_a_submit_of_a_lost_connection_is_not_answered_on_the_next_one() {
    let mut w = World::new();
    w.on_submit = OnSubmit::Hold;
    let a = w.login_without("tok-alice", &[ACCEPTED_REPLAY]);
    let accepted = w.submit_held(a, json!({"agent": "echo", "idempotency_key": "k"}));
    let declined = w.submit_held(a, json!({"agent": "echo"}));
    w.cut(a);
    let b = w.resume(a, 0);
    let pending = w.submit_held(b, json!({"agent": "slow"}));
    w.start(accepted);
    w.decline(declined, ErrorCode::PermissionDenied);
    assert_eq!(kinds(&w.drain(b)), ["job.event#1"], "its events are shown");
    w.start(pending);
    assert_eq!(kinds(&w.drain(b)), ["job.accepted", "job.event#2"]);
    let repeated = w.send_submit(b, json!({"agent": "echo", "idempotency_key": "k"}));
    assert_eq!(
        w.expect(b, "job.accepted").payload()["request_id"],
        repeated.as_str(),
        "the key tells what became of it"
    );
}

#[test]
fn s6_3_accepted_is_not_repeated_once_the_first_event_is_past() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.cut(a);
    let b = w.resume(a, 1);
    let frames = w.drain(b);
    let accepted = frames.iter().filter(|frame| frame.kind() == "job.accepted").count();
    assert_eq!(frames.iter().filter_map(Frame::seq).collect::<Vec<_>>(), [2]);
    assert_eq!(accepted, 0, "the first event of the job is not written again: {frames:?}");
}

#[test]
fn s6_3_unnumbered_frames_are_not_replayed() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    w.send(a, "session.list_jobs", json!({}));
    w.send(a, "session.list_jobs", json!({}));
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.cut(a);
    let b = w.resume(a, 1);
    assert!(w.drain(b).iter().all(|frame| frame.seq().is_some()));
}

#[test]
fn s6_3_queued_events_survive_a_cut() {
    let mut w = World::with(|config| config.limits.send_window = 4);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.hold_writes(a);
    for n in 2..=200 {
        w.log(&job, &n.to_string());
    }
    let seen = w.drain(a).last().and_then(Frame::seq).unwrap();
    assert_eq!(seen, 5, "four frames are outstanding");
    w.cut(a);
    for n in 201..=210 {
        w.log(&job, &n.to_string());
    }
    w.finish(&job, "1");
    let b = w.resume(a, seen);
    let frames = w.drain(b);
    assert_eq!(frames.iter().filter_map(Frame::seq).collect::<Vec<_>>(), (6..=211).collect::<Vec<_>>());
    assert_eq!(frames.last().unwrap().kind(), "job.result");
}

#[test]
fn s6_3_live_events_follow_the_replay_without_a_gap() {
    let mut w = World::with(|config| config.limits.send_window = 2);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 2..=10 {
        w.log(&job, &n.to_string());
    }
    w.cut(a);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.open();
    w.hold_writes(b);
    w.send(
        b,
        "session.hello",
        json!({"client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "tok-alice"},
            "resume": {"session_id": session, "resume_token": token, "last_event_seq": 0}}),
    );
    w.log(&job, "live");
    w.expect(b, "session.welcome");
    w.release_writes(b);
    let frames = w.drain(b);
    assert_eq!(frames.iter().filter_map(Frame::seq).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
}

#[test]
fn s6_3_the_welcome_comes_first() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.cut(a);
    let (session, token) = (w.session(a), w.token(a));
    let b = w.resume_as("tok-alice", &session, &token, 0);
    let frames = w.drain(b);
    assert_eq!(frames[0].kind(), "session.welcome");
    assert_eq!(frames.iter().filter_map(Frame::seq).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn s8_3_numbers_continue_across_a_resume() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.cut(a);
    w.log(&job, "2, while away");
    let b = w.resume(a, 1);
    w.log(&job, "3");
    w.drain(b);
    let next = w.job(b, "echo");
    w.log(&next, "5");
    assert_eq!(w.history.last().unwrap().2.seq(), Some(5));
}

#[test]
fn s6_3_replays_are_repeatable() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("a"), false).unwrap();
    w.cut(a);
    let mut last = a;
    for _ in 0..3 {
        last = w.resume(last, 0);
        let frames = w.drain(last);
        assert_eq!(kinds(&frames), ["job.accepted", "job.event#1", "job.event#2"]);
        w.cut(last);
    }
}

#[test]
fn s6_3_a_resume_may_start_before_an_earlier_resume() {
    // `last_event_seq` is compared with what was sent, not with what an earlier resume asked for.
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.log(&job, "3");
    let b = w.resume(a, 3);
    let c = w.resume(b, 1);
    assert_eq!(w.drain(c).iter().filter_map(Frame::seq).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn s6_3_submit_ids_are_remembered_across_a_resume() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let submit = json!({"arcp": "1.1", "id": "once", "type": "job.submit", "payload": {"agent": "echo"}});
    w.send_frame(a, &submit);
    let first = w.expect(a, "job.accepted");
    w.cut(a);
    let b = w.resume(a, 1);
    w.send_frame(b, &submit);
    let again = w.expect(b, "job.accepted");
    assert_eq!(again.job(), first.job());
    assert_eq!(w.list(b, json!({})).payload()["jobs"].as_array().unwrap().len(), 1, "it did not run again");
}
