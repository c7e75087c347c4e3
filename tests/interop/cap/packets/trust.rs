//! The worker trust handshake (2.17): packets of every kind both ways, and a whole handshake with the package as the worker.

use std::collections::BTreeMap;
use std::time::Duration;

use nuncio_core::cap::{
    BusPacket, ComponentRole, Handshake, Keyring, MapOrder, P256Verifier, Payload, PublicKey, Secret, Timestamp,
    UnknownFields, WorkerHandshakeAuthenticate, WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest,
    WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose, WorkerHandshakeRejectionReason, WorkerHandshakeResult,
    open_trust, seal_trust,
};
use nuncio_core::time::Time;
use nuncio_tests::peers::{CapSdk, Dialogue, wanted};
use serde_json::json;

use super::draw::Draw;
use super::{bare, hex, sec1, signer, start, unhex, verifier};

const P256: WorkerHandshakeProofAlgorithm = WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256;
const NOW: Time = Time(1_779_000_000_000_000);

fn text(draw: &mut Draw) -> String {
    draw.one(&["given", "job-1", "é\0", "x y", "𝄞"]).to_owned()
}

fn nonce(draw: &mut Draw) -> Vec<u8> {
    (0..32).map(|_| u8::try_from(draw.below(256)).unwrap()).collect()
}

fn timestamp(draw: &mut Draw) -> Timestamp {
    let seconds = draw.one(&[0, 1, 1_779_000_000, 253_402_300_739]);
    Timestamp { seconds, nanos: draw.one(&[0, 1, 999_999_999]), ..Timestamp::default() }
}

fn later(timestamp: &Timestamp, seconds: i64) -> Timestamp {
    Timestamp { seconds: timestamp.seconds + seconds, ..timestamp.clone() }
}

fn challenge(draw: &mut Draw, worker: &str, purpose: WorkerHandshakePurpose) -> WorkerHandshakeChallenge {
    let issued_at = timestamp(draw);
    WorkerHandshakeChallenge {
        request_id: text(draw),
        challenge_id: text(draw),
        trace_id: "trace".into(),
        worker_id: worker.into(),
        agent_id: text(draw),
        tenant_id: text(draw),
        proof_key_id: "key".into(),
        proof_algorithm: P256,
        server_key_id: "key".into(),
        audience: text(draw),
        purpose,
        client_nonce: nonce(draw),
        server_nonce: nonce(draw),
        protocol_version: 1,
        sdk_version: "sdk".into(),
        expires_at: Some(later(&issued_at, draw.one(&[1, 60]))),
        issued_at: Some(issued_at),
        unknown_fields: UnknownFields::default(),
    }
}

fn capability(draw: &mut Draw, worker: &str) -> Handshake {
    let keys = ["a", "job.echo", "job.echo.fail", "x-1_"];
    Handshake {
        component_id: worker.into(),
        role: ComponentRole::WORKER,
        supported_versions: vec![1],
        capabilities: (0..draw.below(5)).map(|_| (draw.one(&keys).to_owned(), true)).collect::<BTreeMap<_, _>>(),
        sdk_version: "sdk".into(),
        ready_topics: ["job.echo", "é", "*"].into_iter().take(draw.below(4)).map(String::from).collect(),
        agent_name: draw.draw(),
        unknown_fields: UnknownFields::default(),
    }
}

/// Draws a valid packet of one of the four kinds, without a signature.
fn packet(draw: &mut Draw, kind: u64) -> BusPacket {
    let purpose = draw.one(&[WorkerHandshakePurpose::ISSUE, WorkerHandshakePurpose::RENEW]);
    let token = || Secret::new("token!~");
    let mut packet = BusPacket {
        trace_id: "trace".into(),
        sender_id: text(draw),
        created_at: Some(timestamp(draw)),
        protocol_version: 1,
        ..BusPacket::default()
    };
    let payload: Payload = match kind {
        0 => WorkerHandshakeChallengeRequest {
            request_id: text(draw),
            trace_id: "trace".into(),
            worker_id: packet.sender_id.clone(),
            proof_key_id: "key".into(),
            proof_algorithm: P256,
            audience: text(draw),
            purpose,
            client_nonce: nonce(draw),
            protocol_version: 1,
            sdk_version: text(draw),
            unknown_fields: UnknownFields::default(),
        }
        .into(),
        1 => challenge(draw, "worker", purpose).into(),
        2 => {
            if purpose == WorkerHandshakePurpose::RENEW {
                packet.auth_token = token();
            }
            let challenge = challenge(draw, &packet.sender_id, purpose);
            let capability_handshake = Some(capability(draw, &packet.sender_id));
            WorkerHandshakeAuthenticate { challenge: Some(challenge), capability_handshake, ..Default::default() }
                .into()
        }
        _ => {
            let accepted = draw.draw();
            let issued = timestamp(draw);
            let mut result = WorkerHandshakeResult {
                challenge: Some(challenge(draw, "worker", purpose)),
                accepted,
                issued_at: Some(issued.clone()),
                ..WorkerHandshakeResult::default()
            };
            if accepted {
                packet.auth_token = token();
                result.token_expires_at = Some(later(&issued, draw.one(&[1, 50])));
            } else {
                result.rejection_reason =
                    WorkerHandshakeRejectionReason(i32::try_from(1 + draw.below(9)).expect("at most 9"));
            }
            result.into()
        }
    };
    packet.payload = Some(payload);
    packet
}

fn keys(python: &mut Dialogue, id: &str) -> Keyring {
    let sec1 = unhex(&python.ask(&json!({"do": "public_key"})));
    let mut keys = Keyring::default();
    keys.add(id, PublicKey::from_sec1(&sec1).unwrap()).unwrap();
    keys
}

#[test]
fn packets_of_the_handshake_verify_both_ways() {
    if !wanted("packets_of_the_handshake_verify_both_ways") {
        return;
    }
    let mut python = start(CapSdk::V2_17, "trust.py");
    let (theirs, ours) = (keys(&mut python, "key"), sec1());
    for seed in 0..80 {
        let packet = packet(&mut Draw::new(seed, false), seed % 4);
        // The package encodes a packet again, so it verifies maps in its own order only.
        let sealed = seal_trust(packet.clone(), MapOrder::Upb, signer(seed)).unwrap();
        let read = python.ask(&json!({"do": "verify", "packet": hex(&sealed), "key_id": "key", "sec1": ours}));
        assert_eq!(unhex(&read), bare(&packet), "seed {seed}: {packet:?}");

        let signed = python.ask(&json!({"do": "sign", "packet": hex(&packet.encode(MapOrder::Lexicographic))}));
        let mut opened = open_trust(&unhex(&signed), &theirs, verifier(seed))
            .unwrap_or_else(|refused| panic!("seed {seed}: {refused}: {packet:?}"));
        opened.signature.clear();
        assert_eq!(opened, packet, "seed {seed}");

        let mut changed = sealed;
        let last = changed.last_mut().expect("a packet has bytes");
        *last ^= 1;
        let read = python.try_ask(&json!({"do": "verify", "packet": hex(&changed), "key_id": "key", "sec1": ours}));
        assert!(read.is_err(), "seed {seed}");
    }
}

/// Answers a packet of the package as its scheduler does.
fn reply(at: Time, payload: impl Into<Payload>, token: &str) -> Vec<u8> {
    let packet = BusPacket {
        trace_id: "trace-1".into(),
        sender_id: "scheduler-1".into(),
        created_at: Some(Timestamp::from_time(at)),
        protocol_version: 1,
        payload: Some(payload.into()),
        auth_token: Secret::new(token),
        ..BusPacket::default()
    };
    seal_trust(packet, MapOrder::Lexicographic, signer(0)).unwrap()
}

/// Runs a handshake with the package as the worker. Returns the session that it gets.
fn handshake(
    python: &mut Dialogue,
    purpose: WorkerHandshakePurpose,
    token: &str,
    next: &str,
) -> Result<serde_json::Value, String> {
    let now = NOW.0;
    let worker = keys(python, "worker-key");
    let ours = sec1();
    let asked = python.ask(&json!({"do": "begin", "scheduler": ours, "purpose": purpose.0, "now": now}));
    let asked = open_trust(&unhex(&asked), &worker, &P256Verifier).unwrap();
    let Some(Payload::WorkerHandshakeChallengeRequest(request)) = asked.payload else { panic!("{asked:?}") };
    assert_eq!(request.purpose, purpose);

    let at = NOW.plus_secs(1);
    let challenge = WorkerHandshakeChallenge {
        request_id: request.request_id,
        challenge_id: "challenge-1".into(),
        trace_id: request.trace_id,
        worker_id: request.worker_id,
        agent_id: "agent-1".into(),
        tenant_id: "tenant-1".into(),
        proof_key_id: request.proof_key_id,
        proof_algorithm: request.proof_algorithm,
        server_key_id: "scheduler-key".into(),
        audience: request.audience,
        purpose: request.purpose,
        client_nonce: request.client_nonce,
        server_nonce: vec![9; 32],
        protocol_version: request.protocol_version,
        sdk_version: request.sdk_version,
        issued_at: Some(Timestamp::from_time(at)),
        expires_at: Some(Timestamp::from_time(at.plus_secs(60))),
        unknown_fields: UnknownFields::default(),
    };
    let packet = hex(&reply(at, challenge.clone(), ""));
    let proof = python.ask(&json!({"do": "challenge", "packet": packet, "token": token, "now": now}));
    let proof = open_trust(&unhex(&proof), &worker, &P256Verifier).unwrap();
    assert_eq!(proof.auth_token.expose(), token);
    let Some(Payload::WorkerHandshakeAuthenticate(proof)) = proof.payload else { panic!("{proof:?}") };
    assert_eq!(proof.challenge.as_ref(), Some(&challenge), "the challenge comes back unchanged");

    let at = NOW.plus_secs(2);
    let result = WorkerHandshakeResult {
        challenge: Some(challenge),
        accepted: true,
        token_expires_at: Some(Timestamp::from_time(at.plus(Duration::from_hours(1)))),
        issued_at: Some(Timestamp::from_time(at)),
        ..WorkerHandshakeResult::default()
    };
    python.try_ask(&json!({"do": "result", "packet": hex(&reply(at, result, next)), "now": now}))
}

#[test]
fn the_package_is_trusted_by_our_packets_and_renews_its_token() {
    if !wanted("the_package_is_trusted_by_our_packets_and_renews_its_token") {
        return;
    }
    let mut python = start(CapSdk::V2_17, "trust.py");
    let session = handshake(&mut python, WorkerHandshakePurpose::ISSUE, "", "first").unwrap();
    assert_eq!(session, json!({"token": "first", "expires": NOW.0 / 1_000_000 + 3_602}));
    let session = handshake(&mut python, WorkerHandshakePurpose::RENEW, "first", "second").unwrap();
    assert_eq!(session["token"], "second");
    let refused = handshake(&mut python, WorkerHandshakePurpose::RENEW, "second", "second").unwrap_err();
    assert!(refused.contains("did not rotate"), "{refused}");
}
