//! Subscriptions, handshake, heartbeats, a bus that is away, and the end of a worker.

use nuncio_core::cap::{
    BusPacket, DecodeLimits, Load, Payload, Subject, Topic, WorkerEvent, WorkerOutput, WorkerTimer,
};
use nuncio_core::time::Time;

use super::support::{Harness, START, bare, config, with_deadline};

#[test]
fn a_worker_subscribes_and_then_says_what_it_can_do() {
    let mut harness = Harness::offline(config().with(|config| {
        config.topics.insert(Topic::new("job.echo.fail").unwrap());
    }));
    assert_eq!(harness.worker.poll_timeout(), None);
    harness.worker.handle_connected(START);
    let lines = harness.drain();
    assert_eq!(
        lines[..4],
        ["sub job.echo group", "sub job.echo.fail group", "sub worker.w.jobs", "sub sys.job.cancel"]
    );
    // One topic begins with the other, so receivers disagree about the order of the capabilities.
    assert_eq!(lines[4..], ["PrefixPair { subject: Handshake }", r#"handshake ["job.echo", "job.echo.fail"]"#]);
    harness.worker.handle_connected(START);
    assert_eq!(harness.drain(), [""; 0], "it is connected already");
}

#[test]
fn heartbeats_come_at_their_interval_with_jobs_and_load() {
    let mut harness = Harness::with(|config| config.limits.parallel = 4);
    assert_eq!(harness.worker.poll_timeout(), Some((START.plus_secs(5), WorkerTimer::Heartbeat)));
    assert_eq!(harness.wait(4_999), [""; 0]);
    assert_eq!(harness.wait(1), ["heartbeat 0/4"]);
    harness.request(bare("j"));
    assert_eq!(harness.wait(5_000), ["heartbeat 1/4"]);
    harness.worker.set_load(Load { cpu: 12.5, gpu: 0.0, memory: 50.0 });
    harness.worker.handle_timeout(harness.now.plus_secs(60));
    let Some(WorkerOutput::Publish { bytes, .. }) = harness.worker.poll_output() else { panic!() };
    let sent = BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap();
    let Some(Payload::Heartbeat(heartbeat)) = sent.payload else { panic!() };
    assert!(heartbeat.cpu_load > 12.0 && heartbeat.memory_load > 49.0);
    assert!(matches!(harness.worker.poll_output(), Some(WorkerOutput::Event(WorkerEvent::HeartbeatSent))));
    // The sign of the job that runs.
    let Some(WorkerOutput::Publish { subject, .. }) = harness.worker.poll_output() else { panic!() };
    assert_eq!(subject, Subject::JobProgress);
    assert!(harness.worker.poll_output().is_none(), "heartbeats that were missed are not made up for");
}

#[test]
fn results_wait_while_the_bus_is_away() {
    let mut harness = Harness::new();
    harness.request(bare("a"));
    harness.request(bare("b"));
    harness.worker.handle_disconnected(harness.now);
    assert_eq!(harness.wait(60_000), [""; 0], "no heartbeat");
    assert_eq!(harness.run_to_end("a"), ["ended SUCCEEDED", "run b"]);
    harness.worker.handle_connected(harness.now);
    assert_eq!(
        harness.drain(),
        [
            "sub job.echo group",
            "sub worker.w.jobs",
            "sub sys.job.cancel",
            "result a SUCCEEDED redis://res:a",
            r#"handshake ["job.echo"]"#
        ]
    );
    // A result that was not polled when the bus went away waits too.
    harness.finish("b");
    harness.worker.stored(harness.now, harness.attempt("b"), Ok(())).unwrap();
    harness.worker.handle_disconnected(harness.now);
    assert_eq!(harness.drain(), ["ended SUCCEEDED"]);
    harness.worker.handle_connected(harness.now);
    assert!(harness.drain().contains(&"result b SUCCEEDED redis://res:b".to_owned()));
}

#[test]
fn a_drain_ends_the_jobs_that_are_there_and_takes_no_more() {
    let mut harness = Harness::new();
    harness.request(bare("a"));
    harness.request(bare("b"));
    harness.worker.drain(harness.now);
    assert_eq!(harness.drain(), ["handshake []", "unsub job.echo"], "a router chooses it no more");
    let late = "result c FAILED_RETRYABLE JOB_WORKER_UNAVAILABLE: this worker is being stopped";
    assert_eq!(harness.request(bare("c")), [late]);
    assert_eq!(harness.wait(5_000), ["heartbeat 1/1"]);
    assert_eq!(harness.run_to_end("a").last().unwrap(), "run b");
    let end = ["result b SUCCEEDED redis://res:b", "ended SUCCEEDED"];
    let end = [&end[..], &["unsub worker.w.jobs", "unsub sys.job.cancel", "drained"]].concat();
    assert_eq!(harness.run_to_end("b"), end);
    assert_eq!(harness.worker.poll_timeout(), None);
    harness.worker.drain(harness.now);
    assert_eq!(harness.drain(), [""; 0]);
}

#[test]
fn s5_a_worker_that_drains_is_full_by_its_heartbeats_and_says_so_on_a_new_connection() {
    let mut harness = Harness::with(|config| config.limits.parallel = 4);
    harness.request(bare("a"));
    harness.worker.drain(harness.now);
    harness.drain();
    assert_eq!(harness.wait(5_000), ["heartbeat 1/1"]);
    harness.worker.handle_disconnected(harness.now);
    harness.worker.handle_connected(harness.now);
    assert_eq!(harness.drain(), ["sub worker.w.jobs", "sub sys.job.cancel", "handshake []"]);
}

#[test]
fn an_idle_worker_drains_at_once_and_stays_drained() {
    let mut harness = Harness::new();
    harness.worker.drain(harness.now);
    assert_eq!(harness.drain().last().unwrap(), "drained");
    harness.worker.handle_disconnected(harness.now);
    harness.worker.handle_connected(harness.now);
    assert_eq!(harness.drain(), [""; 0]);
}

#[test]
fn a_deadline_at_the_end_of_time_never_passes() {
    let mut harness = Harness::new();
    harness.request(with_deadline(bare("j"), i64::MAX));
    let (first, timer) = harness.worker.poll_timeout().unwrap();
    assert!(first < Time::MAX, "{timer:?}");
    // Every deadline that is set from now on is at the end of time.
    harness.worker.handle_timeout(Time::MAX);
    assert_eq!(harness.drain(), ["heartbeat 1/1"]);
    assert_eq!(harness.worker.poll_timeout(), None);
}
