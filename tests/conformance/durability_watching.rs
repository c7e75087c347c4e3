//! Ours: a restart does not change what a session sees of other sessions' jobs.

use nuncio_core::arcp::{ConnId, Runtime};
use nuncio_tests::world::{Frame, Job, World};
use serde_json::json;

use crate::durability::world;

/// A world that retains `kept` ended jobs, with a session and its first job, which has ended.
fn ended(kept: usize) -> (World, ConnId, Job) {
    let mut w = world();
    w.restart_with(|config| {
        config.limits.retained_jobs = kept;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let first = w.job(a, "slow");
    for message in ["one", "two", "three"] {
        w.log(&first, message);
    }
    w.finish(&first, "1");
    w.drain(a);
    (w, a, first)
}

#[test]
fn s7_3_a_terminal_after_a_replayed_history_comes_once() {
    let mut w = world();
    let (a, b) = (w.login("tok-alice"), w.login("tok-alice2"));
    let job = w.job(a, "slow");
    w.log(&job, "one");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    let shown = w.drain(b).len() as u64;
    // No event between the history and the terminal marks the end of the history.
    w.finish(&job, "1");
    let last = w.expect(b, "job.result").seq().unwrap();
    assert_eq!(last, shown + 1);
    let (session, token) = (w.session(b), w.token(b));
    assert!(w.restart().is_clean());
    let b = w.resume_as("tok-alice", &session, &token, 0);
    w.expect(b, "session.welcome");
    let frames = w.drain(b);
    assert_eq!(frames.iter().filter_map(Frame::seq).max(), Some(last), "{frames:?}");
}

#[test]
fn s6_3_numbers_stay_the_same_after_a_dropped_subscription() {
    let (mut w, a, first) = ended(1);
    // A session of the same principal, with a live job of its own.
    let b = w.login("tok-alice2");
    let own = w.job(b, "slow");
    w.hold_writes(b);
    w.subscribe(b, json!({"job_id": first.id, "history": true}));
    let (session, token) = (w.session(b), w.token(b));
    w.cut(b);
    w.drain(a);
    let second = w.job(a, "slow");
    w.finish(&second, "1");
    w.log(&own, "mine");
    let stored: Vec<(u64, String)> = w
        .stored
        .iter()
        .filter_map(|(_, record)| {
            let target = record.targets().iter().find(|target| target.session.to_string() == session);
            target.and_then(|target| record.frame(target.session))
        })
        .map(|(seq, text)| (seq, String::from_utf8(text.to_vec()).unwrap()))
        .collect();
    assert!(stored.iter().any(|(_, text)| text.contains("subscription_dropped")));
    assert!(w.restart().is_clean());
    let b = w.resume_as("tok-alice", &session, &token, 0);
    w.expect(b, "session.welcome");
    let again = w.drain(b);
    for (seq, text) in stored {
        let frame = again.iter().find(|frame| frame.seq() == Some(seq)).unwrap();
        assert_eq!(frame.text(), text);
    }
}

/// Otherwise a restart would drop a job that clients still see in their lists.
#[test]
fn ours_a_watched_job_does_not_change_the_eviction_order() {
    let (mut w, a, first) = ended(2);
    let second = w.job(a, "slow");
    w.finish(&second, "2");
    w.drain(a);
    let b = w.login("tok-alice2");
    w.hold_writes(b);
    w.subscribe(b, json!({"job_id": first.id, "history": true}));
    w.cut(b);
    w.drain(a);
    let third = w.job(a, "slow");
    w.finish(&third, "3");
    w.drain(a);
    let before = w.list(a, json!({})).payload()["jobs"].clone();
    assert!(w.restart().is_clean());
    let a = w.login("tok-alice");
    assert_eq!(w.list(a, json!({})).payload()["jobs"], before);
}

#[test]
fn s7_6_a_history_that_lost_records_is_marked_truncated() {
    let mut w = world();
    let a = w.login_without("tok-alice", &["progress"]);
    let job = w.job(a, "slow");
    // The owner is not shown this event, so it shares the number of the event before it.
    w.raw(&job, "progress", &json!({"current": 1}));
    let first = w.stored.iter().position(|(_, record)| record.position() == Some((0, 1)));
    assert!(w.stored.iter().any(|(_, record)| record.position() == Some((1, 1))));
    let records = w.records(w.stored.len());
    let kept = records.into_iter().enumerate().filter(|(at, _)| Some(*at) != first).map(|(_, record)| record);
    let (runtime, _) = Runtime::restore(w.runtime.config().clone(), w.agents.clone(), [3; 32], w.now, kept).unwrap();
    w.adopt(runtime);
    let b = w.login("tok-alice2");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(subscribed.payload()["history_truncated"], true);
}
