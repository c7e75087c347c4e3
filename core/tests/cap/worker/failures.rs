//! Inputs, handlers and stores that fail.

use core::time::Duration;

use nuncio_core::cap::{ErrorCode, FailureKind, Fetched, JobFailure, JobRequest};

use super::support::{Harness, bare, plain, request};

#[test]
fn a_handler_that_fails_is_called_again_after_a_growing_pause() {
    let mut harness = Harness::with(|config| config.retries = 2);
    assert_eq!(harness.request(bare("j")), ["run j"]);
    assert_eq!(harness.fail("j", plain("first")), [""; 0]);
    assert_eq!(harness.wait(99), [""; 0]);
    assert_eq!(harness.wait(1), ["run j"]);
    assert_eq!(harness.fail("j", plain("second")), [""; 0]);
    assert_eq!(harness.wait(199), [""; 0]);
    assert_eq!(harness.wait(1), ["run j"]);
    assert_eq!(harness.fail("j", plain("third")), ["result j FAILED: third", "ended FAILED"]);
}

#[test]
fn a_pause_is_bounded_and_a_job_can_be_cancelled_in_it() {
    let mut harness = Harness::with(|config| {
        config.retries = 100;
        config.max_backoff = Duration::from_secs(1);
        config.heartbeat_interval = Duration::from_hours(1);
    });
    harness.request(bare("j"));
    for _ in 0..50 {
        harness.fail("j", plain("no"));
        assert_eq!(harness.wait(1_000), ["run j"]);
    }
    harness.fail("j", plain("no"));
    assert_eq!(harness.cancel("j"), ["result j CANCELLED: enough", "ended CANCELLED"]);
    assert_eq!(harness.wait(1_000), [""; 0]);
    assert_eq!(harness.worker.running(), 0);
}

#[test]
fn each_kind_of_failure_has_its_status_and_some_are_not_retried() {
    let outcome = |kind, code| {
        let mut harness = Harness::with(|config| config.retries = 1);
        harness.request(bare("j"));
        let failure = || JobFailure { kind, code, message: "m".into() };
        let mut lines = harness.fail("j", failure());
        let mut attempts = 1;
        while lines.is_empty() {
            assert_eq!(harness.wait(100), ["run j"]);
            lines = harness.fail("j", failure());
            attempts += 1;
        }
        (attempts, lines[0].clone())
    };
    let unspecified = ErrorCode::UNSPECIFIED;
    assert_eq!(outcome(FailureKind::Plain, unspecified), (2, "result j FAILED: m".into()));
    let exhausted = ErrorCode::JOB_RESOURCE_EXHAUSTED;
    let line = "result j FAILED_RETRYABLE JOB_RESOURCE_EXHAUSTED: m";
    assert_eq!(outcome(FailureKind::Retryable, exhausted), (2, line.into()));
    assert_eq!(outcome(FailureKind::Fatal, unspecified), (1, "result j FAILED_FATAL: m".into()));
    assert_eq!(outcome(FailureKind::Input, unspecified), (1, "result j FAILED JOB_INVALID_INPUT: m".into()));
}

#[test]
fn an_input_that_is_missing_or_cannot_be_pointed_to_fails_the_job() {
    let mut harness = Harness::new();
    harness.request(request("j"));
    assert_eq!(
        harness.fetched("j", Fetched::Missing)[0],
        "result j FAILED JOB_NOT_FOUND: there is no input where the context_ptr points"
    );
    let pointers = [
        ("s3://bucket", "the pointer begins with neither redis:// nor mem://"),
        ("redis://", "the pointer has no key"),
    ];
    for (pointer, reason) in pointers {
        let lines = harness.request(JobRequest { context_ptr: pointer.into(), ..request(pointer) });
        let expected = format!("result {pointer} FAILED JOB_INVALID_INPUT: the context_ptr is not valid: {reason}");
        assert_eq!(lines[0], expected);
    }
    assert_eq!(harness.worker.running(), 0);
}

#[test]
fn a_store_that_fails_or_is_silent_is_tried_again() {
    let mut harness = Harness::with(|config| {
        config.retries = 1;
        config.heartbeat_interval = Duration::from_hours(1);
    });
    harness.request(request("j"));
    assert_eq!(harness.fetched("j", Fetched::Failed("refused".into())), [""; 0]);
    assert_eq!(harness.wait(100), ["fetch redis://ctx:j"]);
    harness.found("j");
    harness.finish("j");
    assert_eq!(harness.wait(5_000), [""; 0], "storing took too long");
    assert_eq!(harness.wait(100), ["store redis://res:j out"]);
    let failed = "result j FAILED_RETRYABLE TRANSPORT_CONNECTION_LOST: refused";
    assert_eq!(harness.stored("j", Err("refused".into())), [failed, "ended FAILED_RETRYABLE"]);

    let mut harness = Harness::with(|config| config.heartbeat_interval = Duration::from_hours(1));
    harness.request(request("k"));
    let silent = "result k FAILED_RETRYABLE TRANSPORT_CONNECTION_LOST: the store has not answered in time";
    assert_eq!(harness.wait(5_000)[0], silent);
}
