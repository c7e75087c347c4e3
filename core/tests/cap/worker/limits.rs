//! Every limit of a worker is reached.

use bytes::Bytes;
use nuncio_core::cap::Fetched;

use super::support::{Harness, bare, plain, request, with_key};

#[test]
fn no_more_handlers_run_than_there_are_slots() {
    let mut harness = Harness::with(|config| config.limits.parallel = 2);
    assert_eq!(harness.request(bare("a")), ["run a"]);
    assert_eq!(harness.request(bare("b")), ["run b"]);
    assert_eq!(harness.request(bare("c")), [""; 0]);
    assert_eq!((harness.worker.running(), harness.worker.queued()), (2, 1));
    // A cancelled handler that still runs keeps its slot.
    harness.cancel("a");
    assert_eq!((harness.worker.running(), harness.worker.queued()), (2, 1));
    assert_eq!(harness.fail("a", plain("stopped")), ["run c"]);
}

#[test]
fn a_job_beyond_the_queue_fails_and_can_be_tried_elsewhere() {
    let mut harness = Harness::with(|config| config.limits.queued = 1);
    harness.request(bare("a"));
    harness.request(bare("b"));
    let full = "result c FAILED_RETRYABLE JOB_RESOURCE_EXHAUSTED: this worker has as many jobs as it can have";
    assert_eq!(harness.request(bare("c")), [full]);
    let mut harness = Harness::with(|config| config.limits.queued = 0);
    assert_eq!(harness.request(bare("a")), ["run a"]);
}

#[test]
fn the_oldest_ended_jobs_are_forgotten_first() {
    let mut harness = Harness::with(|config| config.limits.retained = 2);
    for id in ["a", "b", "c", "d"] {
        harness.request(bare(id));
        harness.run_to_end(id);
    }
    assert_eq!(harness.request(bare("d")).len(), 1);
    assert_eq!(harness.request(bare("a")), ["run a"]);
}

#[test]
fn the_latest_cancellations_are_remembered() {
    let mut harness = Harness::with(|config| config.limits.cancellations = 2);
    for id in ["a", "b", "c", "c"] {
        harness.cancel(id);
    }
    assert_eq!(harness.request(bare("a")), ["run a"]);
    assert_eq!(harness.request(bare("b")), ["result b CANCELLED: enough"]);
}

#[test]
fn inputs_and_outputs_are_bounded() {
    let mut harness = Harness::with(|config| {
        config.limits.context_bytes = 3;
        config.limits.result_bytes = 2;
    });
    harness.request(request("j"));
    let large = "result j FAILED JOB_INVALID_INPUT: the input has 4 bytes, and at most 3 are allowed";
    assert_eq!(harness.fetched("j", Fetched::Found(Bytes::from_static(b"1234")))[0], large);
    harness.request(bare("k"));
    let large = "result k FAILED JOB_RESOURCE_EXHAUSTED: the output has 3 bytes, and at most 2 are allowed";
    assert_eq!(harness.finish("k")[0], large);
    assert_eq!(harness.worker.running(), 0);
}

#[test]
fn job_ids_and_error_messages_are_bounded() {
    let mut harness = Harness::with(|config| {
        config.limits.job_id_bytes = 3;
        config.limits.error_bytes = 4;
    });
    assert_eq!(harness.request(bare("long")), ["refused: the job id has 4 bytes, and at most 3 are allowed"]);
    harness.request(bare("j"));
    assert_eq!(harness.fail("j", plain("aééé"))[0], "result j FAILED: aé");
}

#[test]
fn few_requests_follow_the_same_idempotency_key() {
    let mut harness = Harness::with(|config| config.limits.followers = 1);
    harness.request(with_key(bare("a"), "k"));
    assert_eq!(harness.request(with_key(bare("b"), "k")), [""; 0]);
    let full = "result c FAILED_RETRYABLE JOB_RESOURCE_EXHAUSTED: too many requests with the same idempotency key wait";
    assert_eq!(harness.request(with_key(bare("c"), "k")), [full]);
    harness.run_to_end("a");
    assert_eq!(harness.request(with_key(bare("c"), "k")), ["result c SUCCEEDED redis://res:a"]);
}
