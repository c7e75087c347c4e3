//! Faults of the Python SDKs 2.10.0 and 2.17.0 that were measured, each with the test that it is right here. The number is that
//! of the list of faults. Rows that are not below are covered by another test:
//!
//! | row | fault | test |
//! |---|---|---|
//! | 1 | a handler that raises has no result | `each_kind_of_failure_has_its_status_and_some_are_not_retried`, `a_handler_that_panics_fails_its_job_only` |
//! | 2 | the package cannot be imported on Python 3.9 | of Python alone |
//! | 3 | Go and Python order map entries differently | `packets_verify_with_the_keys_that_they_are_recorded_to_verify_with`, `what_is_sealed_opens_in_both_orders_and_prefix_pairs_are_reported` |
//! | 7 | a packet that comes again runs again | `a_signed_job_that_is_delivered_twice_runs_once`, `s19_a_packet_that_comes_again_has_no_effect_and_one_that_was_changed_is_refused` |
//! | 8 | a job id or an idempotency key runs twice | `a_repeated_request_gets_the_result_of_the_job_and_the_handler_runs_once`, `requests_with_the_same_idempotency_key_are_one_job` |
//! | 9 | more jobs run than may | `no_more_handlers_run_than_there_are_slots` |
//! | 10 | a topic that is not the subject is executed | `jobs_come_on_the_topic_and_on_the_direct_subject_and_nowhere_else` |
//! | 12 | cancellations are not received, progress is not sent | `a_cancelled_handler_is_told_and_the_result_is_published_at_once`, `progress_is_a_percentage_of_a_handler_that_runs` |
//! | 13 | no deadline, no pause before a retry | `a_deadline_ends_the_job_and_the_earlier_one_counts`, `a_handler_that_fails_is_called_again_after_a_growing_pause` |
//! | 14 | results have no error code | `each_kind_of_failure_has_its_status_and_some_are_not_retried` |
//! | 15 | the text of an exception is always or never told | `messages_of_handlers_can_be_kept_from_submitters_and_are_cut_between_characters` |
//! | 16 | settings of Redis' TLS have no effect | `the_environment_says_how_tls_is_spoken` (drivers) |
//! | 17 | outputs are stored for ever | `an_output_is_stored_for_its_time` |
//! | 18 | closing drops running jobs | `a_drain_ends_the_jobs_that_are_there_and_takes_no_more`, `results_wait_while_the_bus_is_away` |
//! | 20 | a handler that blocks holds up heartbeats | `a_blocking_handler_holds_up_neither_heartbeats_nor_other_jobs` (drivers) |
//! | 23 | the queue group is not the documented one | `a_worker_subscribes_and_then_says_what_it_can_do` |
//! | 24 | a topic that is no capability breaks the trust handshake | `s14_a_worker_subscribes_once_it_is_trusted_and_its_packets_carry_its_token` |
//! | 25 | heartbeats are outside the production profile | the same: they carry the token of the session |

use std::sync::Arc;

use crate::unsigned::START;
use bytes::Bytes;
use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, Client, ClientConfig, ClientEvent, ClientOutput, ComponentId, DecodeLimits,
    ErrorCode, FailureKind, Fetched, InvalidKey, JobFailure, JobProgress, JobRequest, JobResult, JobStatus, Keyring,
    MapOrder, P256Signer, P256Verifier, Payload, PublicKey, Reading, Signer as _, Subject, Timestamp, Topic, Worker,
    WorkerConfig, WorkerEvent, WorkerOutput, open,
};

fn key(seed: u8) -> P256Signer {
    P256Signer::from_bytes(&[seed; 32]).unwrap()
}

/// Accepts packets of the sender `peer` that are signed with the key 1.
fn reading() -> Reading {
    let mut keys = Keyring::default();
    keys.add("peer", key(1).public_key()).unwrap();
    Reading::new(Authentication::Signed(keys))
}

/// A packet of the sender `peer`, as it is sent without any check.
fn packet(payload: impl Into<Payload>) -> BusPacket {
    BusPacket {
        trace_id: "trace".into(),
        sender_id: "peer".into(),
        created_at: Some(Timestamp::from_time(START)),
        protocol_version: 1,
        payload: Some(payload.into()),
        ..BusPacket::default()
    }
}

/// A packet with a valid signature of a key, valid or not.
fn signed(mut packet: BusPacket, signer: &P256Signer) -> Vec<u8> {
    packet.signature = signer.sign(&packet.encode(MapOrder::Lexicographic)).unwrap();
    packet.encode(MapOrder::Lexicographic)
}

fn job(id: &str) -> JobRequest {
    JobRequest { job_id: id.into(), topic: "job.echo".into(), ..JobRequest::default() }
}

fn worker(reading: Reading) -> Worker {
    let config = WorkerConfig::new(ComponentId::new("w").unwrap(), reading, Arc::new(P256Verifier)).with(|config| {
        config.topics.insert(Topic::new("job.echo").unwrap());
        config.signer = Some(Arc::new(key(2)));
        config.check_stored = false;
    });
    let mut worker = Worker::new(config, [7; 32], START);
    worker.handle_connected(START);
    while worker.poll_output().is_some() {}
    worker
}

/// Passes a packet to a worker. Returns why it was refused, or nothing if its handler is called.
fn refusal(worker: &mut Worker, bytes: &[u8]) -> Option<String> {
    worker.handle_packet(START, &Subject::parse("job.echo").unwrap(), bytes);
    let outputs: Vec<WorkerOutput> = core::iter::from_fn(|| worker.poll_output()).collect();
    if let [
        WorkerOutput::Publish { subject: Subject::Alert, .. },
        WorkerOutput::Event(WorkerEvent::Refused { reason, .. }),
    ] = &outputs[..]
    {
        return Some(reason.to_string());
    }
    assert!(outputs.iter().any(|output| matches!(output, WorkerOutput::Run { .. })), "{outputs:?}");
    None
}

/// A client that awaits the job `j`.
fn client(acceptance: Acceptance) -> Client {
    let reading = reading().with(|reading| reading.acceptance = acceptance);
    let config = ClientConfig::new(ComponentId::new("c").unwrap(), reading, Arc::new(P256Verifier));
    let mut client = Client::new(config, [7; 32], START);
    client.handle_connected(START);
    client.submit(START, job("j"), "trace", None).unwrap();
    while client.poll_output().is_some() {}
    client
}

fn events(client: &mut Client, subject: &Subject, bytes: &[u8]) -> Vec<ClientEvent> {
    client.handle_packet(START, subject, bytes);
    let outputs = core::iter::from_fn(|| client.poll_output());
    outputs.map(|output| if let ClientOutput::Event(event) = output { event } else { panic!("{output:?}") }).collect()
}

fn result(worker: &str) -> JobResult {
    JobResult { job_id: "j".into(), worker_id: worker.into(), status: JobStatus::SUCCEEDED, ..JobResult::default() }
}

#[test]
fn row04_a_packet_of_another_version_is_not_executed() {
    for version in [0, 2, 99, -1] {
        let other = BusPacket { protocol_version: version, ..packet(job("j")) };
        let refused = refusal(&mut worker(reading()), &signed(other, &key(1))).unwrap();
        assert!(refused.contains("protocol_version"), "{version}: {refused}");
        let other = BusPacket { protocol_version: version, ..packet(result("peer")) };
        let mut client = client(Acceptance::Since210);
        let events = events(&mut client, &Subject::JobResult, &signed(other, &key(1)));
        assert!(matches!(&events[..], [ClientEvent::Refused { .. }]), "{version}: {events:?}");
        assert_eq!(client.awaited(), 1);
    }
    assert_eq!(refusal(&mut worker(reading()), &signed(packet(job("j")), &key(1))), None);
}

#[test]
fn row05_a_worker_that_knows_no_keys_takes_no_job() {
    let none = || Reading::new(Authentication::Signed(Keyring::default()));
    assert!(refusal(&mut worker(none()), &signed(packet(job("j")), &key(1))).is_some());
    assert!(refusal(&mut worker(none()), &packet(job("j")).encode(MapOrder::Lexicographic)).is_some());
}

#[test]
fn row06_a_key_of_another_curve_is_not_taken() {
    let p384 = "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE5YILp9j00jT/CT/GzqBu7UqcYki+BJ2g\n6v81cQuDZMQFvlViSv+aWtYIsPMs2nWHiwuT1piJ/7jkCe+0qNnHLC+e5Nk433V9\nXxz6m0nco2kID3tMpF0gfQeXxbfpCDg5\n-----END PUBLIC KEY-----\n";
    assert!(matches!(PublicKey::from_pem(p384), Err(InvalidKey::Pem | InvalidKey::Form)));
}

#[test]
fn row11_a_receiver_of_2_17_takes_everything_that_a_worker_and_a_client_send() {
    let mut keys = Keyring::default();
    keys.add("w", key(2).public_key()).unwrap();
    keys.add("c", key(3).public_key()).unwrap();
    let strict = Reading::new(Authentication::Signed(keys)).with(|reading| reading.acceptance = Acceptance::Since217);
    let mut sent = Vec::new();

    let mut worker = worker(reading());
    worker.handle_disconnected(START);
    worker.handle_connected(START);
    worker.handle_packet(START, &Subject::parse("job.echo").unwrap(), &signed(packet(job("j")), &key(1)));
    worker.handle_timeout(START.plus_secs(5));
    while let Some(output) = worker.poll_output() {
        match output {
            WorkerOutput::Publish { bytes, .. } => sent.push(bytes),
            WorkerOutput::Run { attempt } => {
                let progress = nuncio_core::cap::Progress { percent: 100, ..Default::default() };
                worker.progress(START, attempt, &progress).unwrap();
                worker.finish(START, attempt, Bytes::from_static(b"1")).unwrap();
            }
            WorkerOutput::Store { attempt, .. } => worker.stored(START, attempt, Ok(())).unwrap(),
            WorkerOutput::Fetch { attempt, .. } => worker.fetched(START, attempt, Fetched::Missing).unwrap(),
            _ => {}
        }
    }
    let config = ClientConfig::new(ComponentId::new("c").unwrap(), reading(), Arc::new(P256Verifier))
        .with(|config| config.signer = Some(Arc::new(key(3))));
    let mut client = Client::new(config, [7; 32], START);
    client.handle_connected(START);
    let awaited = client.submit(START, job("j"), "trace", None).unwrap();
    client.cancel(START, awaited, "enough").unwrap();
    while let Some(output) = client.poll_output() {
        if let ClientOutput::Publish { bytes, .. } = output {
            sent.push(bytes);
        }
    }

    let mut kinds: Vec<&str> = Vec::new();
    for bytes in &sent {
        kinds.push(match open(bytes, &strict, &P256Verifier).unwrap().payload.unwrap() {
            Payload::Handshake(_) => "handshake",
            Payload::Heartbeat(_) => "heartbeat",
            Payload::JobProgress(progress) if progress.is_sign() => "sign",
            Payload::JobProgress(_) => "progress",
            Payload::JobResult(_) => "result",
            Payload::JobRequest(_) => "request",
            Payload::JobCancel(_) => "cancel",
            other => panic!("{other:?}"),
        });
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["cancel", "handshake", "heartbeat", "progress", "request", "result", "sign"]);
}

#[test]
fn row19_a_job_is_reported_with_the_status_that_is_published() {
    let kinds = [FailureKind::Plain, FailureKind::Retryable, FailureKind::Fatal, FailureKind::Input];
    for kind in kinds {
        let mut worker = worker(reading());
        worker.handle_packet(START, &Subject::parse("job.echo").unwrap(), &signed(packet(job("j")), &key(1)));
        let (mut published, mut reported) = (Vec::new(), Vec::new());
        while let Some(output) = worker.poll_output() {
            match output {
                WorkerOutput::Run { attempt } => {
                    let failure = JobFailure { kind, code: ErrorCode::UNSPECIFIED, message: "m".into() };
                    worker.fail(START, attempt, failure).unwrap();
                }
                WorkerOutput::Publish { bytes, .. } => {
                    let packet = BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap();
                    let Some(Payload::JobResult(result)) = packet.payload else { panic!("no result") };
                    published.push(result.status);
                }
                WorkerOutput::Event(WorkerEvent::Ended { status, .. }) => reported.push(status),
                _ => {}
            }
        }
        assert_eq!((published.len(), &published), (1, &reported), "{kind:?}");
        assert_ne!(reported, [JobStatus::SUCCEEDED], "{kind:?}");
    }
}

#[test]
fn row21_a_refused_result_does_not_end_an_awaited_job() {
    let mut client = client(Acceptance::Since217);
    let mut changed = signed(packet(result("peer")), &key(1));
    let status = changed.len() / 2;
    changed[status] ^= 1;
    let unknown = BusPacket { sender_id: "nobody".into(), ..packet(result("nobody")) };
    let refused = [
        ("a key that is not the sender's", signed(packet(result("peer")), &key(2))),
        ("a changed byte", changed),
        ("no signature", packet(result("peer")).encode(MapOrder::Lexicographic)),
        ("a sender without a key", signed(unknown, &key(1))),
        ("a worker that is not the sender", signed(packet(result("other")), &key(1))),
        ("no packet", b"\xff".to_vec()),
    ];
    for (fault, bytes) in refused {
        let events = events(&mut client, &Subject::JobResult, &bytes);
        assert!(matches!(&events[..], [ClientEvent::Refused { .. }]), "{fault}: {events:?}");
        assert_eq!(client.awaited(), 1, "{fault}");
    }
    // What belongs on another subject is no result either.
    assert!(events(&mut client, &Subject::JobProgress, &signed(packet(result("peer")), &key(1))).is_empty());
    assert_eq!(client.awaited(), 1);
    let events = events(&mut client, &Subject::JobResult, &signed(packet(result("peer")), &key(1)));
    assert!(matches!(&events[..], [ClientEvent::Ended { .. }]), "{events:?}");
    assert_eq!(client.awaited(), 0);
}

#[test]
fn row22_progress_beyond_100_percent_is_refused_and_the_job_awaited() {
    let mut client = client(Acceptance::Since217);
    for percent in [101, -1, i32::MAX] {
        let progress = JobProgress { job_id: "j".into(), percent, ..JobProgress::default() };
        let events = events(&mut client, &Subject::JobProgress, &signed(packet(progress), &key(1)));
        assert!(matches!(&events[..], [ClientEvent::Refused { .. }]), "{percent}: {events:?}");
    }
    assert_eq!(client.awaited(), 1);
}
