//! Random packets of every kind both ways between our codec and signatures and those of the package: what one signs, the
//! other verifies and decodes to the same message. Our side signs and verifies with `p256` and with `ring` in turn.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, DecodeLimits, Keyring, MapOrder, P256Signer, P256Verifier, Payload,
    PublicKey, Reading, Secret, Signer, Verifier, open, seal,
};
use nuncio_shared::cap::{RingSigner, RingVerifier};
use nuncio_tests::peers::{CapSdk, Dialogue, wanted};
use serde_json::{Value, json};

use self::draw::Draw;
use self::messages::KINDS;

mod draw;
mod keys;
mod messages;
mod policy;
mod production;
mod trust;

/// The random packets of each kind, with maps of each form.
const ROUNDS: u64 = 12;
const SENDER: &str = "rust-1";

/// One key in both of our signers.
fn key() -> &'static (P256Signer, RingSigner) {
    static KEY: OnceLock<(P256Signer, RingSigner)> = OnceLock::new();
    KEY.get_or_init(|| {
        let (ring, secret) = RingSigner::generate().unwrap();
        (P256Signer::from_pem(&secret).unwrap(), ring)
    })
}

fn signer(seed: u64) -> &'static dyn Signer {
    let (portable, ring) = key();
    if seed.count_ones().is_multiple_of(2) { ring } else { portable }
}

fn verifier(seed: u64) -> &'static dyn Verifier {
    if seed.count_ones().is_multiple_of(2) { &P256Verifier } else { &RingVerifier }
}

/// Returns our public key as the programs read it.
fn sec1() -> String {
    hex(key().1.public_key().as_sec1())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap_or_else(|| panic!("{text} is not text")).as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Runs a test with the program of each version that reads and makes packets.
fn with_each(test: &str, run: impl Fn(CapSdk, &mut Dialogue)) {
    if !wanted(test) {
        return;
    }
    for sdk in CapSdk::ALL {
        run(sdk, &mut start(sdk, "packets.py"));
    }
}

fn start(sdk: CapSdk, script: &str) -> Dialogue {
    let mut command = Command::new(sdk.python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/cap/py").join(script));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Dialogue::start(command)
}

/// Asks the package to verify and decode a packet of ours.
fn read(python: &mut Dialogue, bytes: &[u8]) -> Value {
    python.ask(&json!({"do": "read", "packet": hex(bytes), "sender": SENDER, "sec1": sec1()}))
}

/// Returns the encoding that the package gives a packet without its signature.
fn bare(packet: &BusPacket) -> Vec<u8> {
    let mut packet = packet.clone();
    packet.signature.clear();
    packet.encode(MapOrder::Upb)
}

/// Removes what 2.10.0 does not know.
fn known_to_2_10(packet: &mut BusPacket) {
    packet.signature_metadata = None;
    packet.identity = None;
    packet.auth_token = Secret::default();
    match packet.payload.as_mut().unwrap() {
        Payload::JobRequest(request) => {
            (request.identity, request.dispatch, request.context_ref) = (None, None, None);
            if let Some(compensation) = &mut request.compensation {
                (compensation.identity, compensation.dispatch, compensation.context_ref) = (None, None, None);
            }
        }
        Payload::JobResult(result) => {
            (result.identity, result.dispatch, result.result_ref) = (None, None, None);
            result.artifact_refs.clear();
        }
        Payload::JobProgress(progress) => {
            (progress.identity, progress.dispatch, progress.result_ref) = (None, None, None);
            progress.artifact_refs.clear();
        }
        Payload::JobCancel(cancel) => (cancel.identity, cancel.dispatch) = (None, None),
        Payload::Heartbeat(heartbeat) => heartbeat.agent_name.clear(),
        Payload::Handshake(handshake) => handshake.agent_name.clear(),
        _ => {}
    }
}

/// Draws packets of every kind, with and without keys that others begin with, and hands each to `check` with its seed.
fn each_packet(mut check: impl FnMut(u64, &str, BusPacket)) {
    for (at, kind) in KINDS.into_iter().enumerate() {
        for round in 0..2 * ROUNDS {
            let seed = u64::try_from(at).unwrap() * 1_000 + round;
            let mut draw = Draw::new(seed, round % 2 == 0);
            check(seed, kind, messages::packet(&mut draw, kind, SENDER));
        }
    }
}

#[test]
fn the_package_verifies_and_decodes_what_is_signed_here() {
    with_each("the_package_verifies_and_decodes_what_is_signed_here", |sdk, python| {
        let (mut pairs, mut distinct) = (0, 0);
        each_packet(|seed, kind, mut packet| {
            if sdk == CapSdk::V2_10 {
                known_to_2_10(&mut packet);
            }
            // The order of maps in which the package encodes a packet again matters only where a key begins with another.
            let mut sealed = seal(packet.clone(), MapOrder::Lexicographic, Some(signer(seed))).unwrap();
            if sealed.has_prefix_pair {
                sealed = seal(packet.clone(), MapOrder::Upb, Some(signer(seed))).unwrap();
                pairs += 1;
            } else {
                distinct += 1;
            }
            let answer = read(python, &sealed.bytes);
            assert_eq!(answer["verified"], true, "{sdk:?} refuses seed {seed}, a {kind}: {packet:?}");
            assert_eq!(answer["knows_all"], true, "{sdk:?} does not know a field of seed {seed}, a {kind}: {packet:?}");
            assert_eq!(unhex(&answer["unsigned"]), bare(&packet), "{sdk:?} reads seed {seed}, a {kind}, as another");
        });
        assert!(pairs > 10 && distinct > 50, "{pairs} {distinct}");
    });
}

#[test]
fn packets_with_fields_of_2_17_verify_in_2_10_unless_the_envelope_has_some() {
    if !wanted("packets_with_fields_of_2_17_verify_in_2_10_unless_the_envelope_has_some") {
        return;
    }
    let mut python = start(CapSdk::V2_10, "packets.py");
    each_packet(|seed, kind, mut packet| {
        let mut verified = |packet: &BusPacket| {
            let sealed = seal(packet.clone(), MapOrder::Upb, Some(signer(seed))).unwrap();
            read(&mut python, &sealed.bytes)["verified"] == true
        };
        // 2.10.0 encodes fields that it does not know last, which is where these are not.
        let has_new_envelope = packet.signature_metadata.is_some() || packet.identity.is_some();
        assert_eq!(verified(&packet), !has_new_envelope, "seed {seed}, a {kind}: {packet:?}");
        (packet.signature_metadata, packet.identity) = (None, None);
        assert!(verified(&packet), "seed {seed}, a {kind}: {packet:?}");
    });
}

#[test]
fn the_package_refuses_maps_in_the_other_order_and_changed_packets() {
    with_each("the_package_refuses_maps_in_the_other_order_and_changed_packets", |sdk, python| {
        let mut pairs = 0;
        each_packet(|seed, kind, mut packet| {
            if sdk == CapSdk::V2_10 {
                known_to_2_10(&mut packet);
            }
            let sealed = seal(packet, MapOrder::Lexicographic, Some(signer(seed))).unwrap();
            if sealed.has_prefix_pair {
                pairs += 1;
                assert_eq!(read(python, &sealed.bytes)["verified"], false, "{sdk:?}, seed {seed}, a {kind}");
            }
        });
        assert!(pairs > 10, "{pairs}");
        let mut packet = messages::packet(&mut Draw::new(1, false), "job_cancel", SENDER);
        known_to_2_10(&mut packet);
        let mut sealed = seal(packet, MapOrder::Lexicographic, Some(signer(0))).unwrap();
        let trace = sealed.bytes.get_mut(3).expect("the packet begins with its trace");
        *trace ^= 1;
        assert_eq!(read(python, &sealed.bytes)["verified"], false);
    });
}

#[test]
fn what_the_package_signs_is_verified_and_decoded_here() {
    with_each("what_the_package_signs_is_verified_and_decoded_here", |sdk, python| {
        let reading = of_package(python);
        for (at, kind) in KINDS.into_iter().enumerate() {
            for round in 0..2 * ROUNDS {
                let seed = u64::try_from(at).unwrap() * 1_000 + round;
                let made = python.ask(&json!({"do": "make", "seed": seed, "kind": kind, "prefixes": round % 2 == 0}));
                let bytes = unhex(&made["packet"]);
                let packet = open(&bytes, &reading, verifier(seed))
                    .unwrap_or_else(|refused| panic!("{sdk:?}, seed {seed}, a {kind}: {refused}"));
                assert_eq!(bare(&packet), unhex(&made["unsigned"]), "{sdk:?}, seed {seed}, a {kind}: {packet:?}");
                let mut changed = bytes;
                let trace = changed.get_mut(2).expect("the packet begins with its trace");
                *trace ^= 1;
                assert!(open(&changed, &reading, verifier(seed)).is_err(), "{sdk:?}, seed {seed}, a {kind}");
            }
        }
    });
}

#[test]
fn what_the_helpers_of_the_package_make_is_accepted() {
    with_each("what_the_helpers_of_the_package_make_is_accepted", |sdk, python| {
        let reading = of_package(python);
        let strict = reading.clone().with(|reading| reading.acceptance = Acceptance::Since217);
        let made = python.ask(&json!({"do": "helpers"}));
        let made = made.as_array().expect("a list");
        assert_eq!(made.len(), 7);
        for packet in made {
            let bytes = unhex(packet);
            open(&bytes, &reading, &P256Verifier).unwrap_or_else(|refused| panic!("{sdk:?}: {refused}"));
            // Those of 2.10.0 have no trace, which a receiver of 2.17.0 refuses.
            let is_strict = open(&bytes, &strict, &P256Verifier).is_ok();
            assert_eq!(is_strict, sdk == CapSdk::V2_17);
        }
    });
}

/// Returns settings that accept what the package signs, and refuse fields that have no name here.
fn of_package(python: &mut Dialogue) -> Reading {
    let key = python.ask(&json!({"do": "public_key"}));
    let mut keys = Keyring::default();
    let name = key["sender"].as_str().expect("a name");
    keys.add(name, PublicKey::from_sec1(&unhex(&key["sec1"])).unwrap()).unwrap();
    Reading::new(Authentication::Signed(keys)).with(|reading| {
        reading.limits = DecodeLimits::default().with(|limits| limits.refuse_unknown = true);
    })
}
