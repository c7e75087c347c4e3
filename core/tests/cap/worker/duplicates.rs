//! A request that comes again is not run again.

use nuncio_core::cap::JobRequest;

use super::support::{Harness, bare, with_key};

#[test]
fn a_repeated_request_gets_the_result_of_the_job_and_the_handler_runs_once() {
    let mut harness = Harness::new();
    assert_eq!(harness.request(bare("j")), ["run j"]);
    assert_eq!(harness.request(bare("j")), [""; 0], "it runs already");
    let result = "result j SUCCEEDED redis://res:j";
    assert_eq!(harness.run_to_end("j"), [result, "ended SUCCEEDED"]);
    assert_eq!(harness.request(bare("j")), [result]);
    assert_eq!(harness.request(bare("j")), [result]);
}

#[test]
fn requests_with_the_same_idempotency_key_are_one_job() {
    let mut harness = Harness::new();
    assert_eq!(harness.request(with_key(bare("a"), "k")), ["run a"]);
    assert_eq!(harness.request(with_key(bare("b"), "k")), [""; 0]);
    assert_eq!(
        harness.run_to_end("a"),
        ["result a SUCCEEDED redis://res:a", "result b SUCCEEDED redis://res:a", "ended SUCCEEDED"]
    );
    assert_eq!(harness.request(with_key(bare("c"), "k")), ["result c SUCCEEDED redis://res:a"]);
    assert_eq!(harness.request(bare("c")), ["result c SUCCEEDED redis://res:a"]);
    assert_eq!(harness.request(with_key(bare("d"), "other")), ["run d"]);
}

#[test]
fn an_idempotency_key_with_another_request_is_a_duplicate_and_belongs_to_its_tenant() {
    let mut harness = Harness::with(|config| config.limits.parallel = 2);
    harness.request(with_key(bare("a"), "k"));
    let other = JobRequest { context_ptr: "redis://other".into(), ..with_key(bare("b"), "k") };
    assert_eq!(harness.request(other), ["result b FAILED JOB_DUPLICATE: another job has the same idempotency key"]);
    let other_tenant = JobRequest { tenant_id: "t".into(), ..with_key(bare("c"), "k") };
    assert_eq!(harness.request(other_tenant), ["run c"]);
}

#[test]
fn an_ended_job_is_remembered_for_its_retention() {
    let mut harness = Harness::with(|config| config.retention = core::time::Duration::from_mins(1));
    harness.request(with_key(bare("j"), "k"));
    harness.run_to_end("j");
    harness.wait(59_000);
    assert_eq!(harness.request(bare("other")), ["run other"]);
    harness.run_to_end("other");
    assert_eq!(harness.request(bare("j")).len(), 1, "it is remembered");
    harness.wait(1_000);
    harness.request(bare("next"));
    harness.run_to_end("next");
    assert_eq!(harness.request(with_key(bare("j"), "k")), ["run j"], "it is forgotten, and so is its key");
}
