//! Cancellation (spec/07, spec/08).

use nuncio_core::cap::{JobMetadata, JobRequest, JobStatus, Policy};

use super::support::{Harness, request, with_deadline, with_key};

#[test]
fn s7_a_job_that_no_worker_has_is_cancelled_at_once() {
    let mut harness = Harness::with(|config| config.policy = Policy::Ask);
    harness.submit(request("j"));
    assert_eq!(harness.cancel("j", "c"), ["result j CANCELLED: enough", "ended j CANCELLED"]);
}

#[test]
fn s7_a_cancellation_is_passed_on_to_the_worker_which_ends_the_job() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    assert_eq!(harness.cancel("j", "c"), ["cancel j: enough"]);
    assert_eq!(harness.cancel("j", "c"), ["cancel j: enough"]);
    assert_eq!(harness.result("j", "w", JobStatus::CANCELLED), ["ended j CANCELLED"]);
    assert_eq!(harness.cancel("j", "c"), [""; 0]);
}

#[test]
fn s7_a_worker_that_does_not_end_a_cancelled_job_is_not_awaited_for_ever() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    harness.cancel("j", "c");
    assert_eq!(harness.wait(30_000), ["result j CANCELLED: enough", "ended j CANCELLED"]);
}

#[test]
fn only_the_submitter_and_operators_cancel_a_job() {
    let mut harness = Harness::with(|config| _ = config.operators.insert("ops".into()));
    harness.submit(request("j"));
    let refused = ["alert WARNING JOB_PERMISSION_DENIED", "refused: \"x\" may not cancel this job"];
    assert_eq!(harness.cancel("j", "x"), refused);
    assert_eq!(harness.cancel("j", "ops"), ["cancel j: enough"]);
}

#[test]
fn s8_a_cancellation_cascades_to_the_jobs_that_a_job_has_asked_for() {
    let mut harness = Harness::new();
    harness.submit(request("a"));
    for (id, parent) in [("b", "a"), ("c", "b"), ("d", "x")] {
        harness.submit(JobRequest { parent_job_id: parent.into(), ..request(id) });
    }
    assert_eq!(harness.cancel("a", "c"), ["cancel a: enough", "cancel b: enough", "cancel c: enough"]);
}

#[test]
fn s8_a_cancellation_does_not_reach_jobs_of_another_tenant() {
    let mut harness = Harness::new();
    let of = |tenant: &str, id: &str, parent: &str| JobRequest {
        tenant_id: tenant.into(),
        parent_job_id: parent.into(),
        ..request(id)
    };
    harness.submit(of("t", "a", ""));
    // Anyone can name any job as the one that has asked for theirs.
    harness.submit(of("u", "b", "a"));
    harness.submit(of("t", "c", "b"));
    harness.submit(of("t", "d", "a"));
    assert_eq!(harness.cancel("a", "c"), ["cancel a: enough", "cancel d: enough"]);
    let in_meta = JobMetadata { tenant_id: "u".into(), ..JobMetadata::default() };
    harness.submit(JobRequest { meta: Some(in_meta), parent_job_id: "b".into(), ..request("e") });
    assert_eq!(harness.cancel("b", "c"), ["cancel b: enough", "cancel e: enough"]);
}

#[test]
fn a_cancellation_that_overtakes_its_request_counts() {
    let mut harness = Harness::new();
    assert_eq!(harness.cancel("j", "c"), [""; 0]);
    assert_eq!(harness.submit(request("j")), ["result j CANCELLED: enough", "ended j CANCELLED"]);
    // One who may not cancel the job does not keep it from being run.
    harness.cancel("k", "x");
    assert_eq!(harness.submit(request("k")), ["k to job.echo"]);
}

#[test]
fn s13_a_job_that_is_too_late_is_stopped_and_ends_with_a_timeout() {
    let mut harness = Harness::new();
    harness.submit(with_deadline(request("j"), 1_000));
    let late = "the job took longer than its deadline allows";
    let lines = harness.wait(6_000);
    assert_eq!(
        lines,
        [format!("result j TIMEOUT JOB_TIMEOUT: {late}"), "ended j TIMEOUT".into(), format!("cancel j: {late}")]
    );
    assert_eq!(harness.result("j", "w", JobStatus::CANCELLED), [""; 0]);
    assert_eq!(harness.result("j", "w", JobStatus::SUCCEEDED), ["conflict j: TIMEOUT, not SUCCEEDED"]);
}

#[test]
fn s9_a_request_with_the_same_idempotency_key_gets_the_same_outcome() {
    let mut harness = Harness::new();
    harness.submit(with_key(request("a"), "k"));
    assert_eq!(harness.submit(with_key(request("b"), "k")), [""; 0]);
    let lines = harness.result("a", "w", JobStatus::SUCCEEDED);
    assert_eq!(lines, ["result b SUCCEEDED", "ended a SUCCEEDED"]);
    assert_eq!(harness.submit(with_key(request("b"), "k")), ["result b SUCCEEDED"]);
    assert_eq!(harness.submit(with_key(request("c"), "k")), ["result c SUCCEEDED"]);
    let other = JobRequest { context_ptr: "redis://x".into(), ..with_key(request("d"), "k") };
    assert_eq!(harness.submit(other), ["result d FAILED JOB_DUPLICATE: another job has the same idempotency key"]);
}
