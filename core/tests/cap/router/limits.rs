//! Every limit of a router is reached.

use core::time::Duration;

use nuncio_core::cap::{JobProgress, JobRequest, JobStatus, Policy, RouterConfig, Subject};

use super::support::{Harness, packet, request, with_key};

/// Sets a limit, which may depend on the size of a packet.
type Change = fn(&mut RouterConfig, usize);

#[test]
fn a_job_beyond_a_limit_fails_and_can_be_tried_again() {
    let one = packet("c", request("a")).len();
    let cases: [(&str, Change); 3] = [
        ("jobs", |config, _| config.limits.jobs = 1),
        ("topic_jobs", |config, _| config.limits.topic_jobs = 1),
        ("live_bytes", |config, bytes| config.limits.live_bytes = bytes),
    ];
    for (limit, change) in cases {
        let mut harness = Harness::with(|config| change(config, one));
        harness.submit(request("a"));
        let full = format!(
            "result b FAILED_RETRYABLE JOB_RESOURCE_EXHAUSTED: the router has as many jobs as it can have: its limit {limit} is reached"
        );
        assert_eq!(harness.submit(request("b")), [full]);
        assert_eq!(harness.router.live(), 1);
        if limit == "topic_jobs" {
            let other = JobRequest { topic: "job.other".into(), ..request("c") };
            assert_eq!(harness.submit(other), ["c to job.other"]);
        }
        harness.result("a", "w", JobStatus::SUCCEEDED);
        assert_eq!(harness.submit(request("b")), ["b to job.echo"]);
    }
}

#[test]
fn a_job_that_is_too_large_fails() {
    let mut harness = Harness::with(|config| config.limits.job_bytes = 40);
    let large = harness.submit(JobRequest { context_ptr: "redis://".repeat(10), ..request("j") });
    assert!(large[0].starts_with("result j FAILED JOB_RESOURCE_EXHAUSTED: the packet has "), "{large:?}");
    assert!(large[0].ends_with(" bytes, and at most 40 are allowed") && large.len() == 1);
}

#[test]
fn the_pause_before_a_job_is_sent_again_is_bounded() {
    let mut harness = Harness::with(|config| {
        config.retries = 40;
        config.max_backoff = Duration::from_secs(4);
    });
    harness.submit(request("j"));
    for pause in [1, 2, 4, 4, 4] {
        // Each failure is another packet.
        let failed = nuncio_core::cap::JobResult {
            execution_ms: i64::try_from(harness.now.0).unwrap(),
            ..super::support::result("j", "w", JobStatus::FAILED_RETRYABLE)
        };
        assert_eq!(harness.packet(&Subject::JobResult, &packet("w", failed)), ["retrying j: "]);
        assert_eq!(harness.wait(pause * 1_000 - 1), [""; 0]);
        assert_eq!(harness.wait(1), ["j to job.echo"]);
    }
}

#[test]
fn the_runtime_of_every_job_can_be_bounded() {
    let mut harness = Harness::with(|config| {
        config.max_runtime = Some(Duration::from_secs(10));
        config.deadline_grace = Duration::from_secs(2);
    });
    harness.submit(request("j"));
    assert_eq!(harness.wait(11_999), [""; 0]);
    assert_eq!(harness.wait(1)[1], "ended j TIMEOUT");
}

#[test]
fn s5_a_worker_is_lost_after_some_missed_heartbeats() {
    let mut harness = Harness::with(|config| {
        config.heartbeat_interval = Duration::from_secs(2);
        config.missed_heartbeats = 2;
    });
    harness.heartbeat("w", 0, 1);
    assert_eq!(harness.wait(3_999), [""; 0]);
    assert_eq!(harness.wait(1), ["lost w"]);
}

#[test]
fn ended_jobs_are_remembered_for_their_retention() {
    let mut harness = Harness::with(|config| {
        config.retention = Duration::from_secs(9);
        config.records = true;
    });
    harness.submit(request("j"));
    harness.result("j", "w", JobStatus::SUCCEEDED);
    harness.wait(8_999);
    assert_eq!(harness.submit(request("j")), ["result j SUCCEEDED by w"]);
    harness.wait(1);
    assert_eq!(harness.router.retained(), 0);
    assert_eq!(harness.submit(request("j")), ["j to job.echo"]);
}

#[test]
fn the_oldest_ended_jobs_are_forgotten_first() {
    let result = packet("w", super::support::result("a", "w", JobStatus::SUCCEEDED)).len();
    let cases: [Change; 2] =
        [|config, _| config.limits.retained = 2, |config, bytes| config.limits.retained_bytes = 2 * bytes];
    for change in cases {
        let mut harness = Harness::with(|config| change(config, result));
        for id in ["a", "b", "c"] {
            harness.submit(request(id));
            harness.result(id, "w", JobStatus::SUCCEEDED);
        }
        assert_eq!(harness.router.retained(), 2);
        assert_eq!(harness.submit(request("c")), ["result c SUCCEEDED by w"]);
        assert_eq!(harness.submit(request("a")), ["a to job.echo"]);
    }
}

#[test]
fn the_latest_progress_that_is_not_too_large_is_kept() {
    let mut harness = Harness::with(|config| {
        config.limits.progress = 2;
        config.limits.progress_bytes = 80;
    });
    harness.submit(request("j"));
    for message in ["one", "two", "three", &"long".repeat(30)] {
        let progress = JobProgress { job_id: "j".into(), message: message.into(), ..JobProgress::default() };
        harness.packet(&Subject::JobProgress, &packet("w", progress));
    }
    let kept = ["progress j UNSPECIFIED two", "progress j UNSPECIFIED three"];
    assert_eq!(harness.submit(request("j")), kept);
}

#[test]
fn few_requests_follow_the_same_idempotency_key() {
    let mut harness = Harness::with(|config| config.limits.followers = 1);
    harness.submit(with_key(request("a"), "k"));
    assert_eq!(harness.submit(with_key(request("b"), "k")), [""; 0]);
    let full = "result c FAILED_RETRYABLE JOB_RESOURCE_EXHAUSTED: too many requests have the same idempotency key";
    assert_eq!(harness.submit(with_key(request("c"), "k")), [full]);
    // One that is cancelled makes room, and the job goes on.
    assert_eq!(harness.cancel("b", "c"), ["result b CANCELLED: enough"]);
    assert_eq!(harness.submit(with_key(request("c"), "k")), [""; 0]);
    assert_eq!(harness.status("a"), JobStatus::DISPATCHED);
}

#[test]
fn few_children_are_cancelled_with_a_job() {
    let mut harness = Harness::with(|config| config.limits.children = 2);
    harness.submit(request("a"));
    for id in ["b", "c", "d"] {
        harness.submit(JobRequest { parent_job_id: "a".into(), ..request(id) });
    }
    assert_eq!(harness.cancel("a", "c"), ["cancel a: enough", "cancel b: enough", "cancel c: enough"]);
}

#[test]
fn the_latest_cancellations_are_remembered() {
    let mut harness = Harness::with(|config| config.limits.cancellations = 2);
    for id in ["a", "b", "c", "c"] {
        harness.cancel(id, "c");
    }
    assert_eq!(harness.submit(request("a")), ["a to job.echo"]);
    assert_eq!(harness.submit(request("b"))[1], "ended b CANCELLED");
}

#[test]
fn workers_and_their_topics_are_bounded() {
    let mut harness = Harness::choosing(|config| {
        config.limits.workers = 1;
        config.limits.worker_topics = 1;
    });
    harness.handshake("w", &["job.a", "job.b"]);
    let topics = harness.router.topics(harness.router.workers().next().unwrap().id).count();
    assert_eq!(topics, 1);
    let refused = "refused: the router's limit workers of 1 is reached";
    assert_eq!(harness.handshake("x", &["job.a"]), ["alert WARNING JOB_RESOURCE_EXHAUSTED", refused]);
    assert_eq!(harness.heartbeat("w", 0, 1), [""; 0]);
}

#[test]
fn long_job_ids_are_refused_and_long_reasons_are_cut() {
    let mut harness = Harness::with(|config| {
        config.limits.job_id_bytes = 3;
        config.limits.error_bytes = 4;
        config.policy = Policy::Ask;
    });
    let refused = "refused: the job id has 4 bytes, and at most 3 are allowed";
    assert_eq!(harness.submit(request("long"))[1], refused);
    assert_eq!(harness.cancel("long", "c")[1], refused);
    harness.submit(request("j"));
    let denied = harness.decide("j", nuncio_core::cap::Decision::Deny { reason: "aééé".into() });
    assert_eq!(denied[0], "result j DENIED SAFETY_DENIED: aé");
}

#[test]
fn packets_are_not_taken_while_too_much_waits_for_the_store() {
    let mut harness = Harness::with(|config| {
        config.records = true;
        config.limits.unstored = 4;
    });
    harness.stores = false;
    for (id, delivery) in [("a", 1), ("b", 2), ("c", 3)] {
        harness.deliver(&Subject::JobSubmit, &packet("c", request(id)), delivery);
    }
    assert!(!harness.router.reading());
    assert_eq!(harness.router.live(), 1);
    assert!(harness.stored().contains(&"ack 1".to_owned()));
    assert_eq!(harness.deliver(&Subject::JobSubmit, &packet("c", request("b")), 2), ["store Accepted b"]);
}
