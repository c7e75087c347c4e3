//! Bounded turns: long listings pause, and what one connection costs does not delay the others (§6.6, §14, ours).

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::{AnyPrincipal, Body, Config, ConnId, Number, Timer};
use nuncio_tests::world::{Frame, Job, World};
use serde_json::{Value, json};

fn ids(page: &Frame) -> Vec<String> {
    let jobs = page.payload()["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()).collect()
}

/// Ended jobs of a connection, of two agents in turn.
fn keep_jobs(w: &mut World, conn: ConnId, count: usize) {
    for number in 0..count {
        let job = w.job(conn, if number % 2 == 0 { "echo" } else { "slow" });
        w.finish(&job, "1");
        w.drain(conn);
    }
}

/// Takes turns until the connection is read from. Returns how many there were.
fn turns(w: &mut World, conn: ConnId) -> usize {
    let mut turns = 0;
    while !w.runtime.reading(conn) {
        assert_eq!(w.timer().map(|(_, timer)| timer), Some(Timer::Turn));
        w.advance(1);
        turns += 1;
    }
    turns
}

#[test]
fn s6_6_a_listing_pauses_and_goes_on_in_later_turns() {
    const TURN: u64 = 2_000;
    // A hundred jobs in a turn.
    let mut w = World::with(|config| config.limits.turn_work = TURN);
    let a = w.login("tok-alice");
    keep_jobs(&mut w, a, 450);
    let b = w.login("tok-bob");
    w.send(a, "session.list_jobs", json!({"filter": {"agent": "nobody"}}));
    let mut turns = 0;
    while !w.runtime.reading(a) {
        w.expect_nothing(a);
        // Another session is served between two turns, each of which is short.
        let before = w.runtime.work_done();
        w.send(b, "session.ping", json!({"nonce": "n"}));
        w.expect(b, "session.pong");
        assert_eq!(w.timer().map(|(_, timer)| timer), Some(Timer::Turn));
        w.advance(1);
        assert!(w.runtime.work_done() - before <= 2 * TURN);
        turns += 1;
    }
    assert_eq!(turns, 4);
    let page = w.expect(a, "session.jobs");
    assert!(ids(&page).is_empty());
    assert_eq!(page.payload()["next_cursor"], Value::Null);
    assert!(w.reading_announced(a));
    assert!(w.timer().is_none_or(|(_, timer)| timer != Timer::Turn));
}

#[test]
fn s6_6_a_listing_shows_the_same_in_many_turns() {
    let pages = |turn_work: u64| {
        let mut w = World::with(|config| config.limits.turn_work = turn_work);
        let a = w.login("tok-alice");
        keep_jobs(&mut w, a, 60);
        let (mut pages, mut cursor) = (Vec::new(), Value::Null);
        loop {
            w.send(a, "session.list_jobs", json!({"filter": {"agent": "slow"}, "limit": 7, "cursor": cursor}));
            turns(&mut w, a);
            let page = w.expect(a, "session.jobs");
            cursor = page.payload()["next_cursor"].clone();
            pages.push(ids(&page));
            if cursor.is_null() {
                return pages;
            }
        }
    };
    let whole = pages(1_000_000);
    assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7, 7, 7, 2]);
    assert_eq!(pages(1), whole, "one job in a turn");
    assert_eq!(pages(100), whole, "five jobs in a turn");
}

/// Replies keep the order of their requests, although listings take several turns.
#[test]
fn s6_order_requests_behind_a_paused_listing_wait() {
    let mut w = World::with(|config| config.limits.turn_work = 100);
    let a = w.login("tok-alice");
    keep_jobs(&mut w, a, 20);
    w.send(a, "session.list_jobs", json!({}));
    assert!(!w.runtime.reading(a));
    assert_eq!(turns(&mut w, a), 3);
    w.send(a, "session.ping", json!({"nonce": "n"}));
    w.expect(a, "session.jobs");
    w.expect(a, "session.pong");
}

#[test]
fn s6_6_a_paused_listing_ends_with_its_connection() {
    let mut w = World::with(|config| config.limits.turn_work = 100);
    let a = w.login("tok-alice");
    keep_jobs(&mut w, a, 20);
    w.send(a, "session.list_jobs", json!({}));
    assert!(!w.runtime.reading(a));
    let resumed = w.resume(a, 40);
    assert!(w.runtime.reading(resumed));
    w.advance(1);
    w.expect_nothing(resumed);
    assert!(w.timer().is_none_or(|(_, timer)| timer != Timer::Turn));
    w.send(resumed, "session.list_jobs", json!({}));
    turns(&mut w, resumed);
    assert_eq!(ids(&w.expect(resumed, "session.jobs")).len(), 20);
}

/// Jobs that end or are forgotten between two turns do not disturb a listing.
#[test]
fn s6_6_jobs_may_be_forgotten_while_a_listing_pauses() {
    let mut w = World::with(|config| {
        config.limits.turn_work = 100;
        config.limits.retained_jobs = 20;
    });
    let (a, other) = (w.login("tok-alice"), w.login("tok-alice"));
    keep_jobs(&mut w, a, 20);
    w.send(a, "session.list_jobs", json!({}));
    keep_jobs(&mut w, other, 15);
    turns(&mut w, a);
    // The five jobs of the first turn, those that are kept of the rest, and the new ones.
    let listed = ids(&w.expect(a, "session.jobs"));
    assert_eq!(listed.len(), 5 + 5 + 15);
}

#[test]
fn s14_a_listing_looks_at_the_jobs_of_its_principal_only() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    keep_jobs(&mut w, a, 300);
    let b = w.login("tok-bob");
    let before = w.runtime.work_done();
    assert!(ids(&w.list(b, json!({}))).is_empty());
    assert!(w.runtime.work_done() - before < 500, "{}", w.runtime.work_done() - before);
    // An operator, and who may see others by the policy, looks at all jobs.
    let widened: [fn(&mut Config); 2] = [
        |config| config.policy = Arc::new(AnyPrincipal),
        |config| {
            config.operators.insert("bob".to_owned());
        },
    ];
    for widen in widened {
        let mut w = World::with(widen);
        let a = w.login("tok-alice");
        keep_jobs(&mut w, a, 3);
        let b = w.login("tok-bob");
        assert_eq!(ids(&w.list(b, json!({}))).len(), 3);
    }
}

/// A turn that compares leases is over after few frames.
#[test]
fn s14_the_comparison_of_leases_counts_against_the_turn() {
    // Each pattern of the child has to be compared with those of the parent that begin like it.
    let patterns =
        |more: &str| -> Vec<String> { (0..40).map(|number| format!("/**/a{number}*b{more}*c/**/d*e/**")).collect() };
    let (lease, patterns) = (json!({"agent.delegate": ["*"], "fs.read": patterns("")}), patterns("b"));
    // What a child costs, and a frame of the same length.
    let mut w = World::new();
    let a = w.login("tok-alice");
    let parent = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    let child = json!({"agent": "echo", "parent_job_id": parent.id, "lease_request": {"fs.read": patterns}});
    let mut cost = |payload: &Value| {
        let before = w.runtime.work_done();
        w.send_submit(a, payload.clone());
        w.runtime.work_done() - before
    };
    let compared = cost(&child);
    let plain = cost(&json!({"agent": "echo", "lease_request": {"fs.read": patterns}}));
    assert!(compared > plain + 1_000, "{compared} and {plain} units");

    w.runtime.begin_turn();
    assert!(!w.runtime.is_turn_over());
    let turn = w.runtime.config().limits.turn_work;
    let mut frames = 0;
    while !w.runtime.is_turn_over() {
        w.send_submit(a, child.clone());
        frames += 1;
    }
    assert!(frames <= turn.div_ceil(compared));
    // A turn of small frames has many of them.
    w.runtime.begin_turn();
    for _ in 0..64 {
        w.send(a, "session.ping", json!({"nonce": "n"}));
    }
    assert!(!w.runtime.is_turn_over());
}

/// A session that is not shown a kind of events makes the runtime pass over them all at once.
#[test]
fn s14_the_history_of_a_subscription_counts_against_the_turn() {
    const EVENTS: u64 = 1_000;
    let mut w = World::with(|config| config.limits.turn_work = 5 * EVENTS);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    for _ in 0..EVENTS {
        w.emit(&job, &Body::progress(&Number::from(1_u32), None, None, None).unwrap());
        w.drain(a);
    }
    let b = w.login_without("tok-alice", &["progress"]);
    for (history, is_over) in [(false, false), (true, true)] {
        w.runtime.begin_turn();
        w.subscribe(b, json!({"job_id": job.id, "history": history}));
        assert_eq!(w.runtime.is_turn_over(), is_over, "history: {history}");
    }
    assert!(w.drain(b).iter().all(|frame| frame.payload()["kind"] != "progress"));
}

/// What has become too old at once, as after the machine was suspended, is removed in turns.
#[test]
fn ours_ended_jobs_and_keys_are_removed_in_turns() {
    const TURN: u64 = 1_000;
    let mut w = World::with(|config| {
        config.limits.turn_work = TURN;
        config.job_retention = Duration::from_mins(1);
        config.idempotency_window = Duration::from_mins(2);
    });
    let a = w.login("tok-alice");
    let submit = |number: usize| json!({"agent": "echo", "idempotency_key": format!("key {number}")});
    let jobs: Vec<Job> = (0..50)
        .map(|number| {
            let job = w.submit(a, submit(number));
            w.finish(&job, "1");
            w.drain(a);
            job
        })
        .collect();
    w.cut(a);
    for (minutes, what) in [(1, "jobs"), (2, "keys")] {
        let (due, timer) = w.timer().unwrap();
        assert_eq!(timer, Timer::Eviction);
        let mut turns = 0;
        while let Some((at, Timer::Eviction)) = w.timer().filter(|(at, _)| *at <= due.plus_micros(1_000)) {
            let before = w.runtime.work_done();
            w.now = at;
            w.runtime.handle_timeout(at);
            let done = w.runtime.work_done() - before;
            assert!(done <= 2 * TURN, "a turn of {done} units for {what}");
            turns += 1;
        }
        assert!(turns >= 4, "{turns} turns after {minutes} minutes");
        assert_eq!(w.runtime.stats().jobs_kept, 0);
    }
    let a = w.login("tok-alice");
    let again = w.submit(a, submit(0));
    assert!(jobs.iter().all(|job| job.id != again.id), "the key may be used again");
}

#[test]
fn ours_deadlines_are_handled_in_turns() {
    let mut w = World::with(|config| config.limits.turn_work = 1_000);
    let a = w.login_without("tok-alice", &["heartbeat"]);
    for _ in 0..10 {
        w.submit(a, json!({"agent": "slow", "max_runtime_sec": 1}));
        w.drain(a);
    }
    let (at, timer) = w.timer().unwrap();
    assert_eq!(timer, Timer::Runtime);
    w.runtime.handle_timeout(at);
    assert_eq!(w.runtime.poll_timeout(), Some((at, Timer::Runtime)), "the rest is due in the next turn");
    w.advance(2_000_000);
    assert_eq!(w.drain(a).iter().filter(|frame| frame.kind() == "job.error").count(), 10);
}
