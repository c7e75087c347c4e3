//! What a worker says about a job beside its status: artifacts, references, progress, errors, and events that measure.

use core::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    BusPacket, DecodeLimits, ErrorCode, FailureKind, JobFailure, JobOutput, JobStatus, Load, Payload, Progress,
    ResourceRef, ResultRef, Timestamp, WorkerEvent, WorkerOutput, WorkerRefused,
};

use super::support::{Harness, START, bare, plain};

/// The payloads and events that were not polled yet.
fn outputs(harness: &mut Harness) -> (Vec<Payload>, Vec<WorkerEvent>) {
    let (mut payloads, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = harness.worker.poll_output() {
        match output {
            WorkerOutput::Publish { bytes, .. } => {
                payloads.push(BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap().payload.unwrap());
            }
            WorkerOutput::Event(event) => events.push(event),
            _ => {}
        }
    }
    (payloads, events)
}

fn artifact(uri: &str) -> ResourceRef {
    ResourceRef { uri: uri.into(), sha256: vec![7; 32], ..ResourceRef::default() }
}

#[test]
fn a_result_names_its_artifacts_and_its_output_in_the_structured_form() {
    let terms = ResultRef { resolver_id: "r".into(), media_type: "application/json".into(), purpose: "result".into() };
    let mut harness = Harness::with(|config| config.result_ref = Some(terms));
    harness.request(bare("j"));
    let output = JobOutput {
        bytes: Bytes::from_static(b"out"),
        artifact_ptrs: vec!["redis://a".into()],
        artifact_refs: vec![artifact("redis://b")],
    };
    harness.worker.finish(harness.now, harness.attempt("j"), output).unwrap();
    harness.drain();
    harness.worker.stored(harness.now, harness.attempt("j"), Ok(())).unwrap();
    let (payloads, _) = outputs(&mut harness);
    let [Payload::JobResult(result)] = &payloads[..] else { panic!("{payloads:?}") };
    assert_eq!((result.artifact_ptrs.len(), &result.artifact_refs[..]), (1, &[artifact("redis://b")][..]));
    let own = result.result_ref.clone().unwrap();
    // The SHA-256 digest of "out" begins and ends so.
    assert_eq!((own.sha256.len(), &own.sha256[..2], &own.sha256[30..]), (32, &[0x76, 0x20][..], &[0x8f, 0x22][..]));
    assert_eq!((own.uri, own.size_bytes), (result.result_ptr.clone(), 3));
    assert_eq!((own.media_type.as_str(), own.purpose.as_str()), ("application/json", "result"));
    assert_eq!(own.expires_at, Some(Timestamp::from_time(START.plus_secs(86_400))));

    // The result of a repeated request is the same, and an output without bytes has no reference.
    harness.worker.handle_packet(harness.now, &super::support::echo(), &super::support::packet(bare("j")));
    assert_eq!(outputs(&mut harness).0, payloads);
    harness.request(bare("empty"));
    harness.worker.finish(harness.now, harness.attempt("empty"), Bytes::new()).unwrap();
    harness.drain();
    harness.worker.stored(harness.now, harness.attempt("empty"), Ok(())).unwrap();
    let (payloads, _) = outputs(&mut harness);
    let [Payload::JobResult(result)] = &payloads[..] else { panic!("{payloads:?}") };
    assert_eq!(result.result_ref, None);
}

#[test]
fn progress_names_outputs_and_artifacts_so_far() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    let progress = Progress {
        percent: 50,
        step_id: "step".into(),
        message: "half".into(),
        result_ptr: "redis://part".into(),
        result_ref: Some(artifact("redis://part")),
        artifact_ptrs: vec!["redis://a".into()],
        artifact_refs: vec![artifact("redis://b")],
    };
    harness.worker.progress(harness.now, harness.attempt("j"), &progress).unwrap();
    let (payloads, _) = outputs(&mut harness);
    let [Payload::JobProgress(sent)] = &payloads[..] else { panic!("{payloads:?}") };
    assert_eq!((sent.step_id.as_str(), sent.message.as_str()), ("step", "half"));
    assert_eq!((sent.result_ptr.as_str(), sent.artifact_ptrs.len()), ("redis://part", 1));
    assert_eq!((sent.result_ref.is_some(), sent.artifact_refs.len()), (true, 1));
}

#[test]
fn artifacts_and_their_pointers_are_bounded() {
    let mut harness = Harness::with(|config| {
        config.limits.artifacts = 1;
        config.limits.pointer_bytes = 9;
    });
    harness.request(bare("j"));
    let attempt = harness.attempt("j");
    let two = JobOutput { artifact_ptrs: vec!["a".into(), "b".into()], ..JobOutput::default() };
    let limit = |limit, max| Err(WorkerRefused::Limit { limit, max });
    assert_eq!(harness.worker.finish(harness.now, attempt, two), limit("artifacts", 1));
    let long = JobOutput { artifact_ptrs: vec!["redis://ab".into()], ..JobOutput::default() };
    assert_eq!(harness.worker.finish(harness.now, attempt, long), limit("pointer_bytes", 9));
    let long = JobOutput { artifact_refs: vec![artifact("redis://ab")], ..JobOutput::default() };
    assert_eq!(harness.worker.finish(harness.now, attempt, long), limit("pointer_bytes", 9));
    let long = Progress { result_ptr: "redis://ab".into(), ..Progress::default() };
    assert_eq!(harness.worker.progress(harness.now, attempt, &long), limit("pointer_bytes", 9));
    let short = JobOutput { artifact_ptrs: vec!["redis://a".into()], ..JobOutput::default() };
    assert_eq!(harness.worker.finish(harness.now, attempt, short), Ok(()), "nothing has changed before");
}

#[test]
fn messages_of_handlers_can_be_kept_from_submitters_and_are_cut_between_characters() {
    let mut harness = Harness::with(|config| {
        config.share_errors = false;
        config.limits.error_bytes = 27;
    });
    harness.request(bare("j"));
    let failure = JobFailure { message: "a secret path: /srv/éééééé".into(), ..plain("") };
    harness.worker.fail(harness.now, harness.attempt("j"), failure).unwrap();
    let (payloads, events) = outputs(&mut harness);
    let [Payload::JobResult(result)] = &payloads[..] else { panic!("{payloads:?}") };
    assert_eq!(result.error_message, "the handler has failed");
    let [WorkerEvent::Ended { message, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(message, "a secret path: /srv/ééé");
    // What the worker itself says is shared.
    let invalid = nuncio_core::cap::JobRequest { context_ptr: "s3://b".into(), ..bare("k") };
    assert!(harness.request(invalid)[0].ends_with(": the context_ptr is not vali"));
}

#[test]
fn events_measure_what_a_metrics_hook_reports() {
    let mut harness = Harness::with(|config| config.retries = 1);
    harness.worker.handle_packet(harness.now, &super::support::echo(), &super::support::packet(bare("j")));
    let mut attempt = None;
    let mut events = Vec::new();
    let mut poll = |harness: &mut Harness| {
        while let Some(output) = harness.worker.poll_output() {
            match output {
                WorkerOutput::Run { attempt: run } => attempt = Some(run),
                WorkerOutput::Event(event) => events.push(event),
                _ => {}
            }
        }
        attempt.unwrap()
    };
    let job = poll(&mut harness).job;
    assert_eq!(harness.worker.running(), 1);
    let attempt = poll(&mut harness);
    harness.worker.fail(harness.now, attempt, plain("first")).unwrap();
    harness.now = harness.now.plus_millis(100);
    harness.worker.handle_timeout(harness.now);
    let attempt = poll(&mut harness);
    harness.now = harness.now.plus_millis(1_400);
    let fatal = JobFailure { kind: FailureKind::Fatal, code: ErrorCode(1_234), message: "second".into() };
    harness.worker.fail(harness.now, attempt, fatal).unwrap();
    harness.worker.set_load(Load::default());
    harness.worker.handle_timeout(START.plus_secs(5));
    poll(&mut harness);
    assert_eq!(harness.worker.running(), 0);
    let [
        WorkerEvent::Accepted { job: accepted },
        WorkerEvent::Started { job: started },
        WorkerEvent::Retried { job: retried, failures: 1, message },
        WorkerEvent::Ended { job: ended, status: JobStatus::FAILED_FATAL, code: ErrorCode(1_234), message: last, took },
        WorkerEvent::HeartbeatSent,
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!([accepted, started, retried, ended], [&job; 4]);
    assert_eq!((message.as_str(), last.as_str(), *took), ("first", "second", Duration::from_millis(1_500)));
}

#[test]
fn the_name_of_the_agent_is_in_handshakes_and_heartbeats_and_is_cleaned() {
    let mut harness = Harness::offline(super::support::config().with(|config| {
        config.agent_name = format!("  Billing\t\u{7} bot\n{}", "é".repeat(200));
    }));
    harness.worker.handle_connected(START);
    harness.worker.handle_timeout(START.plus_secs(5));
    let (payloads, _) = outputs(&mut harness);
    let [Payload::Handshake(handshake), Payload::Heartbeat(heartbeat)] = &payloads[..] else { panic!("{payloads:?}") };
    assert_eq!(handshake.agent_name, heartbeat.agent_name);
    assert!(heartbeat.agent_name.starts_with("Billing bot é"), "{}", heartbeat.agent_name);
    assert_eq!(heartbeat.agent_name.chars().count(), 128);
}
