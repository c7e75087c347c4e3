//! A worker with keys: it takes the recorded packets of the Python SDKs, and signs what it sends.

use std::sync::Arc;

use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, ComponentId, DecodeLimits, Keyring, P256Signer, P256Verifier, PublicKey,
    Reading, Subject, Topic, WorkerConfig, WorkerOutput, open,
};

use super::support::{Harness, START, packet, request};
use crate::support::live;

fn keys() -> Keyring {
    let mut keys = Keyring::default();
    let client = PublicKey::from_pem(include_str!("../fixtures/keys/client_public.pem")).unwrap();
    let senders: std::collections::BTreeSet<String> = live().iter().map(|fixture| sender(&fixture.packet())).collect();
    for sender in senders {
        keys.add(sender, client).unwrap();
    }
    keys
}

fn sender(bytes: &[u8]) -> String {
    BusPacket::decode(bytes, &DecodeLimits::default()).unwrap().sender_id
}

fn worker() -> Harness {
    let reading = Reading::new(Authentication::Signed(keys()));
    let id = ComponentId::new("py-worker-1").unwrap();
    let config = WorkerConfig::new(id, reading, Arc::new(P256Verifier)).with(|config| {
        for topic in ["job.echo", "job.echo.fail", "job.echo.flaky", "job.low"] {
            config.topics.insert(Topic::new(topic).unwrap());
        }
        config.signer = Some(Arc::new(P256Signer::from_bytes(&[7; 32]).unwrap()));
        config.limits.parallel = 100;
    });
    Harness::offline(config)
}

#[test]
fn recorded_requests_of_all_versions_are_accepted_and_others_refused() {
    let (mut accepted, mut refused) = (0, 0);
    for fixture in live() {
        let mut harness = worker();
        let subject = Subject::parse(fixture.subject.as_deref().unwrap()).unwrap();
        let lines = harness.packet(&subject, &fixture.packet());
        let is_job = matches!(subject, Subject::Topic(_) | Subject::Direct(_));
        if is_job && fixture.verifies_with.iter().any(|key| key == "client") {
            assert!(
                lines.len() == 2 && lines[0].starts_with("look redis://") && lines[1].starts_with("fetch redis://"),
                "{}: {lines:?}",
                fixture.name
            );
            accepted += 1;
        } else {
            assert!(lines.len() == 1 && lines[0].starts_with("refused: "), "{}: {lines:?}", fixture.name);
            refused += 1;
        }
    }
    assert!(accepted >= 20 && refused > 50, "{accepted} {refused}");
    let unsigned = worker().packet(&Subject::parse("job.echo").unwrap(), &packet(request("j")));
    assert_eq!(unsigned, ["refused: the packet has no signature"]);
}

#[test]
fn everything_that_a_worker_sends_is_signed() {
    let mut harness = worker();
    let mut keys = Keyring::default();
    keys.add("py-worker-1", P256Signer::from_bytes(&[7; 32]).unwrap().public_key()).unwrap();
    let reading = Reading::new(Authentication::Signed(keys)).with(|reading| reading.acceptance = Acceptance::Since217);
    harness.worker.handle_connected(START);
    harness.worker.handle_timeout(START.plus_secs(5));
    let mut sent = 0;
    while let Some(output) = harness.worker.poll_output() {
        if let WorkerOutput::Publish { bytes, .. } = output {
            open(&bytes, &reading, &P256Verifier).unwrap();
            sent += 1;
        }
    }
    assert_eq!(sent, 2, "a handshake and a heartbeat");
}
