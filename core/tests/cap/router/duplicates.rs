//! Packets that come again, too late, or for nobody (spec/03, spec/07, spec/09, spec/16).

use nuncio_core::cap::{JobProgress, JobRequest, JobStatus, Subject};

use super::support::{Harness, packet, request, result};

#[test]
fn s3_a_request_that_comes_again_is_answered_with_what_is_known() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    assert_eq!(harness.submit(request("j")), [""; 0]);
    harness.progress("j", "w");
    assert_eq!(harness.submit(request("j")), ["progress j RUNNING"]);
    harness.result("j", "w", JobStatus::SUCCEEDED);
    assert_eq!(harness.submit(request("j")), ["result j SUCCEEDED by w"]);
}

#[test]
fn s13_another_request_with_the_same_job_id_is_refused_without_a_result() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    let refused = ["alert WARNING JOB_DUPLICATE", "refused: another request has the job id \"j\""];
    let other = JobRequest { context_ptr: "redis://x".into(), ..request("j") };
    assert_eq!(harness.submit(other), refused);
    assert_eq!(harness.packet(&Subject::JobSubmit, &packet("x", request("j"))), refused);
}

#[test]
fn s7_a_conflicting_result_is_reported_and_ignored() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    harness.result("j", "w", JobStatus::SUCCEEDED);
    assert_eq!(harness.result("j", "w", JobStatus::SUCCEEDED), [""; 0]);
    assert_eq!(harness.result("j", "w", JobStatus::FAILED_FATAL), ["conflict j: SUCCEEDED, not FAILED_FATAL"]);
    assert_eq!(harness.progress("j", "w"), [""; 0]);
    assert_eq!(harness.status("j"), JobStatus::SUCCEEDED);
}

#[test]
fn s9_messages_of_a_stream_that_change_nothing_are_acknowledged() {
    let mut harness = Harness::with(|config| config.records = true);
    harness.submit(request("j"));
    harness.result("j", "w", JobStatus::SUCCEEDED);
    let ended = packet("w", result("j", "w", JobStatus::SUCCEEDED));
    assert_eq!(harness.deliver(&Subject::JobResult, &ended, 1), ["ack 1"]);
    let unknown = packet("w", result("x", "w", JobStatus::SUCCEEDED));
    assert_eq!(harness.deliver(&Subject::JobResult, &unknown, 2), ["ack 2"]);
    let lines = harness.deliver(&Subject::JobSubmit, b"\x08", 3);
    assert_eq!(lines.last().unwrap(), "ack 3");
    assert!(lines[1].starts_with("refused: "), "{lines:?}");
}

#[test]
fn the_routers_own_packets_come_back_and_are_ignored() {
    let mut harness = Harness::new();
    harness.submit(request("j"));
    assert_eq!(harness.result("j", "r", JobStatus::SUCCEEDED), [""; 0]);
    assert_eq!(harness.status("j"), JobStatus::DISPATCHED);
}

/// A progress packet that the router publishes again for a repeated request comes back to the router, with the worker as its
/// sender.
#[test]
fn s7_progress_that_comes_again_is_no_sign_of_the_worker() {
    let mut harness = Harness::with(|config| config.retries = 1);
    let said = packet("w", JobProgress { job_id: "j".into(), percent: 50, ..JobProgress::default() });
    harness.submit(request("j"));
    assert_eq!(harness.packet(&Subject::JobProgress, &said), ["running j at w"]);
    harness.wait(30_000);
    assert_eq!(harness.submit(request("j")), ["progress j UNSPECIFIED"]);
    assert_eq!(harness.packet(&Subject::JobProgress, &said), [""; 0]);
    assert_eq!(harness.submit(request("j")), ["progress j UNSPECIFIED"], "it is kept once");
    let missed = "retrying j: nothing was heard of the job from any worker";
    assert_eq!(harness.wait(30_000), [missed], "a minute after the worker has said it");

    let mut harness = Harness::with(|config| config.retries = 1);
    harness.submit(request("j"));
    harness.packet(&Subject::JobProgress, &said);
    harness.result("j", "w", JobStatus::FAILED_RETRYABLE);
    assert_eq!(harness.packet(&Subject::JobProgress, &said), [""; 0], "it does not run again before it is sent again");
}

#[test]
fn s16_refused_packets_are_reported_and_the_reports_are_few() {
    let mut harness = Harness::with(|config| config.limits.alerts = 2);
    let misplaced = packet("c", request("j"));
    let alert = "alert ERROR PROTOCOL_MALFORMED_PACKET";
    let refused = "refused: a JobRequest does not belong on this subject";
    assert_eq!(harness.packet(&Subject::JobResult, &misplaced), [alert, refused]);
    let version = nuncio_core::cap::BusPacket { protocol_version: 2, ..Default::default() };
    let version = version.encode(nuncio_core::cap::MapOrder::Lexicographic);
    let refused_version = "refused: the packet is not valid: protocol_version has a value that is not allowed";
    assert_eq!(
        harness.packet(&Subject::JobSubmit, &version),
        ["alert ERROR PROTOCOL_VERSION_MISMATCH", refused_version]
    );
    assert_eq!(harness.packet(&Subject::JobResult, &misplaced), [refused]);
    harness.wait(10_000);
    assert_eq!(harness.packet(&Subject::JobResult, &misplaced), [alert, refused]);
}

#[test]
fn a_topic_of_the_protocol_itself_is_refused() {
    let mut harness = Harness::new();
    let lines = harness.submit(JobRequest { topic: "sys.job.submit".into(), ..request("j") });
    assert!(lines[0].starts_with("result j FAILED JOB_INVALID_INPUT: the topic \"sys.job.submit\" is not valid"));
    assert_eq!(harness.router.live(), 0);
}

#[test]
fn a_submitter_that_hears_nothing_for_long_makes_the_router_ask_the_worker() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("j"));
    harness.progress("j", "w");
    for _ in 0..6 {
        harness.wait(10_000);
        harness.heartbeat("w", 1, 2);
    }
    assert_eq!(harness.submit(request("j")), ["progress j RUNNING", "j to worker.w.jobs"]);
    assert_eq!(harness.submit(request("j")), ["progress j RUNNING"]);
}
