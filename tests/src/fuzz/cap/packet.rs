//! Bytes as a packet: decoding, encoding, validation and signatures agree.

use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, DecodeLimits, Keyring, MapOrder, Reading, Rejection, Unsignable, open,
    open_trust, seal, seal_production, seal_trust, validate,
};

use crate::cap_sim::signing::{HashSigner, HashVerifier};

const SIGNER: HashSigner = HashSigner(7);
const ORDERS: [MapOrder; 2] = [MapOrder::Lexicographic, MapOrder::Upb];

/// What is decoded is encoded to the same message, and what is signed is verified.
pub fn cap_packet(data: &[u8]) {
    let decoded = BusPacket::decode(data, &DecodeLimits::default());
    let unsigned = open(data, &Reading::new(Authentication::Unsigned), &HashVerifier);
    let Ok(packet) = decoded else {
        assert!(matches!(unsigned, Err(Rejection::Malformed(_))), "{unsigned:?}");
        return;
    };
    round_trip(&packet);
    let valid = [Acceptance::Since210, Acceptance::Since217].map(|acceptance| validate(&packet, acceptance));
    assert!(valid[1].is_err() || valid[0].is_ok(), "what 2.17 accepts, 2.10 accepts: {valid:?}");
    match unsigned {
        Ok(opened) => assert!(same(&opened, &packet) && valid[0].is_ok(), "{packet:?} is opened as {opened:?}"),
        Err(Rejection::Invalid(invalid)) => assert_eq!(valid[0], Err(invalid)),
        // Fields that occur twice are refused whatever they are.
        Err(error) => assert!(matches!(error, Rejection::Malformed(_)), "{error}"),
    }
    for order in ORDERS {
        signed(&packet, order);
    }
}

/// Whether two packets are the same, numbers that are not numbers included.
fn same(one: &BusPacket, other: &BusPacket) -> bool {
    one == other || one.encode(MapOrder::Lexicographic) == other.encode(MapOrder::Lexicographic)
}

fn round_trip(packet: &BusPacket) {
    // What is written can be longer than what was read: map entries always have both parts.
    let limits = DecodeLimits::default().with(|limits| limits.bytes *= 4);
    for order in ORDERS {
        let encoded = packet.encode(order);
        let again = BusPacket::decode(&encoded, &limits).expect("what is encoded can be decoded");
        assert_eq!(again.encode(order), encoded);
    }
}

fn signed(packet: &BusPacket, order: MapOrder) {
    let mut keys = Keyring::default();
    keys.add(packet.sender_id.as_str(), SIGNER.public_key()).expect("one key");
    let mut expected = packet.clone();
    expected.signature.clear();
    // Packets of the trust handshake are signed in their own way only.
    let is_valid = validate(&expected, Acceptance::Since217).is_ok();
    let bare = |mut packet: BusPacket| {
        packet.signature.clear();
        packet
    };
    let limits = DecodeLimits::default().with(|limits| limits.bytes *= 4);
    match seal(packet.clone(), order, Some(&SIGNER)) {
        Ok(sealed) => {
            let reading = Reading::new(Authentication::Signed(keys)).with(|reading| {
                reading.limits = limits;
                reading.acceptance = Acceptance::Since217;
            });
            let opened = open(&sealed.bytes, &reading, &HashVerifier).expect("what is sealed can be opened");
            assert!(is_valid && same(&bare(opened), &expected));
        }
        // It has kept a field that it could not read.
        Err(Unsignable::UnknownFields) => assert!(!packet.unknown_fields.is_empty()),
        Err(error) => assert!(!is_valid && matches!(error, Unsignable::Invalid(_)), "{error}"),
    }
    if let Ok(bytes) = seal_trust(packet.clone(), order, &SIGNER) {
        let mut keys = Keyring::default();
        for name in key_ids(packet) {
            keys.add(name, SIGNER.public_key()).expect("few keys");
        }
        let opened = open_trust(&bytes, &keys, &HashVerifier).expect("what is sealed can be opened");
        assert!(same(&bare(opened), &expected));
    }
    if let Ok(bytes) = seal_production(packet.clone(), order, &SIGNER) {
        let opened = BusPacket::decode(&bytes, &limits).expect("what is sealed can be decoded");
        assert!(same(&bare(opened), &expected));
    }
}

/// Returns the ids of the keys that a packet of the trust handshake names.
fn key_ids(packet: &BusPacket) -> Vec<String> {
    use nuncio_core::cap::Payload;
    let challenge = match &packet.payload {
        Some(Payload::WorkerHandshakeChallengeRequest(request)) => return vec![request.proof_key_id.clone()],
        Some(Payload::WorkerHandshakeChallenge(challenge)) => Some(&**challenge),
        Some(Payload::WorkerHandshakeAuthenticate(message)) => message.challenge.as_ref(),
        Some(Payload::WorkerHandshakeResult(message)) => message.challenge.as_ref(),
        _ => None,
    };
    challenge.map_or_else(Vec::new, |challenge| vec![challenge.proof_key_id.clone(), challenge.server_key_id.clone()])
}
