//! An output that an earlier run of a job has stored is the output of the job.

use bytes::Bytes;
use nuncio_core::cap::{Fetched, JobRequest, WorkerRefused};

use super::support::{Harness, bare, request};

fn harness() -> Harness {
    Harness::with(|config| {
        config.check_stored = true;
        config.heartbeat_interval = core::time::Duration::from_hours(1);
    })
}

impl Harness {
    fn looked(&mut self, id: &str, stored: Fetched) -> Vec<String> {
        self.worker.looked(self.now, self.attempt(id), stored).unwrap();
        self.drain()
    }
}

fn found() -> Fetched {
    Fetched::Found(Bytes::from_static(b"before"))
}

const RESULT: [&str; 2] = ["result j SUCCEEDED redis://res:j", "ended SUCCEEDED"];

#[test]
fn a_worker_that_has_forgotten_a_job_publishes_what_is_stored_and_does_not_run_it_again() {
    let mut harness = harness();
    assert_eq!(harness.request(bare("j")), ["look redis://res:j"]);
    // It is stored again, so that its time begins anew.
    assert_eq!(harness.looked("j", found()), ["recovered", "store redis://res:j before"]);
    assert_eq!(harness.stored("j", Ok(())), RESULT);
    assert_eq!(harness.request(bare("j")), [RESULT[0]], "it is remembered now");
}

#[test]
fn the_input_is_read_at_the_same_time_and_the_handler_waits_for_both() {
    let mut harness = harness();
    let both = ["look redis://res:j", "fetch redis://ctx:j"];
    assert_eq!(harness.request(request("j")), both);
    assert_eq!(harness.found("j"), [""; 0]);
    assert_eq!(harness.looked("j", Fetched::Missing), ["run j"]);
    harness.run_to_end("j");

    assert_eq!(harness.request(request("k")).len(), 2);
    assert_eq!(harness.looked("k", Fetched::Missing), [""; 0]);
    assert_eq!(harness.worker.looked(harness.now, harness.attempt("k"), found()), Err(WorkerRefused::Stale));
    assert_eq!(harness.found("k"), ["run k"]);
    assert_eq!(harness.worker.looked(harness.now, harness.attempt("k"), found()), Err(WorkerRefused::Stale));
}

#[test]
fn a_stored_output_counts_although_the_input_is_gone() {
    let mut harness = harness();
    harness.request(request("j"));
    assert_eq!(harness.fetched("j", Fetched::Missing), [""; 0]);
    assert_eq!(harness.looked("j", found())[0], "recovered");
    harness.stored("j", Ok(()));
    harness.request(request("k"));
    harness.fetched("k", Fetched::Missing);
    let missing = "result k FAILED JOB_NOT_FOUND: there is no input where the context_ptr points";
    assert_eq!(harness.looked("k", Fetched::Missing), [missing, "ended FAILED"]);
    // The answer about the input comes after that about the output.
    harness.request(request("l"));
    let fetch = harness.attempt("l");
    harness.looked("l", found());
    assert_eq!(harness.worker.fetched(harness.now, fetch, Fetched::Missing), Err(WorkerRefused::Stale));
}

#[test]
fn only_what_was_not_answered_is_asked_for_again() {
    let mut harness = Harness::with(|config| {
        config.check_stored = true;
        config.retries = 2;
    });
    harness.request(request("j"));
    harness.found("j");
    assert_eq!(harness.looked("j", Fetched::Failed("refused".into())), [""; 0]);
    assert_eq!(harness.wait(100), ["look redis://res:j"]);
    assert_eq!(harness.wait(4_900), ["heartbeat 1/1"]);
    assert_eq!(harness.wait(100), [""; 0], "it took too long");
    assert_eq!(harness.wait(200), ["look redis://res:j"]);
    assert_eq!(harness.looked("j", Fetched::Missing), ["run j"]);
}

#[test]
fn a_store_that_cannot_be_read_does_not_let_the_handler_run() {
    let mut harness = harness();
    harness.request(bare("j"));
    let failed = "result j FAILED_RETRYABLE TRANSPORT_CONNECTION_LOST: refused";
    assert_eq!(harness.looked("j", Fetched::Failed("refused".into())), [failed, "ended FAILED_RETRYABLE"]);
}

#[test]
fn a_job_with_an_invalid_pointer_or_a_setting_that_is_off_is_not_looked_for() {
    let mut harness = harness();
    let invalid = JobRequest { context_ptr: "s3://bucket".into(), ..request("j") };
    assert!(harness.request(invalid)[0].starts_with("result j FAILED JOB_INVALID_INPUT"));
    let mut harness = Harness::with(|config| config.check_stored = false);
    assert_eq!(harness.request(bare("j")), ["run j"]);
}
