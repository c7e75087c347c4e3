//! A request that is lost before a worker has reported its job is missed soon, if the workers give signs of their jobs.

use nuncio_core::cap::{ComponentRole, Handshake, Heartbeat, JobProgress, JobStatus, Subject};

use super::support::{Harness, packet, request};

const SILENT: &str = "retrying j: nothing was heard of the job from any worker";

impl Harness {
    /// The handshake of a worker that gives signs.
    fn signing(&mut self, worker: &str, topics: &[&str]) -> Vec<String> {
        let handshake = Handshake {
            component_id: worker.into(),
            role: ComponentRole::WORKER,
            supported_versions: vec![1],
            capabilities: [("x-nuncio-signs".to_owned(), true)].into(),
            ready_topics: topics.iter().map(|topic| (*topic).into()).collect(),
            ..Handshake::default()
        };
        self.packet(&Subject::Handshake, &packet(worker, handshake))
    }

    fn sign(&mut self, id: &str, worker: &str) -> Vec<String> {
        let sign = JobProgress {
            job_id: id.into(),
            step_id: "x-nuncio-sign".into(),
            status: JobStatus::RUNNING,
            ..JobProgress::default()
        };
        self.packet(&Subject::JobProgress, &packet(worker, sign))
    }

    /// Lets time pass while a worker sends heartbeats.
    fn beat(&mut self, worker: &str, active: i32, millis: u64) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..millis / 1_000 {
            lines.extend(self.wait(1_000));
            lines.extend(self.heartbeat(worker, active, 8));
        }
        lines
    }
}

#[test]
fn a_lost_request_is_sent_again_as_soon_as_a_silent_worker_is_lost() {
    let mut harness = Harness::new();
    harness.signing("w", &["job.echo"]);
    assert_eq!(harness.submit(request("j")), ["j to job.echo"]);
    // The worker is busy with other jobs.
    assert_eq!(harness.beat("w", 3, 14_000), [""; 0]);
    assert_eq!(harness.beat("w", 3, 1_000), [SILENT]);
    assert_eq!(harness.beat("w", 3, 1_000), ["j to job.echo"]);
    assert_eq!(harness.sign("j", "w"), ["running j at w"]);
    // From now on the usual time counts, from sign to sign.
    for _ in 0..5 {
        assert_eq!(harness.beat("w", 3, 50_000), [""; 0]);
        harness.sign("j", "w");
    }
    // The worker has the job no more: its result is lost.
    assert_eq!(harness.beat("w", 3, 60_000), [SILENT]);
}

#[test]
fn a_lost_request_to_a_worker_that_was_chosen_is_missed_as_soon() {
    let mut harness = Harness::choosing(|_| {});
    harness.signing("w", &["job.echo"]);
    // What other workers do does not matter.
    harness.handshake("other", &["job.other"]);
    assert_eq!(harness.submit(request("j")), ["j to worker.w.jobs"]);
    assert_eq!(harness.beat("w", 3, 14_000), [""; 0]);
    assert!(harness.beat("w", 3, 1_000).contains(&SILENT.to_owned()));
}

#[test]
fn a_worker_without_signs_that_may_have_the_job_has_the_longer_time() {
    for silent in [Some(&["job.echo"][..]), Some(&["job.other"]), None] {
        let mut harness = Harness::new();
        harness.signing("w", &["job.echo"]);
        match silent {
            Some(topics) => harness.handshake("python", topics),
            // Its handshake was missed, and it may serve any topic.
            None => harness.heartbeat("python", 0, 1),
        };
        harness.submit(request("j"));
        let lines = harness.beat("w", 0, 15_000);
        let is_missed = lines.contains(&SILENT.to_owned());
        assert_eq!(is_missed, silent == Some(&["job.other"]), "{silent:?}: {lines:?}");
    }
    // No worker is known at all.
    let mut harness = Harness::new();
    harness.submit(request("j"));
    assert_eq!(harness.wait(59_999), [""; 0]);
    assert_eq!(harness.wait(1), [super::retries::SILENT]);
}

#[test]
fn a_heartbeat_says_it_too_for_a_router_that_has_missed_the_handshake() {
    let mut harness = Harness::new();
    let heartbeat = Heartbeat {
        worker_id: "w".into(),
        capabilities: vec!["other".into(), "x-nuncio-signs".into()],
        ..Heartbeat::default()
    };
    harness.packet(&Subject::Heartbeat, &packet("w", heartbeat));
    harness.submit(request("j"));
    assert_eq!(harness.beat("w", 0, 14_000), [""; 0]);
    assert_eq!(harness.beat("w", 0, 1_000), [SILENT]);
    // A worker of the same name that was started without them.
    harness.handshake("w", &["job.echo"]);
    harness.wait(1_000);
    assert_eq!(harness.beat("w", 0, 59_000), [""; 0]);
}

#[test]
fn a_new_connection_of_the_router_begins_the_time_anew() {
    let mut harness = Harness::new();
    harness.signing("w", &["job.echo"]);
    harness.submit(request("j"));
    harness.beat("w", 0, 10_000);
    harness.router.handle_disconnected(harness.now);
    harness.router.handle_connected(harness.now);
    harness.drain();
    assert_eq!(harness.beat("w", 0, 14_000), [""; 0]);
    assert_eq!(harness.beat("w", 0, 1_000), [SILENT]);
}

#[test]
fn a_sign_is_not_repeated_to_submitters_and_does_not_take_a_failed_job_back() {
    let mut harness = Harness::new();
    harness.signing("w", &["job.echo"]);
    harness.submit(request("j"));
    let half = JobProgress { job_id: "j".into(), message: "half".into(), ..JobProgress::default() };
    harness.packet(&Subject::JobProgress, &packet("w", half));
    harness.sign("j", "w");
    assert_eq!(harness.submit(request("j")), ["progress j UNSPECIFIED half"], "the last progress is kept");
    assert_eq!(harness.result("j", "w", JobStatus::FAILED_RETRYABLE), ["retrying j: "]);
    assert_eq!(harness.sign("j", "w"), [""; 0], "the worker has given it before it has failed");
    assert_eq!(harness.wait(1_000), ["j to job.echo"]);
}
