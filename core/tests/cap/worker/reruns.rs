//! A job that has failed and can be tried again is run again for another attempt, and for nothing else.

use nuncio_core::cap::{DispatchIdentity, ErrorCode, FailureKind, JobCancel, JobFailure, JobRequest, Subject};

use super::support::{Harness, bare, packet, plain, with_key};

fn retryable() -> JobFailure {
    JobFailure { kind: FailureKind::Retryable, ..plain("busy") }
}

fn dispatch(attempt: u64) -> DispatchIdentity {
    DispatchIdentity { dispatch_id: format!("d{attempt}"), attempt, ..DispatchIdentity::default() }
}

/// A request that says which attempt it belongs to, as a router that signs requests itself sends it.
fn attempt(id: &str, attempt: u64) -> JobRequest {
    JobRequest { dispatch: Some(dispatch(attempt)), ..bare(id) }
}

const FAILED: &str = "result j FAILED_RETRYABLE: busy";
const SUCCEEDED: &str = "result j SUCCEEDED redis://res:j";

#[test]
fn s7_a_higher_attempt_of_a_job_that_has_failed_retryably_runs_again() {
    let mut harness = Harness::new();
    for number in 1..=3 {
        assert_eq!(harness.request(attempt("j", number)), ["run j"]);
        assert_eq!(harness.request(attempt("j", number)), [""; 0], "it runs already");
        assert_eq!(harness.fail("j", retryable()), [FAILED, "ended FAILED_RETRYABLE"]);
        // The same attempt and the earlier ones are answered from memory, however late they come.
        harness.wait(4_000);
        for before in 1..=number {
            assert_eq!(harness.request(attempt("j", before)), [FAILED]);
        }
    }
    assert_eq!(harness.request(attempt("j", 4)), ["run j"]);
    assert_eq!(harness.run_to_end("j"), [SUCCEEDED, "ended SUCCEEDED"]);
    assert_eq!(harness.request(attempt("j", 5)), [SUCCEEDED], "a success is final");
}

#[test]
fn s7_a_request_without_an_attempt_runs_again_after_a_pause() {
    let mut harness = Harness::new();
    assert_eq!(harness.request(bare("j")), ["run j"]);
    harness.fail("j", retryable());
    assert_eq!(harness.request(bare("j")), [FAILED], "the bus has doubled the request");
    harness.wait(499);
    assert_eq!(harness.request(bare("j")), [FAILED]);
    harness.wait(1);
    assert_eq!(harness.request(bare("j")), ["run j"]);
    assert_eq!(harness.request(bare("j")), [""; 0]);
    assert_eq!(harness.run_to_end("j"), [SUCCEEDED, "ended SUCCEEDED"]);
    harness.wait(10_000);
    assert_eq!(harness.request(bare("j"))[0], SUCCEEDED);
}

#[test]
fn the_pause_before_a_request_without_an_attempt_runs_again_is_a_setting() {
    let mut harness = Harness::with(|config| config.rerun_after = core::time::Duration::from_secs(2));
    harness.request(bare("j"));
    harness.fail("j", retryable());
    harness.wait(1_999);
    assert_eq!(harness.request(bare("j")), [FAILED]);
    harness.wait(1);
    assert_eq!(harness.request(bare("j")), ["run j"]);
}

#[test]
fn s9_a_job_that_has_ended_in_any_other_way_never_runs_again() {
    let mut harness = Harness::new();
    let failure = |kind| JobFailure { kind, code: ErrorCode::UNSPECIFIED, message: "no".into() };
    harness.request(attempt("success", 1));
    harness.run_to_end("success");
    harness.request(attempt("plain", 1));
    harness.fail("plain", failure(FailureKind::Plain));
    harness.request(attempt("fatal", 1));
    harness.fail("fatal", failure(FailureKind::Fatal));
    harness.request(attempt("cancelled", 1));
    harness.cancel("cancelled");
    harness.fail("cancelled", retryable());
    harness.request(super::support::with_deadline(attempt("late", 1), 100));
    harness.wait(100);
    harness.fail("late", retryable());
    harness.wait(3_000);
    for (id, status) in [
        ("success", "SUCCEEDED"),
        ("plain", "FAILED"),
        ("fatal", "FAILED_FATAL"),
        ("cancelled", "CANCELLED"),
        ("late", "TIMEOUT"),
    ] {
        for again in [attempt(id, 2), bare(id)] {
            let lines = harness.request(again);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(&format!("result {id} {status}")), "{lines:?}");
        }
    }
}

#[test]
fn an_attempt_that_comes_while_the_job_runs_joins_it_and_gets_its_result() {
    let mut harness = Harness::new();
    assert_eq!(harness.request(attempt("j", 1)), ["run j"]);
    assert_eq!(harness.request(attempt("j", 2)), [""; 0]);
    // A message of the first attempt that the bus has kept for long does not take the job back.
    assert_eq!(harness.request(attempt("j", 1)), [""; 0]);
    harness.worker.fail(harness.now, harness.attempt("j"), retryable()).unwrap();
    assert_eq!(harness.reported_attempts(), [2]);
    assert_eq!(harness.request(attempt("j", 2)), [FAILED], "this attempt has had its run");
    assert_eq!(harness.request(attempt("j", 3)), ["run j"]);
}

#[test]
fn s9_requests_with_the_same_idempotency_key_share_the_next_attempt() {
    let mut harness = Harness::new();
    harness.request(with_key(bare("a"), "k"));
    harness.request(with_key(bare("b"), "k"));
    harness.fail("a", retryable());
    let failed = ["result b FAILED_RETRYABLE: busy"];
    assert_eq!(harness.request(with_key(bare("b"), "k")), failed, "it is too early");
    harness.wait(500);
    // The request that follows the job begins the attempt, which is one of both.
    assert_eq!(harness.request(with_key(bare("b"), "k")), ["run b"]);
    assert_eq!(harness.request(with_key(bare("a"), "k")), [""; 0]);
    assert_eq!(
        harness.run_to_end("b"),
        ["result b SUCCEEDED redis://res:b", "result a SUCCEEDED redis://res:b", "ended SUCCEEDED"]
    );
    harness.wait(1_000);
    assert_eq!(harness.request(with_key(bare("a"), "k")), ["result a SUCCEEDED redis://res:b"]);
    assert_eq!(harness.request(with_key(bare("c"), "k")), ["result c SUCCEEDED redis://res:b"]);
}

#[test]
fn s9_a_new_request_with_the_key_of_a_job_that_has_failed_retryably_runs_it_again() {
    let mut harness = Harness::new();
    harness.request(with_key(bare("a"), "k"));
    harness.fail("a", retryable());
    assert_eq!(harness.request(with_key(bare("b"), "k")), ["result b FAILED_RETRYABLE: busy"]);
    harness.wait(500);
    assert_eq!(harness.request(with_key(bare("c"), "k")), ["run c"]);
    assert_eq!(harness.fail("c", retryable()).len(), 4, "three requests are answered");
    // One that names its attempt is new, and waits for nothing.
    assert_eq!(harness.request(with_key(attempt("d", 1), "k")), ["run d"]);
    let other = JobRequest { context_ptr: "redis://other".into(), ..with_key(attempt("e", 1), "k") };
    assert_eq!(harness.request(other), ["result e FAILED JOB_DUPLICATE: another job has the same idempotency key"]);
}

#[test]
fn another_request_with_the_same_id_is_no_attempt() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    harness.fail("j", retryable());
    harness.wait(1_000);
    let other_input = JobRequest { context_ptr: "redis://other".into(), ..bare("j") };
    assert_eq!(harness.request(other_input), [FAILED]);
    assert_eq!(harness.request(with_key(bare("j"), "k")), [FAILED], "it has another key");
}

#[test]
fn s7_a_cancellation_between_two_attempts_ends_the_job() {
    let mut harness = Harness::new();
    harness.request(attempt("j", 1));
    harness.fail("j", retryable());
    let of = |attempt| JobCancel {
        job_id: "j".into(),
        reason: "late".into(),
        requested_by: "me".into(),
        dispatch: Some(dispatch(attempt)),
        ..JobCancel::default()
    };
    // That attempt has ended, and the cancellation does not concern the next one.
    assert_eq!(harness.packet(&Subject::JobCancel, &packet(of(1))), [""; 0]);
    assert_eq!(harness.request(attempt("j", 2)), ["run j"]);
    harness.fail("j", retryable());
    assert_eq!(harness.cancel("j"), [""; 0]);
    assert_eq!(harness.request(attempt("j", 3)), ["result j CANCELLED: enough"]);
    harness.wait(1_000);
    assert_eq!(harness.request(bare("j")), ["result j CANCELLED: enough"]);
}

#[test]
fn an_attempt_that_finds_the_worker_full_or_draining_is_refused_and_can_come_again() {
    let mut harness = Harness::with(|config| config.limits.queued = 0);
    harness.request(attempt("j", 1));
    harness.fail("j", retryable());
    harness.request(bare("other"));
    let full = "result j FAILED_RETRYABLE JOB_RESOURCE_EXHAUSTED: this worker has as many jobs as it can have";
    assert_eq!(harness.request(attempt("j", 2)), [full]);
    harness.run_to_end("other");
    assert_eq!(harness.request(attempt("j", 3)), ["run j"]);
    harness.fail("j", retryable());
    harness.request(bare("last"));
    harness.worker.drain(harness.now);
    harness.drain();
    let stopped = "result j FAILED_RETRYABLE JOB_WORKER_UNAVAILABLE: this worker is being stopped";
    assert_eq!(harness.request(attempt("j", 4)), [stopped]);
}

#[test]
fn attempts_leave_nothing_behind() {
    let mut harness = Harness::with(|config| config.limits.followers = 2);
    let mut held = Vec::new();
    for number in 1..=300_u64 {
        // Each attempt is that of another request with the same key.
        assert_eq!(harness.request(with_key(attempt(&format!("j{number:03}"), 1), "k")).len(), 1);
        harness.fail(&format!("j{number:03}"), retryable());
        held.push(harness.worker.bytes_held());
    }
    assert!(held[299] <= held[10], "{} bytes after 300 attempts, {} after 10", held[299], held[10]);
}
