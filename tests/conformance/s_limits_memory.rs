//! The bytes that sessions and jobs hold in all: what is over them is refused, dropped, or only in the journal (§14, ours).

use nuncio_core::arcp::{ConnId, Journaling};
use nuncio_tests::world::{Frame, World};
use serde_json::{Value, json};

use crate::s_limits::assert_limit;

fn sleeper(bytes: usize) -> Value {
    json!({"agent": "slow", "input": "x".repeat(bytes)})
}

/// Submits jobs until one is refused; returns how many were accepted, and the refusal.
fn fill(w: &mut World, conn: ConnId, submit: &Value) -> (usize, Frame) {
    for accepted in 0..1_000 {
        w.send_submit(conn, submit.clone());
        let answer = w.recv(conn);
        if answer.kind() != "job.accepted" {
            return (accepted, answer);
        }
        w.drain(conn);
    }
    panic!("no submit is refused");
}

fn kept(w: &mut World, conn: ConnId) -> usize {
    let page = w.list(conn, json!({"limit": 1000}));
    page.payload()["jobs"].as_array().unwrap().len()
}

#[test]
fn limit_bytes() {
    let mut w = World::with(|config| config.limits.bytes = 200_000);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let (accepted, refused) = fill(&mut w, a, &sleeper(20_000));
    assert_limit(&refused, "bytes", 200_000);
    assert!((5..10).contains(&accepted), "{accepted} inputs of 20 KB are held in 200 KB");
    // However much one principal holds, another one has its share.
    let (accepted, refused) = fill(&mut w, b, &sleeper(20_000));
    assert_limit(&refused, "bytes", 200_000);
    assert!((3..5).contains(&accepted), "{accepted} inputs of 20 KB are a share of 100 KB");
    assert!(w.runtime.bytes_held() < 300_000, "{}", w.runtime.bytes_held());
}

#[test]
fn limit_bytes_per_principal() {
    let mut w = World::with(|config| config.limits.bytes_per_principal = 100_000);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let (accepted, refused) = fill(&mut w, a, &sleeper(20_000));
    assert_limit(&refused, "bytes_per_principal", 100_000);
    assert!((3..5).contains(&accepted), "{accepted} inputs of 20 KB");
    assert_eq!(fill(&mut w, b, &sleeper(20_000)).0, accepted);
}

/// What was charged returns when jobs end.
#[test]
fn limit_bytes_are_returned() {
    let mut w = World::with(|config| {
        config.limits.bytes = 200_000;
        config.limits.retained_jobs = 0;
        config.limits.log_events = 4;
    });
    let a = w.login("tok-alice");
    for _ in 0..20 {
        let jobs: Vec<_> = (0..8).map(|_| w.submit(a, sleeper(20_000))).collect();
        w.send_submit(a, sleeper(60_000));
        assert_limit(&w.recv(a), "bytes", 200_000);
        for job in &jobs {
            w.finish(job, "1");
            w.drain(a);
        }
    }
    assert!(w.runtime.bytes_held() < 20_000, "{}", w.runtime.bytes_held());
}

#[test]
fn limit_bytes_drops_ended_jobs_first() {
    let mut w = World::with(|config| config.limits.bytes = 300_000);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let own = w.job(b, "echo");
    w.finish(&own, "1");
    w.drain(b);
    let mut sent = 0;
    for _ in 0..30 {
        let job = w.job(a, "echo");
        w.finish(&job, &format!("\"{}\"", "x".repeat(20_000)));
        w.drain(a);
        sent += 2;
        w.send(a, "session.ack", json!({"last_processed_seq": sent}));
    }
    assert!((3..15).contains(&kept(&mut w, a)), "{} results of 20 KB are kept", kept(&mut w, a));
    assert_eq!(kept(&mut w, b), 1, "the principal that holds most gave way");
    assert!(w.runtime.bytes_held() < 450_000, "{}", w.runtime.bytes_held());
    // There is room for a new job.
    w.submit(a, sleeper(10_000));
}

/// Jobs that flood keep few events, whether their client is connected or not.
#[test]
fn limit_bytes_bounds_histories_and_logs() {
    for connected in [true, false] {
        let mut w = World::with(|config| config.limits.bytes = 1_000_000);
        let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
        let quiet = w.job(b, "slow");
        for _ in 0..20 {
            w.log(&quiet, &"q".repeat(1_000));
        }
        w.drain(b);
        let jobs: Vec<_> = (0..20).map(|_| w.job(a, "slow")).collect();
        if !connected {
            w.cut(a);
        }
        for _ in 0..100 {
            for job in &jobs {
                w.log(job, &"x".repeat(2_000));
            }
        }
        assert!(w.runtime.bytes_held() < 1_500_000, "{} bytes are held", w.runtime.bytes_held());
        // The history of another principal is whole.
        let watcher = w.login("tok-bob");
        w.subscribe(watcher, json!({"job_id": quiet.id, "history": true}));
        assert_eq!(w.drain(watcher).iter().filter(|frame| frame.kind() == "job.event").count(), 21);
    }
}

/// With a journal that can be read, what is not in memory is read from there.
#[test]
fn limit_bytes_spills_histories_to_the_journal() {
    let mut w = World::with(|config| {
        config.journal = Journaling::Readable;
        config.limits.bytes = 100_000;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for _ in 0..100 {
        w.log(&job, &"x".repeat(2_000));
    }
    assert!(w.runtime.bytes_held() < 150_000, "{} bytes are held", w.runtime.bytes_held());
    let watcher = w.login("tok-alice2");
    let subscribed = w.subscribe(watcher, json!({"job_id": job.id, "history": true}));
    assert!(subscribed.payload().get("history_truncated").is_none(), "{subscribed:?}");
    assert_eq!(w.drain(watcher).iter().filter(|frame| frame.kind() == "job.event").count(), 101);
}

/// Frames that wait for connections count: beyond a limit connections of their principal go, and no others.
#[test]
fn limit_bytes_per_principal_counts_incomplete_frames() {
    let mut w = World::with(|config| {
        config.limits.bytes_per_principal = 1_000_000;
        config.limits.sessions_per_principal = 100;
    });
    let b = w.login("tok-bob");
    w.buffered(b, 900_000);
    let conns: Vec<_> = (0..20).map(|_| w.login("tok-alice")).collect();
    for conn in &conns {
        w.buffered(*conn, 100_000);
    }
    let (gone, left): (Vec<ConnId>, Vec<ConnId>) = conns.into_iter().partition(|conn| w.closed(*conn).is_some());
    assert!((8..20).contains(&left.len()), "{} of 100 KB each are left", left.len());
    for conn in &gone {
        assert_eq!(w.closed(*conn), Some(1013));
        assert_limit(&w.recv(*conn), "bytes_per_principal", 1_000_000);
    }
    assert_eq!(w.closed(b), None, "another principal has its own room");
    // The session lives on, and what was held for the connection is free.
    w.resume(gone[0], 0);
    for conn in left {
        w.buffered(conn, 0);
    }
    w.submit(b, sleeper(50_000));
}

#[test]
fn limit_bytes_per_principal_counts_replies_that_are_not_read() {
    let mut w = World::with(|config| config.limits.bytes_per_principal = 2_000_000);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    for _ in 0..200 {
        let job = w.job(a, "echo");
        w.finish(&job, "1");
        w.drain(a);
    }
    let conns: Vec<_> = (0..20).map(|_| w.login("tok-alice")).collect();
    for conn in &conns {
        w.hold_writes(*conn);
        for _ in 0..64 {
            if w.closed(*conn).is_none() && w.runtime.reading(*conn) {
                w.send(*conn, "session.list_jobs", json!({"limit": 1000}));
            }
        }
    }
    let held: usize = w.runtime.bytes_held();
    assert!(held < 4_000_000, "{held}");
    assert!(conns.iter().any(|conn| w.closed(*conn) == Some(1013)));
    w.send(b, "session.ping", json!({"nonce": "n"}));
    w.expect(b, "session.pong");
    assert_eq!(w.closed(a), None, "it reads what it is sent");
}

/// A principal that holds much else may still send a large frame.
#[test]
fn limit_bytes_per_principal_lets_a_frame_in_that_is_a_small_part() {
    let mut w = World::with(|config| config.limits.bytes_per_principal = 1_000_000);
    let a = w.login("tok-alice");
    let (_, refused) = fill(&mut w, a, &sleeper(60_000));
    assert_limit(&refused, "bytes_per_principal", 1_000_000);
    w.buffered(a, 200_000);
    assert_eq!(w.closed(a), None);
}
