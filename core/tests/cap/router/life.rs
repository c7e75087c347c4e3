//! The life of a job, from its request to its result.

use nuncio_core::cap::{JobRequest, JobStatus, RouterJobState, Subject};

use super::support::{Harness, config, packet, request, with_key};

#[test]
fn s3_a_job_goes_to_its_topic_and_ends_with_the_result_of_a_worker() {
    let mut harness = Harness::new();
    assert_eq!(harness.submit(request("j")), ["j to job.echo"]);
    assert_eq!(harness.status("j"), JobStatus::DISPATCHED);
    assert_eq!(harness.progress("j", "w"), ["running j at w"]);
    assert_eq!(harness.status("j"), JobStatus::RUNNING);
    assert_eq!(harness.result("j", "w", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
    assert_eq!(harness.router.job(harness.key("j")).unwrap().state, RouterJobState::Succeeded);
    assert_eq!(harness.router.poll_timeout(), None);
}

#[test]
fn s3_a_job_goes_to_the_worker_with_the_least_load() {
    let mut harness = Harness::choosing(|_| {});
    for (worker, active) in [("a", 3), ("b", 1), ("c", 2)] {
        harness.handshake(worker, &["job.echo"]);
        harness.heartbeat(worker, active, 4);
    }
    harness.handshake("d", &["job.other"]);
    assert_eq!(harness.submit(request("j")), ["j to worker.b.jobs"]);
}

#[test]
fn s9_a_message_of_a_durable_stream_is_acknowledged_once_its_job_is_stored() {
    let mut harness = Harness::with(|config| config.records = true);
    harness.stores = false;
    assert_eq!(harness.deliver(&Subject::JobSubmit, &packet("c", request("j")), 5), ["store Accepted j"]);
    assert_eq!(harness.deliver(&Subject::JobSubmit, &packet("c", request("j")), 6), [""; 0]);
    assert_eq!(harness.stored(), ["ack 5", "j to job.echo", "ack 6"]);
}

#[test]
fn s9_a_message_is_acknowledged_after_what_it_led_to_was_sent() {
    let mut harness = Harness::with(|config| config.records = true);
    harness.stores = false;
    harness.submit(with_key(request("j"), "k"));
    let other = JobRequest { topic: "job.other".into(), ..with_key(request("other"), "k") };
    assert_eq!(harness.deliver(&Subject::JobSubmit, &packet("c", other), 1), [""; 0]);
    harness.router.handle_disconnected(harness.now);
    assert_eq!(harness.stored(), [""; 0], "a router that crashes here gets the message again");
    harness.router.handle_connected(harness.now);
    let lines = harness.drain();
    let refused = lines.iter().position(|line| line.starts_with("result other FAILED")).unwrap();
    assert_eq!(lines[refused + 1], "ack 1");
}

#[test]
fn s9_a_restored_router_goes_on() {
    let mut harness = Harness::choosing(|config| config.records = true);
    harness.handshake("w", &["job.echo"]);
    assert_eq!(harness.submit(request("j")), ["j to worker.w.jobs"]);
    let mut harness = harness.restart(config().with(|config| {
        config.records = true;
        config.dispatch = nuncio_core::cap::Dispatch::LeastLoaded;
    }));
    harness.router.handle_connected(harness.now);
    let lines = harness.drain();
    assert_eq!(lines.last().unwrap(), "j to worker.w.jobs");
    assert_eq!(harness.result("j", "w", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
    let mut harness = harness.restart(config());
    harness.router.handle_connected(harness.now);
    harness.drain();
    assert_eq!(harness.submit(request("j")), ["result j SUCCEEDED by w"]);
}

#[test]
fn a_worker_that_announces_itself_after_it_has_a_job_is_sent_the_job_again() {
    let again = "j to worker.w.jobs".to_owned();
    let mut harness = Harness::with(|config| config.records = true);
    harness.submit(request("j"));
    harness.progress("j", "w");
    // It was started again, and its handshake is the first that is heard of it besides its reports.
    assert!(harness.handshake("w", &["job.echo"]).contains(&again));

    // The same for a router that knows of the worker by its records only.
    let mut harness = harness.restart(config());
    harness.router.handle_connected(harness.now);
    harness.drain();
    assert!(harness.handshake("w", &["job.echo"]).contains(&again));
    // And if nothing more is heard of the worker, the job is sent to another one.
    let lines = harness.wait(15_000);
    assert!(lines.iter().any(|line| line.starts_with("retrying j")), "{lines:?}");
}
