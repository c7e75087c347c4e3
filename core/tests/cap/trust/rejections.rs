//! Every reason for which an authority rejects a worker.

use bytes::Bytes;
use nuncio_core::cap::{
    BusPacket, P256Signer, Payload, Secret, Subject, Timestamp, TrustMode, WorkerHandshakeChallengeRequest,
    WorkerHandshakeRejectionReason as Reason,
};

use super::support::{Asked, START, World, decode, forge, secs, worker_key};

/// The reason for which a request is rejected, which its reply names too.
fn reason(world: &mut World, subject: &Subject, bytes: &Bytes) -> Reason {
    let reply = world.authority.handle_request(world.now, subject, bytes).unwrap();
    let reply = decode(&reply);
    assert!(reply.auth_token.expose().is_empty());
    let Some(Payload::WorkerHandshakeResult(result)) = reply.payload else { panic!("{reply:?}") };
    assert!(!result.accepted && result.token_expires_at.is_none());
    assert_eq!(world.rejection(), Some(result.rejection_reason));
    result.rejection_reason
}

/// The reason for which a request is rejected that is changed and signed again.
fn changed(signer: &P256Signer, change: impl FnOnce(&mut BusPacket)) -> Reason {
    let mut world = World::new(TrustMode::Enforce);
    let asked = world.connect();
    let bytes = forge(&asked.bytes, signer, change);
    reason(&mut world, &asked.subject, &bytes)
}

fn request_of(packet: &mut BusPacket) -> &mut WorkerHandshakeChallengeRequest {
    let Some(Payload::WorkerHandshakeChallengeRequest(request)) = &mut packet.payload else { panic!() };
    request
}

/// A worker that has answered its challenge.
fn answered(world: &mut World) -> Asked {
    let asked = world.connect();
    let reply = world.ask(&asked);
    world.reply(&asked, reply).unwrap()
}

#[test]
fn s14_requests_for_someone_else_or_with_other_names_are_invalid() {
    let key = worker_key();
    assert_eq!(
        changed(&key, |packet| request_of(packet).audience = "CORDUM-SCHEDULER".into()),
        Reason::INVALID_REQUEST
    );
    assert_eq!(changed(&key, |packet| request_of(packet).request_id = "two words".into()), Reason::INVALID_REQUEST);
    assert_eq!(changed(&key, |packet| request_of(packet).sdk_version = "a".repeat(257)), Reason::INVALID_REQUEST);
}

#[test]
fn s14_another_version_is_not_supported() {
    let mut world = World::new(TrustMode::Enforce);
    let asked = world.connect();
    let mut packet = decode(&asked.bytes);
    request_of(&mut packet).protocol_version = 2;
    let bytes = Bytes::from(packet.encode(nuncio_core::cap::MapOrder::Lexicographic));
    assert_eq!(reason(&mut world, &asked.subject, &bytes), Reason::UNSUPPORTED_VERSION);
    request_of(&mut packet).protocol_version = 1;
    packet.protocol_version = 2;
    let bytes = Bytes::from(packet.encode(nuncio_core::cap::MapOrder::Lexicographic));
    assert_eq!(reason(&mut world, &asked.subject, &bytes), Reason::UNSUPPORTED_VERSION);
}

#[test]
fn s14_every_fault_of_an_identity_gets_the_same_answer() {
    let (key, other) = (worker_key(), P256Signer::from_bytes(&[3; 32]).unwrap());
    assert_eq!(changed(&other, |_| {}), Reason::AUTHENTICATION_FAILED);
    assert_eq!(changed(&key, |packet| request_of(packet).proof_key_id = "old".into()), Reason::AUTHENTICATION_FAILED);
    let unknown = changed(&key, |packet| {
        packet.sender_id = "unknown".into();
        request_of(packet).worker_id = "unknown".into();
    });
    assert_eq!(unknown, Reason::AUTHENTICATION_FAILED);
    // A challenge that was changed in the answer.
    let mut world = World::new(TrustMode::Enforce);
    let answer = answered(&mut world);
    let bytes = forge(&answer.bytes, &key, |packet| {
        super::support::challenge_of(packet).tenant_id = "other".into();
    });
    assert_eq!(reason(&mut world, &answer.subject, &bytes), Reason::AUTHENTICATION_FAILED);
    assert!(world.authority.session(world.now, "w").is_none());
}

#[test]
fn s14_a_request_that_comes_again_is_a_replay_and_gives_no_second_token() {
    let mut world = World::new(TrustMode::Enforce);
    let asked = world.connect();
    let reply = world.ask(&asked);
    assert_eq!(reason(&mut world, &asked.subject, &asked.bytes), Reason::REPLAY_DETECTED);
    let same_nonce = forge(&asked.bytes, &worker_key(), |packet| request_of(packet).request_id = "other".into());
    assert_eq!(reason(&mut world, &asked.subject, &same_nonce), Reason::REPLAY_DETECTED);
    let answer = world.reply(&asked, reply).unwrap();
    let result = world.ask(&answer);
    assert_eq!(reason(&mut world, &answer.subject, &answer.bytes), Reason::REPLAY_DETECTED);
    world.reply(&answer, result);
    assert!(world.is_known(), "the token of the first answer is the valid one");
}

#[test]
fn s14_a_request_that_was_made_long_ago_or_is_to_be_made_is_refused_for_its_time() {
    for (offset, rejected) in [(60_000_000, false), (60_000_001, true), (-60_000_000, false), (-60_000_001, true)] {
        let mut world = World::new(TrustMode::Enforce);
        let asked = world.connect();
        let made_at = nuncio_core::time::Time(START.0.checked_add_signed(offset).unwrap());
        let bytes =
            forge(&asked.bytes, &worker_key(), |packet| packet.created_at = Some(Timestamp::from_time(made_at)));
        if rejected {
            assert_eq!(reason(&mut world, &asked.subject, &bytes), Reason::CLOCK_SKEW);
        } else {
            world.authority.handle_request(world.now, &asked.subject, &bytes).unwrap();
            assert_eq!(world.rejection(), None);
        }
    }
}

#[test]
fn s14_a_challenge_is_answered_before_it_expires() {
    for (waited, reject) in [(29, None), (30, Some(Reason::CHALLENGE_EXPIRED))] {
        let mut world = World::new(TrustMode::Enforce);
        let answer = answered(&mut world);
        world.now = START.plus_secs(waited);
        world.authority.handle_request(world.now, &answer.subject, &answer.bytes).unwrap();
        assert_eq!(world.rejection(), reject);
    }
    // A lifetime of more than a minute is a minute.
    let mut world = World::with(TrustMode::Enforce, |config| config.challenge_lifetime = secs(3_600));
    let answer = answered(&mut world);
    world.now = START.plus_secs(60);
    assert_eq!(reason(&mut world, &answer.subject, &answer.bytes), Reason::CHALLENGE_EXPIRED);
}

#[test]
fn s14_a_renewal_needs_a_session_and_its_valid_token() {
    let mut world = World::trusted(TrustMode::Enforce);
    world.authority.revoke_session("w");
    let asked = world.next().1.unwrap();
    assert_eq!(reason(&mut world, &asked.subject, &asked.bytes), Reason::SESSION_REQUIRED);

    let mut world = World::trusted(TrustMode::Enforce);
    let asked = world.next().1.unwrap();
    let reply = world.ask(&asked);
    let answer = world.reply(&asked, reply).unwrap();
    let wrong = forge(&answer.bytes, &worker_key(), |packet| packet.auth_token = Secret::new("wrong"));
    assert_eq!(reason(&mut world, &answer.subject, &wrong), Reason::SESSION_INVALID);
    // The challenge is still open: only a renewal that succeeds uses it up.
    world.ask(&answer);
    assert_eq!(world.rejection(), None);

    // A session that ends between both requests.
    let mut world = World::trusted(TrustMode::Enforce);
    let asked = world.next().1.unwrap();
    let reply = world.ask(&asked);
    let answer = world.reply(&asked, reply).unwrap();
    world.authority.revoke_session("w");
    let ended = reason(&mut world, &answer.subject, &answer.bytes);
    assert_eq!(ended, Reason::CHALLENGE_EXPIRED, "its challenges end with it");
}
