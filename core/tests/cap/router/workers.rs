//! Workers and the choice among them (spec/03, spec/05).

use nuncio_core::cap::{JobPriority, JobRequest, JobStatus, Subject};

use super::support::{Harness, packet, request};

fn of_priority(id: &str, priority: JobPriority) -> JobRequest {
    JobRequest { priority, ..request(id) }
}

#[test]
fn s5_a_full_worker_gets_no_job_until_one_has_ended() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("w", &["job.echo"]);
    harness.heartbeat("w", 0, 1);
    assert_eq!(harness.submit(request("a")), ["a to worker.w.jobs"]);
    assert_eq!(harness.submit(request("b")), [""; 0]);
    assert_eq!(harness.router.queued(), 1);
    // It waits for ever, because a worker is there.
    for _ in 0..10 {
        harness.wait(10_000);
        assert_eq!(harness.heartbeat("w", 1, 1), [""; 0]);
    }
    assert_eq!(harness.result("a", "w", JobStatus::SUCCEEDED), ["ended a SUCCEEDED", "b to worker.w.jobs"]);
}

#[test]
fn s3_waiting_jobs_go_by_priority_and_then_in_their_order() {
    let mut harness = Harness::choosing(|_| {});
    for (id, priority) in [
        ("a", JobPriority::BATCH),
        ("b", JobPriority::UNSPECIFIED),
        ("c", JobPriority::INTERACTIVE),
        ("d", JobPriority::CRITICAL),
        ("e", JobPriority::CRITICAL),
    ] {
        assert_eq!(harness.submit(of_priority(id, priority)), [""; 0]);
    }
    let sent = ["joined w", "d to worker.w.jobs", "e to worker.w.jobs"];
    let rest = ["c to worker.w.jobs", "b to worker.w.jobs", "a to worker.w.jobs"];
    assert_eq!(harness.handshake("w", &["job.echo"]), [&sent[..], &rest[..]].concat());
}

#[test]
fn a_job_for_which_no_worker_comes_fails() {
    let mut harness = Harness::choosing(|_| {});
    assert_eq!(harness.submit(request("j")), [""; 0]);
    assert_eq!(harness.wait(29_999), [""; 0]);
    let failed = "result j FAILED JOB_WORKER_UNAVAILABLE: no worker serves the topic \"job.echo\"";
    assert_eq!(harness.wait(1), ["dead letter j", failed, "ended j FAILED"]);
}

#[test]
fn a_worker_whose_handshake_was_missed_gets_jobs_by_its_pool_or_by_the_topic() {
    let mut harness = Harness::choosing(|_| {});
    assert_eq!(harness.heartbeat("w", 0, 1), ["joined w"]);
    assert_eq!(harness.submit(request("j")), ["j to job.echo"]);
    assert_eq!(harness.result("j", "w", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
    let pool = nuncio_core::cap::Heartbeat { worker_id: "w".into(), pool: "job.echo".into(), ..Default::default() };
    harness.packet(&Subject::Heartbeat, &packet("w", pool));
    assert_eq!(harness.submit(request("k")), ["k to worker.w.jobs"]);
}

#[test]
fn s14_a_worker_that_does_not_speak_the_version_gets_no_job() {
    let mut harness = Harness::choosing(|_| {});
    let handshake = nuncio_core::cap::Handshake {
        component_id: "w".into(),
        role: nuncio_core::cap::ComponentRole::WORKER,
        supported_versions: vec![2],
        ready_topics: vec!["job.echo".into()],
        ..Default::default()
    };
    harness.packet(&Subject::Handshake, &packet("w", handshake));
    assert_eq!(harness.submit(request("j")), [""; 0]);
}

#[test]
fn a_result_of_a_worker_that_was_not_given_the_job_is_refused() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("j"));
    let refused = ["alert WARNING JOB_PERMISSION_DENIED", "refused: the job was not sent to \"x\""];
    assert_eq!(harness.result("j", "x", JobStatus::SUCCEEDED), refused);
    assert_eq!(harness.progress("j", "x"), refused);
    assert_eq!(harness.status("j"), JobStatus::DISPATCHED);
}

#[test]
fn a_worker_that_is_being_stopped_is_chosen_no_more_and_ends_its_jobs() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("v", &["job.echo"]);
    harness.handshake("w", &["job.echo"]);
    harness.heartbeat("v", 0, 8);
    harness.heartbeat("w", 7, 8);
    assert_eq!(harness.submit(request("a")), ["a to worker.v.jobs"]);
    assert_eq!(harness.handshake("v", &[]), [""; 0], "it has not lost its jobs");
    assert_eq!(harness.submit(request("b")), ["b to worker.w.jobs"], "although its load is higher");
    assert_eq!(harness.result("a", "v", JobStatus::SUCCEEDED), ["ended a SUCCEEDED"]);
    // It stays away with its heartbeats, and is back with its topics.
    harness.heartbeat("v", 0, 8);
    harness.heartbeat("w", 8, 8);
    assert_eq!(harness.submit(request("c")), [""; 0], "the other one is full");
    assert_eq!(harness.handshake("v", &["job.echo"]), ["c to worker.v.jobs"]);
}

#[test]
fn a_worker_that_announces_itself_again_gets_its_jobs_again() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("j"));
    assert_eq!(harness.handshake("w", &["job.echo"]), ["j to worker.w.jobs"]);
    let mut harness = Harness::choosing(|config| config.workers_deduplicate = false);
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("j"));
    assert_eq!(harness.handshake("w", &["job.echo"]), [""; 0]);
}

#[test]
fn a_gap_of_the_bus_loses_no_job_and_no_worker() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("a"));
    harness.router.handle_disconnected(harness.now);
    assert_eq!(harness.wait(3_600_000), [""; 0]);
    harness.router.handle_connected(harness.now);
    let lines = harness.drain();
    assert_eq!(lines.iter().filter(|line| line.starts_with("sub ")).count(), 6);
    assert_eq!(lines[6..], ["a to worker.w.jobs"]);
    assert_eq!(harness.wait(14_999), [""; 0]);
    assert_eq!(harness.wait(1)[0], "lost w");
}

#[test]
fn results_that_are_made_while_the_bus_is_away_are_published_when_it_is_back() {
    let mut harness = Harness::choosing(|_| {});
    harness.handshake("w", &["job.echo"]);
    harness.submit(super::support::with_deadline(request("a"), 1_000));
    harness.router.handle_disconnected(harness.now);
    assert_eq!(harness.wait(6_000), ["ended a TIMEOUT"]);
    harness.router.handle_connected(harness.now);
    let late = "the job took longer than its deadline allows";
    let made = [format!("result a TIMEOUT JOB_TIMEOUT: {late}"), format!("cancel a: {late}")];
    assert_eq!(harness.drain()[6..], made);
}
