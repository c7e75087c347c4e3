//! The production profile (2.17): random packets of every kind both ways, with audience, tenant, sender and expiry.

use std::time::SystemTime;

use nuncio_core::cap::{
    BusPacket, Expected, Freshness, Keyring, MapOrder, PROFILE_ALGORITHM, PROFILE_VERSION, Payload, PublicKey,
    SignatureMetadata, Timestamp, UnknownFields, open_production, seal_production,
};
use nuncio_core::time::Time;
use nuncio_tests::peers::{CapSdk, wanted};
use serde_json::json;

use super::draw::Draw;
use super::messages::KINDS;
use super::{SENDER, bare, hex, messages, sec1, signer, start, unhex, verifier};

/// Draws a packet of a kind that satisfies the profile.
fn packet(draw: &mut Draw, kind: &str, now: Time) -> BusPacket {
    let mut packet = messages::packet(draw, kind, SENDER);
    packet.signature_metadata = Some(SignatureMetadata {
        profile_version: PROFILE_VERSION.into(),
        algorithm: PROFILE_ALGORITHM.into(),
        message_id: vec![u8::try_from(draw.below(256)).unwrap(); 16],
        audience: "job.echo".into(),
        expires_at: Some(Timestamp::from_time(now.plus_secs(120))),
        key_id: "key".into(),
        unknown_fields: UnknownFields::default(),
    });
    let identity = packet.identity.get_or_insert_default();
    identity.tenant_id = "tenant".into();
    // Where a payload names an identity, it is that of the packet.
    let identity = identity.clone();
    let named = match &mut packet.payload {
        Some(Payload::JobResult(result)) => result.identity.as_mut(),
        Some(Payload::JobProgress(progress)) => progress.identity.as_mut(),
        Some(Payload::JobCancel(cancel)) => cancel.identity.as_mut(),
        _ => None,
    };
    if let Some(named) = named {
        named.clone_from(&identity);
    }
    if let Some(Payload::JobRequest(request)) = &mut packet.payload {
        let keep = |named: &mut String, own: &String| {
            if !named.is_empty() {
                named.clone_from(own);
            }
        };
        keep(&mut request.tenant_id, &identity.tenant_id);
        keep(&mut request.principal_id, &identity.principal_id);
        if let Some(meta) = &mut request.meta {
            keep(&mut meta.tenant_id, &identity.tenant_id);
            keep(&mut meta.actor_id, &identity.actor_id);
        }
        request.env.0.remove("tenant_id");
        request.env.0.remove("principal_id");
        request.identity = request.identity.is_some().then_some(identity);
    }
    packet
}

#[test]
fn packets_of_the_production_profile_verify_both_ways() {
    if !wanted("packets_of_the_production_profile_verify_both_ways") {
        return;
    }
    let mut python = start(CapSdk::V2_17, "trust.py");
    let mut keys = Keyring::default();
    let theirs = unhex(&python.ask(&json!({"do": "public_key"})));
    keys.add("key", PublicKey::from_sec1(&theirs).unwrap()).unwrap();
    let ours = sec1();
    // The package signs by its own clock.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    let now = Time(u64::try_from(now).unwrap());
    let expected = Expected {
        audience: "job.echo",
        tenant: "tenant",
        sender: SENDER,
        keys: &keys,
        freshness: Freshness::default(),
    };

    for seed in 0..70 {
        let kind = KINDS[usize::try_from(seed).unwrap() % KINDS.len()];
        let packet = packet(&mut Draw::new(seed, true), kind, now);
        let order = if seed % 2 == 0 { MapOrder::Lexicographic } else { MapOrder::Upb };
        let sealed = seal_production(packet.clone(), order, signer(seed)).unwrap();
        let question = |packet: &[u8], audience: &str, now: Time| {
            json!({"do": "verify_production", "packet": hex(packet), "audience": audience, "tenant": "tenant",
                "sender": SENDER, "key_id": "key", "sec1": ours, "now": now.0})
        };
        let read = python.ask(&question(&sealed, "job.echo", now));
        assert_eq!(unhex(&read), bare(&packet), "seed {seed}, a {kind}: {packet:?}");
        assert!(python.try_ask(&question(&sealed, "job.other", now)).is_err(), "another audience, seed {seed}");
        assert!(python.try_ask(&question(&sealed, "job.echo", now.plus_secs(121))).is_err(), "expired, seed {seed}");

        let signed = python.ask(&json!({"do": "sign_production", "packet": hex(&packet.encode(order))}));
        let opened = open_production(&unhex(&signed), &expected, now, verifier(seed))
            .unwrap_or_else(|refused| panic!("seed {seed}, a {kind}: {refused}: {packet:?}"));
        assert_eq!(bare(&opened.packet), bare(&packet), "seed {seed}, a {kind}");
    }
}
