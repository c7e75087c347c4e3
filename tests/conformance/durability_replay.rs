//! Ours: events that are no longer in memory are read back from the journal (§6.3, §7.6).

use nuncio_core::arcp::{Event, Journaling, ReplayId, ReplayRange};
use nuncio_tests::world::{Frame, Job, OnReplay, SECOND, World};
use serde_json::json;

const ROUNDS: u64 = 500;

fn world() -> World {
    World::with(|config| {
        config.journal = Journaling::Readable;
        config.limits.log_events = 20;
        config.limits.history_events = 20;
    })
}

/// A world whose job has emitted far more events than are kept in memory, with its session, resume token and job.
fn long_job() -> (World, String, String, Job) {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for round in 0..ROUNDS {
        w.log(&job, &format!("round {round}"));
    }
    let (session, token) = (w.session(a), w.token(a));
    w.drain(a);
    (w, session, token, job)
}

fn messages(frames: &[Frame]) -> Vec<String> {
    let logs = frames.iter().filter(|frame| frame.event() == "log");
    logs.map(|frame| frame.body()["message"].as_str().unwrap().to_owned()).collect()
}

fn expected(from: u64) -> Vec<String> {
    (from..ROUNDS).map(|round| format!("round {round}")).collect()
}

fn replay_request(w: &mut World) -> (ReplayId, ReplayRange, usize, usize) {
    w.host_event("Replay", |event| match event {
        Event::Replay { replay, range, max_events, max_bytes } => Some((*replay, *range, *max_events, *max_bytes)),
        _ => None,
    })
}

#[test]
fn s6_3_a_resume_reads_older_events_from_the_journal() {
    for last in [0, 1, 7, 450] {
        let (mut w, session, token, _) = long_job();
        let c = w.resume_as("tok-alice", &session, &token, last);
        w.expect(c, "session.welcome");
        let frames = w.drain(c);
        let numbers: Vec<u64> = frames.iter().filter_map(Frame::seq).collect();
        assert_eq!(numbers, (last + 1..=ROUNDS + 1).collect::<Vec<_>>());
        assert_eq!(messages(&frames), expected(last.saturating_sub(1)));
        let accepted = frames.first().unwrap().kind() == "job.accepted";
        assert_eq!(accepted, last == 0, "job.accepted precedes the job's first event");
        assert!(w.replayed > 0);
    }
}

#[test]
fn s6_3_a_resume_after_a_restart_reads_the_journal_too() {
    let (mut w, session, token, job) = long_job();
    w.restart();
    let c = w.resume_as("tok-alice", &session, &token, 3);
    w.expect(c, "session.welcome");
    let frames = w.drain(c);
    assert_eq!(messages(&frames), expected(2));
    let end = frames.last().unwrap();
    assert_eq!((end.kind(), end.job()), ("job.error", job.id.as_str()));
}

#[test]
fn ours_reading_back_holds_little_memory() {
    let (mut w, session, token, _) = long_job();
    let before = w.runtime.bytes_held();
    w.on_replay = OnReplay::Hold;
    let c = w.resume_as("tok-alice", &session, &token, 0);
    w.expect_nothing(c);
    let mut asks = 0;
    while let Some((replay, range, max_events, max_bytes)) = w.try_host_event(|event| match event {
        Event::Replay { replay, range, max_events, max_bytes } => Some((*replay, *range, *max_events, *max_bytes)),
        _ => None,
    }) {
        asks += 1;
        assert!(
            max_events <= w.runtime.config().limits.send_window
                && max_bytes <= w.runtime.config().limits.send_window_bytes
        );
        w.read_back(replay, &range, 0, max_events, max_bytes);
        w.settle();
        assert!(w.runtime.bytes_held() < before + 64 * 1024, "{} bytes", w.runtime.bytes_held());
    }
    assert!(asks > 5, "{asks} questions");
    w.expect(c, "session.welcome");
    assert_eq!(messages(&w.drain(c)), expected(0));
}

#[test]
fn ours_new_events_follow_the_events_read_back() {
    let (mut w, session, token, job) = long_job();
    w.on_replay = OnReplay::Hold;
    let c = w.resume_as("tok-alice", &session, &token, 400);
    let (replay, range, max_events, max_bytes) = replay_request(&mut w);
    w.log(&job, "late");
    w.on_replay = OnReplay::Answer;
    w.read_back(replay, &range, 0, max_events, max_bytes);
    w.settle();
    w.expect(c, "session.welcome");
    w.log(&job, "later");
    let said = messages(&w.drain(c));
    assert_eq!(said[said.len() - 2..], ["late", "later"]);
    assert_eq!(said.len() as u64, ROUNDS - 399 + 2);
}

#[test]
fn s6_3_a_resume_from_before_the_pruned_journal_is_refused() {
    let (mut w, session, token, _) = long_job();
    w.on_replay = OnReplay::Pruned(300);
    let c = w.resume_as("tok-alice", &session, &token, 5);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let c = w.resume_as("tok-alice", &session, &token, 400);
    w.expect(c, "session.welcome");
}

#[test]
fn ours_a_failed_read_refuses_the_resume_and_keeps_the_session() {
    for answer in [OnReplay::Fail, OnReplay::Hold] {
        let (mut w, session, token, _) = long_job();
        w.on_replay = answer;
        let c = w.resume_as("tok-alice", &session, &token, 5);
        w.advance(11 * SECOND);
        w.refusal(c, "INTERNAL_ERROR");
        w.on_replay = OnReplay::Answer;
        let c = w.resume_as("tok-alice", &session, &token, 5);
        w.expect(c, "session.welcome");
        assert_eq!(messages(&w.drain(c)), expected(4));
    }
}

#[test]
fn ours_a_read_that_fails_midway_closes_the_connection() {
    let (mut w, session, token, _) = long_job();
    w.on_replay = OnReplay::Hold;
    let c = w.resume_as("tok-alice", &session, &token, 5);
    let (replay, range, max_events, max_bytes) = replay_request(&mut w);
    w.read_back(replay, &range, 0, max_events, max_bytes);
    w.settle();
    let (replay, ..) = replay_request(&mut w);
    w.runtime.replay_failed(w.now, replay).unwrap();
    w.settle();
    assert_eq!(w.closed(c), Some(1011));
    let last = w.drain(c).iter().filter_map(Frame::seq).max().unwrap();
    w.on_replay = OnReplay::Answer;
    let d = w.resume(c, last);
    assert_eq!(messages(&w.drain(d)), expected(last - 1));
}

#[test]
fn ours_a_late_answer_is_stale() {
    let (mut w, session, token, _) = long_job();
    w.on_replay = OnReplay::Hold;
    let c = w.resume_as("tok-alice", &session, &token, 5);
    let (replay, ..) = replay_request(&mut w);
    w.cut(c);
    w.advance(11 * SECOND);
    assert!(w.runtime.replay(w.now, replay, &[], false).is_err());
}

#[test]
fn ours_replays_are_limited() {
    let (mut w, session, token, _) = long_job();
    w.restart_with(|config| config.limits.replays = 1);
    w.on_replay = OnReplay::Hold;
    let c = w.resume_as("tok-alice", &session, &token, 5);
    let d = w.resume_as("tok-alice", &session, &token, 5);
    w.expect_nothing(c);
    let refused = w.refusal(d, "INTERNAL_ERROR");
    assert_eq!(refused.payload()["details"], json!({"limit": "replays", "max": 1}));
}

#[test]
fn s7_6_a_history_is_read_from_the_journal() {
    let (mut w, _, _, job) = long_job();
    for ended in [false, true] {
        if ended {
            w.finish(&job, "1");
        }
        let b = w.login("tok-alice2");
        let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true}));
        assert!(subscribed.payload().get("history_truncated").is_none(), "{subscribed:?}");
        assert_eq!(subscribed.payload()["replayed"], true);
        if !ended {
            w.log(&job, "live");
        }
        let frames = w.drain(b);
        let said = messages(&frames);
        assert_eq!(said[..usize::try_from(ROUNDS).unwrap()], expected(0));
        assert_eq!(said.last().unwrap(), "live");
        assert_eq!(frames.last().unwrap().kind() == "job.result", ended);
    }
}

#[test]
fn s7_6_a_history_from_a_given_number_is_read_from_the_journal() {
    let (mut w, _, _, job) = long_job();
    let b = w.login("tok-alice2");
    w.subscribe(b, json!({"job_id": job.id, "history": true, "from_event_seq": 101}));
    assert_eq!(messages(&w.drain(b)), expected(100));
}

#[test]
fn s7_6_a_pruned_history_is_marked_truncated() {
    let (mut w, _, _, job) = long_job();
    w.on_replay = OnReplay::Pruned(300);
    let b = w.login("tok-alice2");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(subscribed.payload()["history_truncated"], true);
    let said = messages(&w.drain(b));
    assert_eq!(said.last().unwrap(), &format!("round {}", ROUNDS - 1));
    assert!(said.len() > 100 && (said.len() as u64) < ROUNDS);
}

#[test]
fn s7_6_a_failed_read_still_shows_what_is_in_memory() {
    let (mut w, _, _, job) = long_job();
    w.on_replay = OnReplay::Fail;
    let b = w.login("tok-alice2");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(subscribed.payload()["history_truncated"], true);
    assert_eq!(messages(&w.drain(b)), expected(ROUNDS - 20));
}

/// The journal may prune events between two reads of the same replay.
#[test]
fn s7_6_events_pruned_during_the_replay_are_skipped() {
    let (mut w, _, _, job) = long_job();
    let b = w.login("tok-alice2");
    w.on_replay = OnReplay::Hold;
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    let (replay, range, max_events, max_bytes) = replay_request(&mut w);
    w.read_back(replay, &range, 0, max_events, max_bytes);
    w.settle();
    let (replay, ..) = replay_request(&mut w);
    w.runtime.replay(w.now, replay, &[], true).unwrap();
    w.settle();
    assert_eq!(messages(&w.drain(b)), expected(ROUNDS - 20));
}

#[test]
fn ours_without_a_readable_journal_no_replay_is_requested() {
    let (mut w, session, token, job) = long_job();
    w.restart_with(|config| config.journal = Journaling::Kept);
    let c = w.resume_as("tok-alice", &session, &token, 5);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let b = w.login("tok-alice2");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(subscribed.payload()["history_truncated"], true);
    assert_eq!(w.replayed, 0);
}

#[test]
fn ours_one_session_cannot_use_up_all_replays() {
    let (mut w, _, _, job) = long_job();
    let greedy = w.login("tok-alice2");
    let other = w.login("tok-alice");
    w.on_replay = OnReplay::Hold;
    let ask = json!({"job_id": job.id, "history": true, "from_event_seq": 0});
    let refused = (0..1_000).any(|_| {
        w.send(greedy, "job.subscribe", ask.clone());
        w.drain(greedy).iter().any(|frame| frame.kind() == "session.error")
    });
    assert!(refused);
    w.on_replay = OnReplay::Answer;
    w.send(other, "job.subscribe", ask);
    assert_eq!(messages(&w.drain(other)), expected(0), "other sessions can still replay");
}
