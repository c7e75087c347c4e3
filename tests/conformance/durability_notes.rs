//! Ours: notes that agents leave with their jobs, and records of earlier versions.

use nuncio_core::arcp::{Body, Event, Journaling, Record, Refused};
use nuncio_tests::world::World;
use serde_json::json;

use crate::durability_jobs::{rerunning, same};

#[test]
fn ours_a_note_is_read_back_after_a_restart() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "again"}));
    assert_eq!(w.runtime.job(job.key).unwrap().note, None);
    for (number, note) in [(1, &b"first"[..]), (2, b"\xff\x00")] {
        assert_eq!(w.runtime.note(w.now, job.key, note), Ok(number));
        w.settle();
        w.host_event("Noted", |event| match event {
            Event::Noted { number: noted, .. } if *noted == number => Some(()),
            _ => None,
        });
    }
    w.restart();
    let now = same(&w, &job);
    assert_eq!(w.runtime.job(now.key).unwrap().note, Some(&b"\xff\x00"[..]), "the last one counts");
    w.finish(&now, "1");
    assert_eq!(w.runtime.job(now.key).unwrap().note, None);
    assert_eq!(w.runtime.note(w.now, now.key, b"x"), Err(Refused::Terminal));
}

#[test]
fn limit_note_bytes() {
    let mut w = World::with(|config| {
        config.journal = Journaling::Kept;
        config.limits.note_bytes = 3;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    assert_eq!(w.runtime.note(w.now, job.key, b"abc"), Ok(1));
    assert_eq!(w.runtime.note(w.now, job.key, b"abcd"), Err(Refused::Limit { limit: "note_bytes", max: 3 }));
    assert_eq!(w.runtime.job(job.key).unwrap().note, Some(&b"abc"[..]));
}

#[test]
fn ours_notes_wait_for_a_slow_journal() {
    let mut w = World::with(|config| {
        config.journal = Journaling::Kept;
        config.limits.store_window = 4;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.journal_stalled = true;
    let blocked = (0..10).find(|_| w.runtime.note(w.now, job.key, b"x") == Err(Refused::Blocked));
    assert!(blocked.is_some());
    assert_eq!(w.try_emit(&job, &Body::log("info", "x", None)), Err(Refused::Blocked));
}

#[test]
fn ours_records_without_the_later_members_are_read() {
    let event = r#"{"v":1,"t":"job_event","job":"job_01J00000000000000000000000","trace":"00000000000000000000000000000001","position":0,"seq":1,"to":[],"payload":{"kind":"status"}}"#;
    let record = Record::decode(event.as_bytes()).unwrap();
    assert!(!record.begins_run());
    assert_eq!(String::from_utf8(record.encode()).unwrap(), event);
    let begun = event.replace(r#""to""#, r#""since":5,"restarts":1,"to""#);
    let record = Record::decode(begun.as_bytes()).unwrap();
    assert!(record.begins_run());
    assert_eq!(String::from_utf8(record.encode()).unwrap(), begun);
    let half = event.replace(r#""to""#, r#""since":5,"to""#);
    assert!(Record::decode(half.as_bytes()).is_err());
}
