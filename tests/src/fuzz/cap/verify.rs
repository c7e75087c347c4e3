//! Signed packets that were changed on the way.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use arbitrary::Unstructured;
use nuncio_core::cap::{
    Authentication, Budget, BusPacket, Expected, Freshness, IdentityBinding, JobRequest, JobResult, JobStatus, Keyring,
    MapOrder, P256Signer, P256Verifier, Payload, PublicKey, Reading, SignatureMetadata, Signer, Timestamp, Verifier,
    WorkerHandshakeChallengeRequest, WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose, open, open_production,
    open_trust, seal, seal_production, seal_trust,
};
use nuncio_core::time::Time;

use crate::cap_sim::signing::{HashSigner, HashVerifier};
use crate::seeded::Draw;

const NOW: Time = Time(1_779_000_000_000_000);
const AUDIENCE: &str = "sys.job.submit";

/// How a packet is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Regime {
    Generic,
    Trust,
    Production,
}

/// A packet as it was sealed.
struct Sealed {
    regime: Regime,
    packet: BusPacket,
    bytes: Vec<u8>,
}

/// A packet that is accepted is the one that was signed, however its bytes were changed.
pub fn cap_verify(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let draw = &mut Draw(&mut bytes);
    let with_p256 = draw.below(2) == 0;
    let packets = if with_p256 { p256_packets() } else { hash_packets() };
    let sealed = &packets[draw.below(packets.len())];
    let mut changed = sealed.bytes.clone();
    for _ in 0..draw.below(6) {
        change(&mut changed, &packets[draw.below(packets.len())].bytes, draw);
    }
    let opened = opened(sealed.regime, &changed, with_p256, draw.chance(50));
    if changed == sealed.bytes {
        assert!(opened.is_some(), "what is sealed can be opened");
    }
    if let Some(mut packet) = opened {
        packet.signature.clear();
        let is_known = packets.iter().any(|sealed| sealed.packet == packet);
        assert!(is_known, "nobody has signed {packet:?}");
    }
}

/// Changes a packet in one place.
fn change(bytes: &mut Vec<u8>, other: &[u8], draw: &mut Draw<'_, '_>) {
    let (at, to) = (draw.below(bytes.len() + 1), draw.below(bytes.len() + 1));
    let (from, until) = (at.min(to), at.max(to));
    match draw.below(7) {
        0 if at < bytes.len() => bytes[at] ^= u8::try_from(1 << draw.below(8)).unwrap_or(1),
        1 if at < bytes.len() => bytes[at] = draw.bytes(1).first().copied().unwrap_or_default(),
        2 => {
            let inserted = draw.below(12);
            let inserted = draw.bytes(inserted);
            bytes.splice(at..at, inserted);
        }
        3 => drop(bytes.drain(from..until.min(from + 40))),
        // A piece moves to the end: fields may come in any order.
        4 => {
            let piece: Vec<u8> = bytes.drain(from..until).collect();
            bytes.extend(piece);
        }
        // A piece comes twice.
        5 => {
            let piece = bytes[from..until].to_vec();
            bytes.extend(piece);
        }
        // A piece of another packet.
        _ => {
            let (at, to) = (draw.below(other.len() + 1), draw.below(other.len() + 1));
            bytes.extend_from_slice(&other[at.min(to)..at.max(to)]);
        }
    }
}

fn opened(regime: Regime, bytes: &[u8], with_p256: bool, reencode: bool) -> Option<BusPacket> {
    let (key, verifier): (PublicKey, &dyn Verifier) = if with_p256 {
        (p256_signer().public_key(), &P256Verifier)
    } else {
        (hash_signer().public_key(), &HashVerifier)
    };
    let mut keys = Keyring::default();
    for name in ["client", "worker", "key-1"] {
        keys.add(name, key).expect("few keys");
    }
    match regime {
        Regime::Generic => {
            let reading = Reading::new(Authentication::Signed(keys)).with(|reading| reading.reencode = reencode);
            open(bytes, &reading, verifier).ok()
        }
        Regime::Trust => open_trust(bytes, &keys, verifier).ok(),
        Regime::Production => {
            let freshness = Freshness::default();
            let expected = Expected { audience: AUDIENCE, tenant: "tenant", sender: "client", keys: &keys, freshness };
            open_production(bytes, &expected, NOW, verifier).ok().map(|opened| opened.packet)
        }
    }
}

fn hash_signer() -> HashSigner {
    HashSigner(0x0102_0304)
}

fn p256_signer() -> P256Signer {
    P256Signer::from_bytes(&[7; 32]).expect("a good key")
}

fn hash_packets() -> &'static [Sealed] {
    static PACKETS: OnceLock<Vec<Sealed>> = OnceLock::new();
    PACKETS.get_or_init(|| packets(&hash_signer()))
}

fn p256_packets() -> &'static [Sealed] {
    static PACKETS: OnceLock<Vec<Sealed>> = OnceLock::new();
    PACKETS.get_or_init(|| packets(&p256_signer()))
}

fn packets(signer: &dyn Signer) -> Vec<Sealed> {
    let mut packets = Vec::new();
    for (regime, packet) in unsigned() {
        for order in [MapOrder::Lexicographic, MapOrder::Upb] {
            let bytes = match regime {
                Regime::Generic => seal(packet.clone(), order, Some(signer)).expect("a valid packet").bytes,
                Regime::Trust => seal_trust(packet.clone(), order, signer).expect("a valid packet"),
                Regime::Production => seal_production(packet.clone(), order, signer).expect("a valid packet"),
            };
            packets.push(Sealed { regime, packet: packet.clone(), bytes });
        }
    }
    packets
}

fn packet(sender: &str, payload: impl Into<Payload>) -> BusPacket {
    BusPacket {
        trace_id: "trace".into(),
        sender_id: sender.into(),
        created_at: Some(Timestamp::from_time(NOW)),
        protocol_version: 1,
        payload: Some(payload.into()),
        ..BusPacket::default()
    }
}

fn unsigned() -> Vec<(Regime, BusPacket)> {
    let labels = [("tenant", "a"), ("tenant_id", ""), ("x", "b")];
    let request = JobRequest {
        job_id: "job-1".into(),
        topic: "job.echo".into(),
        context_ptr: "redis://ctx:job-1".into(),
        labels: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect::<BTreeMap<_, _>>(),
        budget: Some(Budget { deadline_ms: 5_000, ..Budget::default() }),
        ..JobRequest::default()
    };
    let result = JobResult {
        job_id: "job-1".into(),
        status: JobStatus::SUCCEEDED,
        result_ptr: "redis://res:job-1".into(),
        worker_id: "worker".into(),
        artifact_ptrs: vec!["redis://a".into(), "redis://b".into()],
        ..JobResult::default()
    };
    let challenge = WorkerHandshakeChallengeRequest {
        request_id: "request-1".into(),
        trace_id: "trace".into(),
        worker_id: "worker".into(),
        proof_key_id: "key-1".into(),
        proof_algorithm: WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256,
        audience: "cordum-scheduler".into(),
        purpose: WorkerHandshakePurpose::ISSUE,
        client_nonce: vec![9; 32],
        protocol_version: 1,
        sdk_version: "nuncio".into(),
        ..WorkerHandshakeChallengeRequest::default()
    };
    let metadata = SignatureMetadata {
        profile_version: nuncio_core::cap::PROFILE_VERSION.into(),
        algorithm: nuncio_core::cap::PROFILE_ALGORITHM.into(),
        message_id: vec![5; 16],
        audience: AUDIENCE.into(),
        expires_at: Some(Timestamp::from_time(NOW.plus_secs(60))),
        key_id: "key-1".into(),
        ..SignatureMetadata::default()
    };
    let identity = IdentityBinding { tenant_id: "tenant".into(), ..IdentityBinding::default() };
    let production =
        BusPacket { signature_metadata: Some(metadata), identity: Some(identity), ..packet("client", request.clone()) };
    vec![
        (Regime::Generic, packet("client", request)),
        (Regime::Generic, packet("worker", result)),
        (Regime::Trust, packet("worker", challenge)),
        (Regime::Production, production),
    ]
}
