//! Bounded turns: what a subscription is sent of a long history, and the rest of a long result (§7.6, §8.4, §14, ours).

use nuncio_core::arcp::{Body, ConnId, Number, Timer};
use nuncio_tests::world::{Frame, Job, World};
use serde_json::json;

/// The work of one turn: a hundred events of a history.
const TURN: u64 = 2_000;

/// Events that a session without `progress` is not shown.
fn progress(w: &mut World, owner: ConnId, job: &Job, count: usize) {
    for _ in 0..count {
        w.emit(job, &Body::progress(&Number::from(1_u32), None, None, None).unwrap());
        w.drain(owner);
    }
}

fn log(w: &mut World, owner: ConnId, job: &Job, message: &str) {
    w.log(job, message);
    w.drain(owner);
}

/// A job with 900 events, of which a session without `progress` is shown four: one at the beginning, two in the middle and one
/// at the end.
fn long_history(w: &mut World, owner: ConnId) -> Job {
    let job = w.job(owner, "slow");
    progress(w, owner, &job, 300);
    log(w, owner, &job, "one");
    progress(w, owner, &job, 296);
    log(w, owner, &job, "two");
    progress(w, owner, &job, 300);
    log(w, owner, &job, "three");
    job
}

fn messages(frames: &[Frame]) -> Vec<&str> {
    let of = |frame: &'_ Frame| match frame.event() {
        "log" => "message",
        "status" => "phase",
        other => panic!("{} {other}", frame.kind()),
    };
    frames.iter().map(|frame| frame.body()[of(frame)].as_str().unwrap()).collect()
}

/// A session that is not shown a kind of events makes the runtime pass over them, but not over all at once.
#[test]
fn s7_6_a_history_that_is_passed_over_goes_on_in_later_turns() {
    let mut w = World::with(|config| config.limits.turn_work = TURN);
    let a = w.login("tok-alice");
    let job = long_history(&mut w, a);
    let (b, c) = (w.login_without("tok-alice", &["progress"]), w.login("tok-bob"));
    let before = w.runtime.work_done();
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert!(w.runtime.work_done() - before <= 2 * TURN, "the first turn is short, too");
    assert_eq!(messages(&w.drain(b)), ["running"]);
    // A request is answered while the history waits for its next turn.
    w.send(b, "session.ping", json!({"nonce": "n"}));
    w.expect(b, "session.pong");
    // What happens meanwhile comes after the history.
    log(&mut w, a, &job, "four");
    assert!(w.take_turns(c, TURN) >= 8);
    log(&mut w, a, &job, "five");
    let frames = w.drain(b);
    assert_eq!(messages(&frames), ["one", "two", "three", "four", "five"]);
    assert_eq!(frames.iter().map(Frame::seq).collect::<Vec<_>>(), [2, 3, 4, 5, 6].map(Some));
}

/// The end of a history is the same, however short the turns are.
#[test]
fn s7_6_a_history_is_the_same_in_many_turns() {
    let shown = |turn_work: u64| {
        let mut w = World::with(|config| config.limits.turn_work = turn_work);
        let a = w.login("tok-alice");
        let job = long_history(&mut w, a);
        w.finish(&job, "1");
        w.drain(a);
        let b = w.login_without("tok-alice", &["progress"]);
        w.subscribe(b, json!({"job_id": job.id, "history": true}));
        w.advance(5_000);
        let all = w.drain(b);
        let (end, events) = all.split_last().unwrap();
        assert_eq!(end.kind(), "job.result");
        messages(events).join(" ")
    };
    for turn_work in [1, 25, 3_000, 1_000_000] {
        assert_eq!(shown(turn_work), "running one two three", "{turn_work} units in a turn");
    }
}

/// All subscriptions of a session share its turns, and all sessions share the time.
#[test]
fn s7_6_many_histories_share_the_turns() {
    let mut w = World::with(|config| config.limits.turn_work = TURN);
    let a = w.login("tok-alice");
    let jobs = [long_history(&mut w, a), long_history(&mut w, a), long_history(&mut w, a)];
    let other = w.login("tok-bob");
    let watchers = [(); 4].map(|()| w.login_without("tok-alice", &["progress"]));
    for watcher in watchers {
        for job in &jobs {
            let before = w.runtime.work_done();
            w.send(watcher, "job.subscribe", json!({"job_id": job.id, "history": true}));
            assert!(w.runtime.work_done() - before <= 2 * TURN);
        }
    }
    assert!(w.take_turns(other, TURN) >= 8 * watchers.len() * jobs.len());
    for watcher in watchers {
        let (answers, frames): (Vec<Frame>, Vec<Frame>) =
            w.drain(watcher).into_iter().partition(|frame| frame.kind() == "job.subscribed");
        assert_eq!(answers.len(), jobs.len());
        for job in &jobs {
            let of_job: Vec<Frame> = frames.iter().filter(|frame| frame.job() == job.id).cloned().collect();
            assert_eq!(messages(&of_job), ["running", "one", "two", "three"]);
        }
        let numbers: Vec<Option<u64>> = frames.iter().map(Frame::seq).collect();
        assert_eq!(numbers, (1..=12).map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn s6_3_a_history_that_waits_goes_on_after_a_resume() {
    let mut w = World::with(|config| config.limits.turn_work = TURN);
    let a = w.login("tok-alice");
    let job = long_history(&mut w, a);
    let (b, other) = (w.login_without("tok-alice", &["progress"]), w.login("tok-bob"));
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    w.advance(4);
    let before = messages(&w.drain(b)).join(" ");
    w.cut(b);
    // The turns of a session without a connection are no work.
    w.advance(100);
    assert!(w.timer().is_none_or(|(_, timer)| timer != Timer::Turn));
    let work = w.runtime.work_done();
    let resumed = w.resume(b, 2);
    assert!(w.runtime.work_done() - work <= 2 * TURN, "the turn of a resume is short, too");
    assert!(w.take_turns(other, TURN) >= 4);
    let after = w.drain(resumed);
    assert_eq!([before, messages(&after).join(" ")], ["running one", "two three"]);
    assert_eq!(after.iter().map(Frame::seq).collect::<Vec<_>>(), [3, 4].map(Some));
}

/// A subscription that ends while its history waits for a turn is sent nothing more.
#[test]
fn s7_6_a_history_that_waits_ends_with_its_subscription() {
    let mut w = World::with(|config| config.limits.turn_work = TURN);
    let a = w.login("tok-alice");
    let (job, short) = (long_history(&mut w, a), w.job(a, "slow"));
    w.drain(a);
    let b = w.login_without("tok-alice", &["progress"]);
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    w.drain(b);
    w.send(b, "job.unsubscribe", json!({"job_id": job.id}));
    w.subscribe(b, json!({"job_id": short.id, "history": true}));
    w.advance(100);
    let frames = w.drain(b);
    assert_eq!(messages(&frames), ["running"]);
    assert_eq!(frames[0].job(), short.id);
}

/// The rest of a result that is too large for a frame goes on in later turns.
#[test]
fn s8_4_a_large_result_is_sent_in_turns() {
    const CHUNK: usize = 1_000;
    let mut w = World::with(|config| {
        config.limits.turn_work = TURN;
        config.limits.frame_bytes = 4_000;
        config.limits.writer_chunk_bytes = CHUNK;
    });
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let job = w.job(a, "slow");
    w.drain(a);
    let text = "ä€x".repeat(10_000);
    let before = w.runtime.work_done();
    w.finish(&job, &json!(text).to_string());
    assert!(w.runtime.work_done() - before <= 2 * TURN);
    assert!(w.take_turns(b, TURN) >= 3);
    let frames = w.drain(a);
    let (end, chunks) = frames.split_last().unwrap();
    assert_eq!(end.kind(), "job.result");
    assert_eq!(chunks.len(), json!(text).to_string().len().div_ceil(CHUNK - 2));
    let result: String = chunks.iter().map(|chunk| chunk.body()["data"].as_str().unwrap()).collect();
    assert_eq!(result, json!(text).to_string());
}

/// A job that ends while the rest of its result waits for a turn has one end.
#[test]
fn s8_4_a_result_that_waits_can_be_cancelled() {
    let mut w = World::with(|config| {
        config.limits.turn_work = TURN;
        config.limits.frame_bytes = 4_000;
        config.limits.writer_chunk_bytes = 1_000;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.drain(a);
    w.finish(&job, &json!("x".repeat(60_000)).to_string());
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.advance(1_000);
    let frames = w.drain(a);
    let ends: Vec<&str> = frames.iter().map(Frame::kind).filter(|kind| *kind != "job.event").collect();
    assert_eq!(ends, ["job.cancelled", "job.error"]);
    assert_eq!(frames.last().unwrap().kind(), "job.error");
    assert!(w.timer().is_none_or(|(_, timer)| timer != Timer::Turn));
}
