//! Jobs that are sent again (spec/03, spec/05, spec/07).

use nuncio_core::cap::{ErrorCode, JobProgress, JobResult, JobStatus, LostWorker, Subject};

use super::support::{Harness, packet, request, result};

/// What is said of a job on a bus without a worker.
pub(super) const SILENT: &str = "retrying j: nothing was heard of the job from any worker; no worker that has announced itself \
                      serves the topic \"job.echo\"";

#[test]
fn a_job_of_a_topic_that_no_known_worker_serves_says_so_at_its_end() {
    let mut harness = Harness::with(|config| config.redispatches = 0);
    harness.handshake("other", &["job.other"]);
    harness.submit(request("j"));
    for _ in 0..5 {
        assert_eq!(harness.wait(10_000), [""; 0]);
        harness.heartbeat("other", 0, 1);
    }
    let late = SILENT.replacen("retrying j", "result j TIMEOUT JOB_TIMEOUT", 1);
    assert_eq!(harness.wait(10_000), ["dead letter j", &*late, "ended j TIMEOUT"]);
    // Just after the connection, there may be one that was not heard yet.
    let mut harness = Harness::with(|config| {
        config.redispatches = 0;
        config.dispatch_timeout = core::time::Duration::from_millis(4_999);
    });
    harness.submit(request("j"));
    assert_eq!(harness.wait(4_999)[1], "result j TIMEOUT JOB_TIMEOUT: nothing was heard of the job from any worker");
    // One whose topics are not known may serve it.
    let mut harness = Harness::with(|config| config.redispatches = 0);
    harness.heartbeat("w", 0, 1);
    harness.submit(request("j"));
    let mut said = Vec::new();
    for _ in 0..6 {
        said.extend(harness.wait(10_000));
        harness.heartbeat("w", 0, 1);
    }
    assert_eq!(said[1], "result j TIMEOUT JOB_TIMEOUT: nothing was heard of the job from any worker");
}

#[test]
fn s7_a_job_of_which_nothing_is_heard_is_sent_again_and_then_times_out() {
    let mut harness = Harness::with(|config| config.redispatches = 2);
    harness.submit(request("j"));
    assert_eq!(harness.wait(59_999), [""; 0]);
    assert_eq!(harness.wait(1), [SILENT]);
    assert_eq!(harness.status("j"), JobStatus::FAILED_RETRYABLE);
    assert_eq!(harness.wait(1_000), ["j to job.echo"]);
    assert_eq!(harness.wait(60_000), [SILENT]);
    // The pause grows.
    assert_eq!(harness.wait(1_999), [""; 0]);
    assert_eq!(harness.wait(1), ["j to job.echo"]);
    let late = SILENT.replacen("retrying j", "result j TIMEOUT JOB_TIMEOUT", 1);
    assert_eq!(harness.wait(60_000), ["dead letter j", &*late, "ended j TIMEOUT"]);
    assert_eq!(harness.router.poll_timeout(), None);
}

#[test]
fn progress_and_heartbeats_of_a_busy_worker_are_signs_of_a_job() {
    let mut harness = Harness::new();
    harness.heartbeat("w", 0, 1);
    harness.submit(request("j"));
    harness.wait(50_000);
    harness.heartbeat("w", 0, 1);
    harness.progress("j", "w");
    for _ in 0..20 {
        harness.wait(10_000);
        assert_eq!(harness.heartbeat("w", 1, 1), [""; 0]);
    }
    // It is idle and has not ended the job: the result was lost.
    for _ in 0..6 {
        harness.heartbeat("w", 0, 1);
        let lines = harness.wait(10_000);
        let silent = "retrying j: nothing was heard of the job from any worker";
        assert!(lines.is_empty() || lines == [silent], "{lines:?}");
    }
    assert_eq!(harness.status("j"), JobStatus::FAILED_RETRYABLE);
}

#[test]
fn s7_a_job_that_has_failed_and_can_be_tried_again_goes_to_another_worker() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("a", &["job.echo"]);
    harness.handshake("b", &["job.echo"]);
    assert_eq!(harness.submit(request("j")), ["j to worker.a.jobs"]);
    assert_eq!(harness.result("j", "a", JobStatus::FAILED_RETRYABLE), ["retrying j: "]);
    assert_eq!(harness.wait(1_000), ["j to worker.b.jobs"]);
    // The failure of the first worker comes again, and is not one of the second.
    assert_eq!(harness.result("j", "a", JobStatus::FAILED_RETRYABLE), [""; 0]);
    // A result that is the last one counts, whoever of the workers has it first.
    assert_eq!(harness.result("j", "a", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
    assert_eq!(harness.result("j", "b", JobStatus::FAILED), ["conflict j: SUCCEEDED, not FAILED"]);
}

#[test]
fn s7_retries_end_with_a_result_and_a_dead_letter() {
    let mut harness = Harness::with(|config| config.retries = 1);
    harness.submit(request("j"));
    let failed = |message: &str| {
        let result = JobResult {
            error_code_enum: ErrorCode(1_234),
            error_message: message.into(),
            ..result("j", "w", JobStatus::FAILED_RETRYABLE)
        };
        packet("w", result)
    };
    assert_eq!(harness.packet(&Subject::JobResult, &failed("first")), ["retrying j: first"]);
    harness.wait(1_000);
    let last = ["dead letter j", "result j FAILED: second", "ended j FAILED"];
    assert_eq!(harness.packet(&Subject::JobResult, &failed("second")), last);
}

#[test]
fn s5_a_lost_worker_loses_its_jobs_to_another_one() {
    let mut harness = Harness::choosing(|_| {});
    assert_eq!(harness.handshake("a", &["job.echo"]), ["joined a"]);
    harness.submit(request("j"));
    harness.handshake("b", &["job.echo"]);
    harness.wait(10_000);
    harness.heartbeat("b", 0, 1);
    assert_eq!(harness.wait(4_999), [""; 0]);
    assert_eq!(harness.wait(1), ["lost a", "retrying j: the worker \"a\" is lost"]);
    assert_eq!(harness.wait(1_000), ["j to worker.b.jobs"]);
    let names: Vec<String> = harness.router.workers().map(|worker| worker.id.to_string()).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn s5_the_jobs_of_a_lost_worker_fail_if_the_settings_say_so() {
    let mut harness = Harness::choosing(|config| config.lost_worker = LostWorker::Fail);
    harness.handshake("a", &["job.echo"]);
    harness.submit(request("j"));
    let lines = harness.wait(15_000);
    let failed = "result j FAILED JOB_WORKER_UNAVAILABLE: the worker \"a\" is lost";
    assert_eq!(lines, ["lost a", "dead letter j", failed, "ended j FAILED"]);
}

#[test]
fn a_cancelled_job_of_a_lost_worker_is_cancelled() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("a", &["job.echo"]);
    harness.submit(request("j"));
    harness.cancel("j", "c");
    assert_eq!(harness.wait(15_000), ["lost a", "result j CANCELLED: enough", "ended j CANCELLED"]);
}

#[test]
fn a_worker_that_is_heard_again_keeps_its_job() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    assert_eq!(harness.wait(60_000), [SILENT]);
    assert_eq!(harness.progress("j", "w"), ["running j at w"]);
    assert_eq!(harness.wait(1_000), [""; 0]);
    assert_eq!(harness.result("j", "w", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
}

#[test]
fn s3_reports_of_an_earlier_dispatch_are_ignored_if_the_router_signs_requests() {
    let mut harness = Harness::with(|config| config.resign = true);
    assert_eq!(harness.submit(request("j")), ["j to job.echo #1"]);
    harness.wait(60_000);
    assert_eq!(harness.wait(1_000), ["j to job.echo #2"]);
    let dispatch =
        |attempt| Some(nuncio_core::cap::DispatchIdentity { dispatch_id: "j".into(), attempt, ..Default::default() });
    let progress = |attempt| {
        packet("w", JobProgress { job_id: "j".into(), dispatch: dispatch(attempt), ..JobProgress::default() })
    };
    assert_eq!(harness.packet(&Subject::JobProgress, &progress(1)), [""; 0]);
    assert_eq!(harness.packet(&Subject::JobProgress, &progress(2)), ["running j at w"]);
    let ended =
        |attempt| packet("w", JobResult { dispatch: dispatch(attempt), ..result("j", "w", JobStatus::SUCCEEDED) });
    assert_eq!(harness.packet(&Subject::JobResult, &ended(1)), [""; 0]);
    assert_eq!(harness.packet(&Subject::JobResult, &ended(2)), ["ended j SUCCEEDED"]);
}
