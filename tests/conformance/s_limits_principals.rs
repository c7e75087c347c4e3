//! The limits of a principal beside those of all, and who gives way where all together are too many: no principal can take
//! what another one holds (§14, ours).

use nuncio_core::arcp::{ConnId, Journaling};
use nuncio_tests::world::{Frame, SECOND, World};
use serde_json::{Value, json};

use crate::s_limits::assert_limit;

/// Runs a job to its end, and returns its id.
fn ended(w: &mut World, conn: ConnId, submit: Value) -> String {
    let job = w.submit(conn, submit);
    w.finish(&job, "1");
    w.drain(conn);
    job.id
}

fn keyed(key: &str) -> Value {
    json!({"agent": "echo", "idempotency_key": key})
}

fn kept(w: &mut World, conn: ConnId) -> Vec<String> {
    let page = w.list(conn, json!({"limit": 1000}));
    let jobs = page.payload()["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()).collect()
}

fn refused(w: &mut World, conn: ConnId, submit: Value) -> Frame {
    w.send_submit(conn, submit);
    w.recv(conn)
}

#[test]
fn limit_jobs_per_principal() {
    let mut w = World::with(|config| config.limits.jobs_per_principal = 2);
    let (a, a2, b) = (w.login("tok-alice"), w.login("tok-alice2"), w.login("tok-bob"));
    let first = w.job(a, "slow");
    w.job(a2, "slow");
    for conn in [a, a2] {
        let refused = refused(&mut w, conn, json!({"agent": "slow"}));
        assert_limit(&refused, "jobs_per_principal", 2);
    }
    w.job(b, "slow");
    w.finish(&first, "1");
    w.drain(a);
    w.job(a2, "slow");
}

/// Many sleepers of one principal never take the last place of another.
#[test]
fn limit_jobs_keeps_the_last_tenth_for_who_has_few() {
    let mut w = World::with(|config| config.limits.jobs = 100);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    for _ in 0..90 {
        w.job(a, "slow");
    }
    assert_limit(&refused(&mut w, a, json!({"agent": "slow"})), "jobs", 100);
    let own = w.job(b, "slow");
    assert_limit(&refused(&mut w, b, json!({"agent": "slow"})), "jobs", 100);
    w.finish(&own, "1");
    w.drain(b);
    w.job(b, "slow");
}

#[test]
fn limit_input_bytes_per_principal() {
    let mut w = World::with(|config| config.limits.input_bytes_per_principal = 100);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let input = |length| json!({"agent": "slow", "input": "x".repeat(length)});
    let first = w.submit(a, input(60));
    assert_limit(&refused(&mut w, a, input(60)), "input_bytes_per_principal", 100);
    w.submit(b, input(60));
    w.finish(&first, "1");
    w.drain(a);
    w.submit(a, input(60));
}

#[test]
fn limit_retained_jobs_takes_from_who_has_most() {
    let mut w = World::with(|config| config.limits.retained_jobs = 20);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs: Vec<String> = (0..5).map(|_| ended(&mut w, b, json!({"agent": "echo"}))).collect();
    let all: Vec<String> = (0..100).map(|_| ended(&mut w, a, json!({"agent": "echo"}))).collect();
    assert_eq!(kept(&mut w, b), theirs, "however many another principal ends");
    assert_eq!(kept(&mut w, a), all[85..], "the oldest of its own gave way");
}

#[test]
fn limit_retained_bytes_takes_from_who_has_most() {
    let mut w = World::with(|config| config.limits.retained_bytes = 100_000);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs: Vec<String> = (0..5).map(|_| ended(&mut w, b, json!({"agent": "echo"}))).collect();
    for _ in 0..20 {
        let job = w.job(a, "echo");
        for _ in 0..10 {
            w.log(&job, &"x".repeat(2_000));
        }
        w.finish(&job, "1");
        w.drain(a);
    }
    assert_eq!(kept(&mut w, b), theirs);
    assert!((1..=5).contains(&kept(&mut w, a).len()));
}

#[test]
fn limit_retained_jobs_per_principal() {
    let mut w = World::with(|config| config.limits.retained_jobs_per_principal = 3);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let all: Vec<String> = (0..5).map(|_| ended(&mut w, a, json!({"agent": "echo"}))).collect();
    let theirs = ended(&mut w, b, json!({"agent": "echo"}));
    assert_eq!(kept(&mut w, a), all[2..]);
    assert_eq!(kept(&mut w, b), [theirs]);
}

#[test]
fn limit_retained_bytes_per_principal() {
    let mut w = World::with(|config| config.limits.retained_bytes_per_principal = 10_000);
    let a = w.login("tok-alice");
    for _ in 0..50 {
        ended(&mut w, a, json!({"agent": "echo"}));
    }
    assert!((1..15).contains(&kept(&mut w, a).len()), "{}", kept(&mut w, a).len());
}

/// Many keyed jobs of one principal never evict the keys of another.
#[test]
fn limit_idempotency_records_takes_from_who_has_most() {
    let mut w = World::with(|config| {
        config.limits.idempotency_records = 50;
        config.limits.retained_jobs = 10;
    });
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs: Vec<String> = (0..20).map(|n| ended(&mut w, b, keyed(&format!("k{n}")))).collect();
    let all: Vec<String> = (0..200).map(|n| ended(&mut w, a, keyed(&format!("k{n}")))).collect();
    for (n, id) in theirs.iter().enumerate() {
        assert_eq!(refused(&mut w, b, keyed(&format!("k{n}"))).job(), id, "the answer is as before");
        w.drain(b);
    }
    assert_eq!(refused(&mut w, a, keyed("k199")).job(), all[199]);
    w.drain(a);
    assert_ne!(refused(&mut w, a, keyed("k100")).job(), all[100], "its oldest gave way");
}

/// Running jobs with keys give way too, to nobody but their own principal.
#[test]
fn limit_idempotency_records_takes_from_running_jobs_of_who_has_most() {
    let mut w = World::with(|config| config.limits.idempotency_records = 10);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs: Vec<String> = (0..3).map(|n| ended(&mut w, b, keyed(&format!("k{n}")))).collect();
    for n in 0..30 {
        w.submit(a, json!({"agent": "slow", "idempotency_key": format!("k{n}")}));
        w.drain(a);
    }
    for (n, id) in theirs.iter().enumerate() {
        assert_eq!(refused(&mut w, b, keyed(&format!("k{n}"))).job(), id);
        w.drain(b);
    }
}

#[test]
fn limit_idempotency_records_per_principal() {
    let mut w = World::with(|config| config.limits.idempotency_records_per_principal = 2);
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs = ended(&mut w, b, keyed("k"));
    let all: Vec<String> = (0..3).map(|n| ended(&mut w, a, keyed(&format!("k{n}")))).collect();
    assert_eq!(refused(&mut w, a, keyed("k2")).job(), all[2]);
    w.drain(a);
    assert_eq!(refused(&mut w, b, keyed("k")).job(), theirs);
    assert_ne!(refused(&mut w, a, keyed("k0")).job(), all[0]);
}

#[test]
fn limit_idempotency_bytes_per_principal() {
    let mut w = World::with(|config| {
        config.limits.retained_jobs = 0;
        config.limits.idempotency_bytes_per_principal = 5_000;
    });
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs = ended(&mut w, b, keyed("k"));
    let all: Vec<String> = (0..100).map(|n| ended(&mut w, a, keyed(&format!("k{n}")))).collect();
    assert_eq!(refused(&mut w, a, keyed("k99")).job(), all[99]);
    w.drain(a);
    assert_eq!(refused(&mut w, b, keyed("k")).job(), theirs);
    assert_ne!(refused(&mut w, a, keyed("k0")).job(), all[0]);
}

#[test]
fn limit_subscriptions_per_principal() {
    let mut w = World::with(|config| config.limits.subscriptions_per_principal = 2);
    let (a, b) = (w.login("tok-alice"), w.login("tok-alice2"));
    let jobs = [w.job(a, "slow"), w.job(a, "slow"), w.job(a, "slow")];
    let c = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": jobs[0].id}));
    w.subscribe(c, json!({"job_id": jobs[1].id}));
    for conn in [b, c] {
        w.send(conn, "job.subscribe", json!({"job_id": jobs[2].id}));
        assert_limit(&w.recv(conn), "subscriptions_per_principal", 2);
    }
    // A repeated one is not another one.
    w.subscribe(b, json!({"job_id": jobs[0].id}));
    w.send(b, "job.unsubscribe", json!({"job_id": jobs[0].id}));
    w.drain(b);
    w.subscribe(c, json!({"job_id": jobs[2].id}));
}

#[test]
fn limit_submits_per_second() {
    let mut w = World::with(|config| config.limits.submits_per_second = Some(4));
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    for n in 0..4 {
        w.submit(a, json!({"agent": "slow", "idempotency_key": format!("k{n}")}));
    }
    assert_limit(&refused(&mut w, a, json!({"agent": "slow"})), "submits_per_second", 4);
    w.job(b, "slow");
    // A repeated submit is no new one.
    assert_eq!(refused(&mut w, a, json!({"agent": "slow", "idempotency_key": "k0"})).kind(), "job.accepted");
    w.drain(a);
    w.advance(SECOND / 4);
    w.job(a, "slow");
    assert_limit(&refused(&mut w, a, json!({"agent": "slow"})), "submits_per_second", 4);
}

#[test]
fn limit_failed_logins_per_minute() {
    let mut w = World::with(|config| config.limits.failed_logins_per_minute = Some(2));
    let attempt = |w: &mut World, address: &str, token: &str| {
        let conn = w.open_from(address);
        if w.closed(conn).is_none() {
            w.hello(conn, token, &[]);
        }
        w.recv(conn)
    };
    for _ in 0..2 {
        assert_eq!(attempt(&mut w, "192.0.2.1", "wrong").payload()["code"], "UNAUTHENTICATED");
    }
    // Whatever the token, the address has to wait.
    assert_limit(&attempt(&mut w, "192.0.2.1", "tok-alice"), "failed_logins_per_minute", 2);
    let refused = w.open_from("192.0.2.1");
    assert_eq!(w.closed(refused), Some(4429), "before the upgrade the driver answers by this code");
    assert_eq!(attempt(&mut w, "192.0.2.2", "tok-alice").kind(), "session.welcome");
    w.advance(30 * SECOND);
    assert_eq!(attempt(&mut w, "192.0.2.1", "tok-alice").kind(), "session.welcome");
}

/// A restart keeps what was kept, whoever has it.
#[test]
fn ours_a_restart_takes_from_who_has_most_too() {
    let mut w = World::with(|config| {
        config.journal = Journaling::Kept;
        config.limits.retained_jobs = 8;
        config.limits.idempotency_records = 20;
    });
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    let theirs: Vec<String> = (0..3).map(|n| ended(&mut w, b, keyed(&format!("k{n}")))).collect();
    for n in 0..60 {
        ended(&mut w, a, keyed(&format!("k{n}")));
    }
    let before = kept(&mut w, a);
    assert_eq!(kept(&mut w, b), theirs);
    w.restart_with(|_| {});
    let (a, b) = (w.login("tok-alice"), w.login("tok-bob"));
    assert_eq!(kept(&mut w, b), theirs);
    assert_eq!(kept(&mut w, a), before);
    for (n, id) in theirs.iter().enumerate() {
        assert_eq!(refused(&mut w, b, keyed(&format!("k{n}"))).job(), id);
        w.drain(b);
    }
}
