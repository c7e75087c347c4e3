//! The bytes that a principal has in the journal: what is over them is refused with the limit's name (§14, ours).

use nuncio_core::arcp::{AgentSpec, Body, ConnId, Journaling, OnRestart, Refused};
use nuncio_tests::world::{Frame, Job, SECOND, World};
use serde_json::{Value, json};

use crate::s_limits::assert_limit;

const MAX: u64 = 100_000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

fn world() -> World {
    World::with(|config| {
        config.journal = Journaling::Readable;
        config.limits.journal_bytes_per_principal = MAX;
    })
}

fn refused(w: &mut World, conn: ConnId, kind: &str, payload: Value) -> Frame {
    w.send(conn, kind, payload);
    w.recv(conn)
}

/// Emits events of 2 KB until one is refused; returns how many were accepted.
fn flood(w: &mut World, job: &Job) -> usize {
    let body = Body::log("info", &"x".repeat(2_000), None);
    for accepted in 0..1_000 {
        match w.try_emit(job, &body) {
            Ok(()) => {}
            Err(Refused::Limit { limit: "journal_bytes_per_principal", max: MAX }) => return accepted,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("no event is refused");
}

#[test]
fn limit_journal_bytes_per_principal() {
    let mut w = world();
    let (a, a2, b) = (w.login("tok-alice"), w.login("tok-alice2"), w.login("tok-bob"));
    let (job, other) = (w.job(a, "slow"), w.job(a2, "slow"));
    let accepted = flood(&mut w, &job);
    assert!((30..50).contains(&accepted), "{accepted} events of 2 KB are 100 KB");
    assert_eq!(flood(&mut w, &other), 0, "all jobs of the principal have one quota");
    w.drain(a);
    for (kind, payload) in
        [("job.submit", json!({"agent": "slow"})), ("job.subscribe", json!({"job_id": job.id, "history": true}))]
    {
        assert_limit(&refused(&mut w, a2, kind, payload), "journal_bytes_per_principal", MAX);
    }
    assert_eq!(w.delegate(&job, &json!({"agent": "echo"})), Err("INTERNAL_ERROR"));
    // What is not stored goes on, and so do the ends of jobs and other principals.
    assert_eq!(refused(&mut w, a2, "session.ping", json!({"nonce": "n"})).kind(), "session.pong");
    let theirs = w.job(b, "slow");
    w.log(&theirs, "hello");
    w.finish(&job, "1");
    assert_eq!(w.drain(a).last().unwrap().kind(), "job.result");
    // The ended job gives way to new ones.
    w.job(a, "slow");
    w.log(&other, "hello");
    assert!(w.runtime.job(job.key).is_none());
}

/// A result that does not fit ends its job with the name of the limit.
#[test]
fn limit_journal_bytes_per_principal_ends_a_job_with_a_large_result() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.finish(&job, &format!("\"{}\"", "x".repeat(1 << 20)));
    let end = w.drain(a).pop().unwrap();
    assert_eq!(end.kind(), "job.error");
    assert_eq!(end.payload()["details"], json!({"limit": "journal_bytes_per_principal", "max": MAX}));
}

/// A history that is read again and again is stored for each reader.
#[test]
fn limit_journal_bytes_per_principal_counts_histories_for_who_reads_them() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for _ in 0..10 {
        w.log(&job, &"x".repeat(2_000));
    }
    let reader = w.login("tok-alice2");
    let read = (0..20).take_while(|_| {
        let answer = refused(&mut w, reader, "job.subscribe", json!({"job_id": job.id, "history": true}));
        w.drain(reader);
        w.send(reader, "job.unsubscribe", json!({"job_id": job.id}));
        answer.kind() == "job.subscribed"
    });
    let read = read.count();
    assert!((2..5).contains(&read), "20 KB of the job, and 20 KB for each of {read} times, are 100 KB");
}

/// A journal need not keep events for ever, so they do not count for ever.
#[test]
fn limit_journal_bytes_per_principal_counts_for_the_retention() {
    let mut w = world();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.job(a, "slow");
    let accepted = flood(&mut w, &job);
    w.advance(DAY / 2);
    assert_eq!(flood(&mut w, &job), 0);
    w.advance(3 * DAY / 2);
    assert_eq!(flood(&mut w, &job), accepted);
}

#[test]
fn limit_journal_bytes_per_principal_holds_after_a_restart() {
    let mut w = world();
    w.offer(AgentSpec { on_restart: OnRestart::Rerun, ..AgentSpec::new("again") });
    let a = w.login("tok-alice");
    let job = w.job(a, "again");
    flood(&mut w, &job);
    w.restart();
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    assert_limit(&refused(&mut w, a, "job.submit", json!({"agent": "slow"})), "journal_bytes_per_principal", MAX);
    w.job(b, "slow");
}

#[test]
fn limit_journal_bytes_per_principal_is_for_journals() {
    let mut w = World::with(|config| config.limits.journal_bytes_per_principal = 0);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.log(&job, "hello");
}
