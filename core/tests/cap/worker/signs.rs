//! Signs of jobs that are silent.

use nuncio_core::cap::{
    BusPacket, DecodeLimits, DispatchIdentity, JobProgress, JobRequest, JobStatus, Payload, Progress, WorkerOutput,
};

use super::support::{Harness, bare, config, with_key};

/// The packets that were not polled yet: heartbeats, handshakes and progress.
fn published(harness: &mut Harness) -> Vec<Payload> {
    let outputs = core::iter::from_fn(|| harness.worker.poll_output());
    let packets = outputs.filter_map(|output| match output {
        WorkerOutput::Publish { bytes, .. } => BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap().payload,
        _ => None,
    });
    packets.collect()
}

/// Lets time pass, and returns the signs that come with the heartbeat: job, percentage and status.
fn signs(harness: &mut Harness, millis: u64) -> Vec<(String, i32, JobStatus)> {
    harness.now = harness.now.plus_millis(millis);
    harness.worker.handle_timeout(harness.now);
    let progress = published(harness).into_iter().filter_map(|payload| match payload {
        Payload::JobProgress(progress) => Some(progress),
        _ => None,
    });
    let sign = |progress: Box<JobProgress>| {
        assert!(progress.is_sign(), "{progress:?}");
        assert_eq!((progress.message.as_str(), progress.result_ptr.as_str()), ("", ""));
        (progress.job_id, progress.percent, progress.status)
    };
    progress.map(sign).collect()
}

fn sign(id: &str, percent: i32, status: JobStatus) -> (String, i32, JobStatus) {
    (id.into(), percent, status)
}

#[test]
fn each_heartbeat_comes_with_a_sign_of_each_silent_job() {
    let mut harness = Harness::new();
    assert_eq!(signs(&mut harness, 5_000), [], "there is no job");
    harness.request(bare("a"));
    harness.request(bare("b"));
    let both = [sign("a", 0, JobStatus::RUNNING), sign("b", 0, JobStatus::DISPATCHED)];
    assert_eq!(signs(&mut harness, 5_000), both, "one runs, and one waits for a slot");
    assert_eq!(signs(&mut harness, 5_000), both);
    harness.run_to_end("a");
    assert_eq!(signs(&mut harness, 5_000), [sign("b", 0, JobStatus::RUNNING)]);
    harness.run_to_end("b");
    assert_eq!(signs(&mut harness, 5_000), []);
}

#[test]
fn a_job_that_makes_progress_is_not_silent_and_a_sign_repeats_its_percentage() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    harness.wait(4_000);
    let progress = Progress { percent: 40, step_id: "s".into(), message: "m".into(), ..Progress::default() };
    harness.worker.progress(harness.now, harness.attempt("j"), &progress).unwrap();
    harness.drain();
    assert_eq!(signs(&mut harness, 1_000), [], "it has said something since the last heartbeat");
    assert_eq!(signs(&mut harness, 5_000), [sign("j", 40, JobStatus::RUNNING)]);
}

#[test]
fn a_job_that_has_its_result_gives_no_more_signs_although_its_handler_runs() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    harness.cancel("j");
    assert_eq!(harness.worker.running(), 1);
    assert_eq!(signs(&mut harness, 5_000), []);
}

#[test]
fn every_request_that_a_job_answers_gets_a_sign_with_its_dispatch() {
    let mut harness = Harness::with(|config| config.limits.queued = 0);
    let dispatch = DispatchIdentity { dispatch_id: "d".into(), attempt: 2, ..DispatchIdentity::default() };
    harness.request(JobRequest { dispatch: Some(dispatch.clone()), ..with_key(bare("a"), "k") });
    harness.request(with_key(bare("b"), "k"));
    harness.now = harness.now.plus_millis(5_000);
    harness.worker.handle_timeout(harness.now);
    let signs: Vec<_> = published(&mut harness)
        .into_iter()
        .filter_map(|payload| match payload {
            Payload::JobProgress(progress) => Some((progress.job_id, progress.dispatch)),
            _ => None,
        })
        .collect();
    assert_eq!(signs, [("a".to_owned(), Some(dispatch)), ("b".to_owned(), None)]);
}

#[test]
fn a_new_connection_begins_with_signs_of_what_was_silent_or_not_heard() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    harness.worker.handle_disconnected(harness.now);
    let progress = Progress { percent: 70, ..Progress::default() };
    harness.worker.progress(harness.now, harness.attempt("j"), &progress).unwrap();
    assert_eq!(signs(&mut harness, 20_000), [], "the bus is away");
    harness.worker.handle_connected(harness.now);
    assert_eq!(signs(&mut harness, 0), [sign("j", 0, JobStatus::RUNNING)]);
}

#[test]
fn a_worker_says_that_it_gives_signs() {
    let mut harness = Harness::offline(config());
    harness.worker.handle_connected(harness.now);
    let [Payload::Handshake(handshake)] = &published(&mut harness)[..] else { panic!("a handshake") };
    assert_eq!(handshake.capabilities.get("x-nuncio-signs"), Some(&true));
    harness.now = harness.now.plus_millis(5_000);
    harness.worker.handle_timeout(harness.now);
    let [Payload::Heartbeat(heartbeat)] = &published(&mut harness)[..] else { panic!("a heartbeat") };
    assert_eq!(heartbeat.capabilities, ["x-nuncio-signs"]);
}
