//! The scheduler's side: enrollment, revocation, limits, and packets of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use nuncio_core::cap::{
    AuthorityConfig, AuthorityEvent, AuthorityRefused, ComponentId, Enrollment, Keyring, P256Signer, P256Verifier,
    Payload, PublicKey, Subject, Timestamp, Topic, TrustAuthority, TrustMode, WorkerHandshakeRejectionReason as Reason,
};
use proptest::prelude::*;

use super::support::{START, World, authority, decode, enrollment, scheduler_key};
use crate::support::trust;

#[test]
fn s14_workers_and_keys_are_revoked_with_their_sessions() {
    let mut world = World::trusted(TrustMode::Enforce);
    assert!(world.is_known());
    assert!(world.authority.revoke_session("w") && !world.is_known());
    assert!(!world.authority.revoke_session("w") && !world.authority.revoke_session("unknown"));

    let mut world = World::trusted(TrustMode::Enforce);
    assert!(world.authority.revoke("w") && !world.is_known() && !world.authority.revoke("w"));

    // Another key beside the old one leaves the session; without the old one it ends.
    let mut world = World::trusted(TrustMode::Enforce);
    let other = P256Signer::from_bytes(&[3; 32]).unwrap().public_key();
    let mut both = enrollment();
    both.keys.add("new", other).unwrap();
    world.authority.enroll("w", both).unwrap();
    assert!(world.is_known());
    let mut keys = Keyring::default();
    keys.add("new", other).unwrap();
    world.authority.enroll("w", Enrollment { keys, ..enrollment() }).unwrap();
    assert!(!world.is_known());
    let mut world = World::trusted(TrustMode::Enforce);
    world.authority.enroll("w", Enrollment { tenant_id: "other".into(), ..enrollment() }).unwrap();
    assert!(!world.is_known(), "the session was for another tenant");
}

#[test]
fn s14_a_worker_can_only_narrow_the_topics_that_it_may_serve() {
    let mut world = World::new(TrustMode::Enforce);
    let topics = ["job.echo", "job.secret"].map(|topic| Topic::new(topic).unwrap());
    world.authority.enroll("w", Enrollment { topics: Some(BTreeSet::from(topics)), ..enrollment() }).unwrap();
    let world = world.and_trusted();
    assert_eq!(world.authority.session(world.now, "w").unwrap().topics(), ["job.echo"]);
}

#[test]
fn s14_a_session_expires() {
    let world = World::trusted(TrustMode::Enforce);
    let token = world.session.token(world.now).cloned().unwrap();
    let admits = |seconds| world.authority.admits(START.plus_secs(seconds), "w", &token);
    assert!(admits(899) && !admits(900));
    assert!(world.authority.session(START.plus_secs(900), "w").is_none());
    assert!(!world.authority.admits(START, "other", &token));
}

#[test]
fn s14_what_is_not_a_request_gets_no_reply() {
    let mut world = World::new(TrustMode::Enforce);
    let asked = world.connect();
    let mut dropped = |subject: &Subject, bytes: &[u8]| {
        assert!(world.authority.handle_request(START, subject, bytes).is_none());
        assert_eq!(world.authority.poll_event(), Some(AuthorityEvent::Dropped));
    };
    dropped(&Subject::TrustChallenge, b"\xff");
    dropped(&Subject::TrustChallenge, &[]);
    dropped(&Subject::TrustAuthenticate, &asked.bytes);
    dropped(&Subject::JobSubmit, &asked.bytes);
    // An unknown field makes it unreadable, before anything else is looked at.
    dropped(&Subject::TrustChallenge, &[&asked.bytes[..], &[0xf0, 1, 5]].concat());
    // A request that cannot be repeated in a valid packet.
    let mut packet = decode(&asked.bytes);
    let Some(Payload::WorkerHandshakeChallengeRequest(request)) = &mut packet.payload else { panic!() };
    request.client_nonce.clear();
    dropped(&Subject::TrustChallenge, &packet.encode(nuncio_core::cap::MapOrder::Lexicographic));
}

#[test]
fn enrolled_workers_and_their_requests_and_challenges_are_bounded() {
    let mut full = authority(|config| config.limits.workers = 1);
    assert_eq!(full.enroll("other", enrollment()), Err(AuthorityRefused::Limit(1)));
    assert_eq!(full.enroll("w", enrollment()), Ok(()), "a known worker can be enrolled again");
    assert_eq!(full.enroll("two words", enrollment()), Err(AuthorityRefused::Name("the worker")));
    let nameless = Enrollment { agent_id: String::new(), ..enrollment() };
    assert_eq!(full.enroll("w", nameless), Err(AuthorityRefused::Name("agent_id")));

    let mut world = World::with(TrustMode::Enforce, |config| {
        config.limits.requests = 2;
        config.limits.challenges = 1;
    });
    let mut ask = || {
        world.session.disconnect(world.now);
        let asked = world.connect();
        let reply = world.ask(&asked);
        let answer = world.reply(&asked, reply);
        (answer, world.rejection())
    };
    let (first, _) = ask();
    let (second, _) = ask();
    assert_eq!(ask().1, Some(Reason::INTERNAL_ERROR), "the third request within two minutes");
    let mut answer = |asked: super::support::Asked| {
        world.authority.handle_request(START, &asked.subject, &asked.bytes).unwrap();
        world.rejection()
    };
    assert_eq!(answer(first.unwrap()), Some(Reason::CHALLENGE_EXPIRED), "the second challenge has replaced the first");
    assert_eq!(answer(second.unwrap()), None);
    world.now = START.plus_secs(61);
    world.session.disconnect(world.now);
    let asked = world.connect();
    world.ask(&asked);
    assert_eq!(world.rejection(), None, "requests are forgotten once their time has passed");
}

#[test]
fn s14_the_recorded_request_of_the_python_sdk_gets_a_challenge() {
    let fixture = trust().into_iter().find(|fixture| fixture.name == "challenge_request").unwrap();
    let packet = decode(&fixture.packet());
    let now = packet.created_at.as_ref().and_then(Timestamp::to_time).unwrap();
    let id = ComponentId::new("scheduler-1").unwrap();
    let config = AuthorityConfig::new(id, "server-1", Arc::new(scheduler_key()), Arc::new(P256Verifier));
    let mut authority = TrustAuthority::new(config, [9; 32], now);
    let mut keys = Keyring::default();
    keys.add("proof-1", PublicKey::from_pem(include_str!("../fixtures/keys/trust_worker_public.pem")).unwrap())
        .unwrap();
    authority.enroll(&packet.sender_id, Enrollment { keys, ..enrollment() }).unwrap();
    let reply = authority.handle_request(now, &Subject::TrustChallenge, &fixture.packet()).unwrap();
    assert!(matches!(decode(&reply).payload, Some(Payload::WorkerHandshakeChallenge(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_change_nothing_at_an_authority(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut world = World::trusted(TrustMode::Enforce);
        let asked = world.next().1.unwrap();
        let mut changed = asked.bytes.to_vec();
        let index = at.index(changed.len());
        changed[index] ^= flip;
        for subject in [Subject::TrustChallenge, Subject::TrustAuthenticate] {
            for bytes in [&noise, &changed] {
                let reply = world.authority.handle_request(world.now, &subject, bytes);
                if let Some(Payload::WorkerHandshakeResult(result)) = reply.and_then(|reply| decode(&reply).payload) {
                    prop_assert!(!result.accepted);
                }
            }
        }
        prop_assert!(world.is_known());
        world.run(asked);
        prop_assert!(world.is_known());
    }
}
