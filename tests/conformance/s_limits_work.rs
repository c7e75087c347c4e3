//! The work of one comparison of leases is bounded, since nobody else has the machine meanwhile.

use nuncio_core::arcp::Denied;
use nuncio_core::lease::Operation;
use nuncio_tests::world::World;
use serde_json::json;

#[test]
fn limit_pattern_work() {
    let mut w = World::with(|config| config.limits.pattern_work = 10);
    let a = w.login("tok-alice");
    let job = w.submit(
        a,
        json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"], "fs.read": ["/a*b*c*d/**", "/x/**/y*z"]}}),
    );
    let body = json!({"agent": "echo", "lease_request": {"fs.read": ["/a*b*c*d/**/e*f*g", "/x/**/y*z"]}});
    assert_eq!(w.delegate(&job, &body), Err("LEASE_SUBSET_VIOLATION"), "refused beyond the work bound");
}

/// Patterns and targets that need far more work than a comparison may take.
#[test]
fn limit_pattern_work_bounds_each_comparison() {
    let mut w = World::new();
    let max = w.runtime.config().limits.pattern_work;
    let a = w.login("tok-alice");
    let wide: Vec<String> = (0..60).map(|width| format!("/**/a{}/b", "/*".repeat(width))).collect();
    let job = w.submit(
        a,
        json!({"agent": "slow", "lease_request": {
            "agent.delegate": ["*"],
            "fs.read": wide,
            "fs.write": vec![format!("/**/{}b", "*/".repeat(300)); 200],
        }}),
    );
    let deep = format!("/{}b", "**/a/*/".repeat(30));
    w.drain(a);
    let before = w.runtime.work_done();
    let body = json!({"agent": "echo", "lease_request": {"fs.read": [deep]}});
    assert_eq!(w.delegate(&job, &body), Err("LEASE_SUBSET_VIOLATION"));
    let delegated = w.runtime.work_done();
    w.drain(a);
    assert!((max..max + 1_000).contains(&(delegated - before)), "{}", delegated - before);

    // A client that submits for the parent is told that it is the work.
    w.send(a, "job.submit", json!({"agent": "echo", "parent_job_id": job.id, "lease_request": {"fs.read": [deep]}}));
    let refused = w.expect(a, "session.error");
    assert_eq!(refused.payload()["code"], "LEASE_SUBSET_VIOLATION");
    let message = refused.payload()["message"].as_str().unwrap();
    assert!(message.starts_with("it takes too long to decide whether the parent's lease covers"), "{message}");
    let submitted = w.runtime.work_done();
    assert!((max..max + 1_000).contains(&(submitted - delegated)), "{}", submitted - delegated);

    let target = format!("/{}", "a/".repeat(2_000));
    assert_eq!(w.authorize(&job, "fs.write", &target), Err("PERMISSION_DENIED"));
    let authorized = w.runtime.work_done() - submitted;
    assert!((max..max + 1_000).contains(&authorized), "{authorized}");
    let operation = Operation::new("fs.write", &target).unwrap();
    let Err(Denied::Fault(fault)) = w.runtime.authorize(w.now, job.key, &operation) else { panic!("it is refused") };
    assert!(fault.message.starts_with("it takes too long to decide whether the lease covers"), "{}", fault.message);
}

/// A thousand ordinary patterns are far from the limit.
#[test]
fn limit_pattern_work_is_enough_for_a_thousand_patterns() {
    let mut w = World::new();
    let max = w.runtime.config().limits.pattern_work;
    let a = w.login("tok-alice");
    let patterns: Vec<String> = (0..1_000).map(|team| format!("/data/team-{team}/**")).collect();
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"], "fs.read": patterns}}));
    let before = w.runtime.work_done();
    assert_eq!(w.authorize(&job, "fs.read", "/data/team-999/reports/today.txt"), Ok(()));
    assert!(w.runtime.work_done() - before < max / 10);
    w.delegate(&job, &json!({"agent": "echo", "lease_request": {"fs.read": patterns}})).unwrap();
}
