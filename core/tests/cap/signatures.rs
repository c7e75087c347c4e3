//! Signatures: those of the Python SDKs verify, every change is refused, and every refusal has its reason.

use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, DecodeError, DecodeLimits, ErrorCode, Handshake, InvalidKey, InvalidPacket,
    JobRequest, Keyring, MalformedPacket, MapOrder, P256Signer, P256Verifier, Payload, Problem, PublicKey, Reading,
    Rejection, Signer, SignerFailed, Timestamp, Unsignable, Verifier, open, open_trust, seal, seal_trust,
};
use nuncio_core::time::Time;

use crate::support::{Fixture, all, named, trust};

const NOW: Time = Time(1_779_000_000_000_000);

pub(crate) fn pem(name: &str) -> PublicKey {
    let text = match name {
        "client" => include_str!("fixtures/keys/client_public.pem"),
        "worker" => include_str!("fixtures/keys/worker_public.pem"),
        "scheduler" => include_str!("fixtures/keys/scheduler_public.pem"),
        "stranger" => include_str!("fixtures/keys/stranger_public.pem"),
        "trust_worker" => include_str!("fixtures/keys/trust_worker_public.pem"),
        "trust_scheduler" => include_str!("fixtures/keys/trust_scheduler_public.pem"),
        other => panic!("there is no key {other}"),
    };
    PublicKey::from_pem(text).unwrap()
}

/// Opens an example, all of which name the same sender.
fn try_open(fixture: &Fixture) -> Result<BusPacket, Rejection> {
    open_with(&fixture.packet(), "client-1", "client")
}

/// Opens a packet with one key for one sender.
fn open_with(bytes: &[u8], sender: &str, key: &str) -> Result<BusPacket, Rejection> {
    let mut keys = Keyring::default();
    keys.add(sender, pem(key)).unwrap();
    open(bytes, &Reading::new(Authentication::Signed(keys)), &P256Verifier)
}

#[test]
fn packets_verify_with_the_keys_that_they_are_recorded_to_verify_with() {
    // These break a rule that is checked before the signature.
    let invalid = ["job_request_large", "job_request_negative", "job_result_unspecified"];
    let (mut verified, mut refused) = (0, 0);
    for fixture in all().into_iter().filter(|fixture| fixture.name != "neg_truncated") {
        let name = fixture.name.as_str();
        let sender = BusPacket::decode(&fixture.packet(), &DecodeLimits::default()).unwrap().sender_id;
        for key in ["client", "worker", "scheduler", "stranger"] {
            let is_signer = fixture.verifies_with.iter().any(|signer| signer == key)
                // Signed as it was sent, which a verifier that encodes it again cannot find out.
                || name == "amb_unknown_low_field" && key == "client";
            match open_with(&fixture.packet(), &sender, key) {
                Ok(_) => {
                    assert!(is_signer, "{name} with {key}");
                    verified += 1;
                }
                Err(Rejection::Invalid(_)) => assert!(invalid.contains(&name), "{name}"),
                Err(other) => {
                    assert!(!is_signer, "{name} with {key}: {other}");
                    refused += 1;
                }
            }
        }
    }
    assert!(verified > 110 && refused > 300, "{verified} {refused}");
}

#[test]
fn what_must_be_refused_is_refused_with_its_reason() {
    let reason = |name| try_open(&named(name)).unwrap_err();
    assert_eq!(reason("neg_der_trailing"), Rejection::Der);
    assert_eq!(reason("neg_p1363"), Rejection::Der);
    assert_eq!(reason("neg_duplicate_payload"), Rejection::Malformed(MalformedPacket::Duplicate(10)));
    assert_eq!(reason("neg_tampered"), Rejection::Signature);
    assert_eq!(reason("neg_truncated"), Rejection::Malformed(MalformedPacket::Decode(DecodeError::Truncated)));
    assert_eq!(reason("neg_wrong_key"), Rejection::Signature);
    assert_eq!(reason("job_request_unsigned"), Rejection::Unsigned);
    for name in ["pos_go_wire_order", "pos_high_s", "pos_low_s", "pos_signature_first", "pos_unknown_high_field"] {
        try_open(&named(name)).unwrap();
    }
    assert_eq!(reason("neg_tampered").code(), ErrorCode::PROTOCOL_SIGNATURE_INVALID);
    assert_eq!(reason("job_request_unsigned").code(), ErrorCode::PROTOCOL_SIGNATURE_MISSING);
    assert_eq!(reason("neg_truncated").code(), ErrorCode::PROTOCOL_MALFORMED_PACKET);
}

#[test]
fn a_packet_of_which_one_byte_is_changed_is_refused() {
    let fixture = named("job_request_min");
    let bytes = fixture.packet();
    let open = |bytes: &[u8]| open_with(bytes, "client-1", "client");
    open(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            assert!(open(&changed).is_err(), "byte {at}, bit {bit:#x}");
        }
    }
}

pub(crate) fn signer() -> P256Signer {
    P256Signer::from_bytes(&[7; 32]).unwrap()
}

pub(crate) fn keys(name: &str) -> Keyring {
    let mut keys = Keyring::default();
    keys.add(name, signer().public_key()).unwrap();
    keys
}

fn packet(payload: impl Into<Payload>) -> BusPacket {
    BusPacket {
        trace_id: "trace".into(),
        sender_id: "me".into(),
        created_at: Some(Timestamp::from_time(NOW)),
        protocol_version: 1,
        payload: Some(payload.into()),
        ..BusPacket::default()
    }
}

fn request() -> JobRequest {
    JobRequest {
        job_id: "j".into(),
        topic: "t".into(),
        labels: ["tenant", "tenant_id", "a"].map(|key| (key.to_owned(), String::new())).into(),
        ..JobRequest::default()
    }
}

#[test]
fn what_is_sealed_opens_in_both_orders_and_prefix_pairs_are_reported() {
    let reading = Reading::new(Authentication::Signed(keys("me"))).with(|reading| {
        reading.acceptance = Acceptance::Since217;
        reading.reencode = false;
    });
    for order in [MapOrder::Lexicographic, MapOrder::Upb] {
        let sealed = seal(packet(request()), order, Some(&signer())).unwrap();
        assert!(sealed.has_prefix_pair);
        let opened = open(&sealed.bytes, &reading, &P256Verifier).unwrap();
        assert_eq!(opened.encode(order), sealed.bytes);
        // Signatures are deterministic.
        assert_eq!(seal(opened, order, Some(&signer())).unwrap(), sealed);
    }
    let plain = JobRequest { labels: [("a".to_owned(), String::new())].into(), ..request() };
    assert!(!seal(packet(plain), MapOrder::Upb, None).unwrap().has_prefix_pair);
}

/// A signer that fails.
#[derive(Debug)]
struct Broken;

impl Signer for Broken {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        Err(SignerFailed)
    }
}

#[test]
fn what_2_17_would_refuse_is_not_sealed() {
    let refused = |packet| seal(packet, MapOrder::Lexicographic, Some(&signer())).unwrap_err();
    let missing = |field| Unsignable::Invalid(InvalidPacket { field, problem: Problem::Missing });
    assert_eq!(refused(BusPacket { trace_id: String::new(), ..packet(request()) }), missing("trace_id"));
    assert_eq!(refused(packet(JobRequest::default())), missing("job_request.job_id"));
    let foreign = Handshake { component_id: "other".into(), ..Handshake::default() };
    assert!(matches!(refused(packet(foreign)), Unsignable::Invalid(_)));
    assert_eq!(seal(packet(request()), MapOrder::Upb, Some(&Broken)), Err(Unsignable::Signer));
}

#[test]
fn a_packet_with_a_field_twice_is_not_sealed() {
    // The trace as a number is kept as an unknown field.
    let fields = |bytes: &[u8]| BusPacket::decode(bytes, &DecodeLimits::default()).unwrap().unknown_fields;
    let with = |bytes: &[u8]| BusPacket { unknown_fields: fields(bytes), ..packet(request()) };
    assert_eq!(seal(with(&[0x08, 1]), MapOrder::Upb, Some(&signer())), Err(Unsignable::UnknownFields));
    assert!(seal(with(&[0x98, 0x06, 1]), MapOrder::Upb, Some(&signer())).is_ok());
}

#[test]
fn a_packet_signed_in_a_canonical_form_opens_if_encoding_it_again_is_allowed() {
    // Signed in one order of the labels, and sent in another, as no encoder in use does.
    let unsigned = packet(request());
    let signature = signer().sign(&unsigned.encode(MapOrder::Upb)).unwrap();
    let sent = BusPacket { signature, ..unsigned }.encode(MapOrder::Lexicographic);
    let open_with = |reencode| {
        let reading = Reading::new(Authentication::Signed(keys("me"))).with(|reading| reading.reencode = reencode);
        open(&sent, &reading, &P256Verifier)
    };
    assert_eq!(open_with(false), Err(Rejection::Signature));
    assert!(open_with(true).is_ok());
}

#[test]
fn a_sender_can_change_its_key_and_has_few() {
    let (old, new) = (signer(), P256Signer::from_bytes(&[8; 32]).unwrap());
    let mut ring = Keyring::default();
    ring.add("me", old.public_key()).unwrap();
    ring.add("me", new.public_key()).unwrap();
    let opens = |ring: &Keyring, signer: &P256Signer| {
        let sealed = seal(packet(request()), MapOrder::Lexicographic, Some(signer)).unwrap();
        open(&sealed.bytes, &Reading::new(Authentication::Signed(ring.clone())), &P256Verifier)
    };
    assert!(opens(&ring, &old).is_ok() && opens(&ring, &new).is_ok());
    ring.remove("me", &old.public_key());
    assert_eq!(opens(&ring, &old), Err(Rejection::Signature));
    ring.remove("me", &new.public_key());
    assert_eq!(opens(&ring, &new), Err(Rejection::UnknownKey("me".into())));
    for _ in 0..8 {
        ring.add("me", old.public_key()).unwrap();
    }
    assert_eq!(ring.add("me", old.public_key()), Err(InvalidKey::TooMany));
}

#[test]
fn an_empty_keyring_accepts_nothing_and_unsigned_is_a_choice() {
    let sealed = seal(packet(request()), MapOrder::Lexicographic, None).unwrap();
    let none = Reading::new(Authentication::Signed(Keyring::default()));
    assert_eq!(open(&sealed.bytes, &none, &P256Verifier), Err(Rejection::Unsigned));
    assert!(open(&sealed.bytes, &Reading::new(Authentication::Unsigned), &P256Verifier).is_ok());
    // Duplicates are refused without signatures too.
    let twice = [sealed.bytes.as_slice(), &[0x20, 1]].concat();
    let refused = open(&twice, &Reading::new(Authentication::Unsigned), &P256Verifier);
    assert_eq!(refused, Err(Rejection::Malformed(MalformedPacket::Duplicate(4))));
    let two = [sealed.bytes.as_slice(), &[0x5a, 0]].concat();
    let refused = open(&two, &Reading::new(Authentication::Unsigned), &P256Verifier);
    assert_eq!(refused, Err(Rejection::Malformed(MalformedPacket::TwoPayloads(10, 11))));
    // The fields 32 to 100 as the varint 0; their tags have two bytes.
    let many: Vec<u8> = (32..100_u8).flat_map(|number| [0x80 | (number << 3), number >> 4, 0]).collect();
    let refused = open(&many, &Reading::new(Authentication::Unsigned), &P256Verifier);
    assert_eq!(refused, Err(Rejection::Malformed(MalformedPacket::TooManyFields)));
}

#[test]
fn keys_have_one_form() {
    let key = signer().public_key();
    assert_eq!(PublicKey::from_sec1(key.as_sec1()), Ok(key));
    assert_eq!(PublicKey::from_sec1(&key.as_sec1()[1..]), Err(InvalidKey::Form));
    assert_eq!(PublicKey::from_sec1(&[3; 65]), Err(InvalidKey::Form));
    assert_eq!(PublicKey::from_pem("-----BEGIN PUBLIC KEY-----"), Err(InvalidKey::Pem));
    assert_eq!(P256Signer::from_bytes(&[0; 32]).unwrap_err(), InvalidKey::Form);
    assert!(P256Signer::from_pem("").is_err());
    assert!(!format!("{:?}", signer()).contains("07070707"));
    // A point that is not on the curve verifies nothing.
    let off = PublicKey::from_sec1(&[4; 65]).unwrap();
    let signature = signer().sign(b"m").unwrap();
    assert!(P256Verifier.verify(&key, b"m", &signature) && !P256Verifier.verify(&off, b"m", &signature));
}

// The worker trust handshake.

pub(crate) fn trust_keys() -> Keyring {
    let mut keys = Keyring::default();
    keys.add("proof-1", pem("trust_worker")).unwrap();
    keys.add("server-1", pem("trust_scheduler")).unwrap();
    keys
}

#[test]
fn s14_packets_of_the_trust_handshake_verify_with_the_key_that_they_name() {
    let packets = trust();
    assert_eq!(packets.len(), 6);
    for fixture in packets {
        let opened = open_trust(&fixture.packet(), &trust_keys(), &P256Verifier);
        assert!(opened.is_ok(), "{}: {opened:?}", fixture.name);
        let none = open_trust(&fixture.packet(), &Keyring::default(), &P256Verifier);
        assert!(matches!(none, Err(Rejection::UnknownKey(_))));
        // The domain keeps a signature from being taken for that of another kind of packet.
        let mut keys = Keyring::default();
        keys.add("worker-1", pem("trust_worker")).unwrap();
        keys.add("scheduler-1", pem("trust_scheduler")).unwrap();
        let generic = open(&fixture.packet(), &Reading::new(Authentication::Signed(keys)), &P256Verifier);
        assert_eq!(generic, Err(Rejection::Signature), "{}", fixture.name);
        let mut swapped = Keyring::default();
        swapped.add("proof-1", pem("trust_scheduler")).unwrap();
        swapped.add("server-1", pem("trust_worker")).unwrap();
        assert_eq!(open_trust(&fixture.packet(), &swapped, &P256Verifier), Err(Rejection::Signature));
    }
}

#[test]
fn s14_what_is_sealed_opens_and_unknown_fields_are_refused() {
    for fixture in trust() {
        let packet = BusPacket::decode(&fixture.packet(), &DecodeLimits::default()).unwrap();
        let sealed = seal_trust(packet.clone(), MapOrder::Upb, &signer()).unwrap();
        let mut keys = keys("proof-1");
        keys.add("server-1", signer().public_key()).unwrap();
        assert!(open_trust(&sealed, &keys, &P256Verifier).is_ok(), "{}", fixture.name);

        let extended = [fixture.packet(), vec![0xf0, 1, 5]].concat();
        let refused = open_trust(&extended, &trust_keys(), &P256Verifier);
        assert_eq!(refused, Err(Rejection::Malformed(MalformedPacket::Decode(DecodeError::UnknownField(30)))));
        let extended = BusPacket::decode(&extended, &DecodeLimits::default()).unwrap();
        assert_eq!(seal_trust(extended, MapOrder::Upb, &signer()), Err(Unsignable::UnknownFields));
        let unsigned = BusPacket { signature: Vec::new(), ..packet }.encode(MapOrder::Upb);
        assert_eq!(open_trust(&unsigned, &trust_keys(), &P256Verifier), Err(Rejection::Unsigned));
    }
    let generic = seal(packet(request()), MapOrder::Upb, Some(&signer())).unwrap();
    assert_eq!(open_trust(&generic.bytes, &trust_keys(), &P256Verifier), Err(Rejection::Kind));
    assert_eq!(seal_trust(packet(request()), MapOrder::Upb, &signer()), Err(Unsignable::Kind));
    let large = vec![0; 65_537];
    let too_large = DecodeError::TooLarge { bytes: 65_537, max: 65_536 };
    let refused = open_trust(&large, &trust_keys(), &P256Verifier);
    assert_eq!(refused, Err(Rejection::Malformed(MalformedPacket::Decode(too_large))));
}
