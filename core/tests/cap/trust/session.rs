//! The worker's side: exchanges, renewals, failures, and answers that are not what they should be.

use bytes::Bytes;
use nuncio_core::cap::{
    InvalidTrust, Keyring, NotAwaited, P256Signer, Payload, Secret, Subject, Timestamp, TrustMode, TrustNames,
    TrustPace, TrustSettings, TrustState, WorkerHandshakePurpose, WorkerHandshakeResult,
};
use std::sync::Arc;

use super::support::{START, World, challenge_of, decode, forge, names, scheduler_key, secs, settings, worker_key};

#[test]
fn s14_a_worker_that_proves_its_key_gets_a_token_that_the_authority_knows() {
    let mut world = World::new(TrustMode::Enforce);
    assert!(!world.admits() && !world.session.may_send(START));
    let asked = world.connect();
    assert_eq!((asked.subject.clone(), world.session.state()), (Subject::TrustChallenge, TrustState::Challenging));
    let reply = world.ask(&asked);
    let answer = world.reply(&asked, reply).unwrap();
    assert_eq!(
        (answer.subject.clone(), world.session.state()),
        (Subject::TrustAuthenticate, TrustState::Authenticating)
    );
    // One trace for all four packets, which the random values of both sides differ in.
    assert_eq!(decode(&asked.bytes).trace_id, decode(&answer.bytes).trace_id);
    assert!(!world.admits());
    let reply = world.ask(&answer);
    assert!(world.reply(&answer, reply).is_none());
    assert_eq!(world.take(), ["trusted", "opened"]);
    assert!(world.admits() && world.is_known());
    let worker = world.authority.session(world.now, "w").unwrap();
    assert_eq!(worker.topics(), ["job.echo", "job.other"]);
    assert_eq!((worker.enrollment.tenant_id.as_str(), worker.expires_at), ("tenant", START.plus_secs(900)));
}

#[test]
fn s14_a_session_is_renewed_in_time_with_its_token_and_gets_another_one() {
    // Half-way or a minute before the end, but not before 30 s and not in the last tenth.
    for (lifetime, renewed_after) in [(900, 450), (100, 40), (90, 30), (40, 30), (20, 18), (1, 0)] {
        let mut world =
            World::with(TrustMode::Enforce, |config| config.session_lifetime = secs(lifetime)).and_trusted();
        let (waited, asked) = world.next();
        assert_eq!(waited / 1_000, renewed_after, "{lifetime}");
        let first = world.session.token(world.now).cloned().unwrap();
        world.run(asked.unwrap());
        assert_eq!(world.take(), ["renewed"]);
        assert!(world.is_known() && !world.authority.admits(world.now, "w", &first), "the old token is superseded");
    }
}

#[test]
fn s14_a_scheduler_that_cannot_be_reached_is_asked_three_times_and_again_later() {
    for mode in [TrustMode::Warn, TrustMode::Enforce] {
        let mut world = World::new(mode);
        let first = world.connect();
        world.session.replied(world.now, first.id, Err("no responders".into())).unwrap();
        assert!(world.poll().is_none());
        assert_eq!(world.session.state(), TrustState::Pausing);
        let (waited, second) = world.next();
        assert_eq!(waited, 100);
        assert_ne!(decode(&first.bytes).payload, decode(&second.unwrap().bytes).payload, "another request");
        let (waited, none) = world.next();
        assert!(waited == 10_000 && none.is_none(), "no reply has come in time");
        let (waited, third) = world.next();
        assert_eq!(waited, 300);
        let late = world.session.replied(world.now, first.id, Ok(Bytes::new()));
        assert_eq!(late, Err(NotAwaited));
        world.session.replied(world.now, third.unwrap().id, Err("no responders".into())).unwrap();
        world.poll();
        let failed = "failed: the scheduler cannot be reached: no responders";
        // The mode that only warns goes on without a session.
        let expected: &[&str] = if mode == TrustMode::Warn { &[failed, "opened"] } else { &[failed] };
        assert_eq!(world.take(), expected);
        assert_eq!(
            (world.admits(), world.session.may_send(world.now)),
            (mode == TrustMode::Warn, mode == TrustMode::Warn)
        );
        let (waited, asked) = world.next();
        assert_eq!(waited, 30_000);
        world.run(asked.unwrap());
        assert!(world.admits() && world.is_known());
    }
}

#[test]
fn s14_a_rejection_is_not_retried_at_once_and_closes_in_both_modes() {
    for mode in [TrustMode::Warn, TrustMode::Enforce] {
        let mut world = World::new(mode);
        world.authority.revoke("w");
        let asked = world.connect();
        world.run(asked);
        assert_eq!(world.take(), ["failed: the scheduler has rejected the worker: AUTHENTICATION_FAILED"]);
        assert!(!world.admits());
        assert_eq!(world.next().0, 30_000);
    }
}

#[test]
fn s14_a_renewal_that_fails_ends_the_session_unless_the_mode_only_warns() {
    let fail = |world: &mut World| {
        let mut asked = world.next().1.unwrap();
        for _ in 0..3 {
            world.session.replied(world.now, asked.id, Err("timeout".into())).unwrap();
            world.poll();
            if let (_, Some(next)) = world.next() {
                asked = next;
            }
        }
        asked
    };
    let mut world = World::trusted(TrustMode::Enforce);
    let asked = fail(&mut world);
    assert_eq!(world.take(), ["failed: the scheduler cannot be reached: timeout", "closed"]);
    // The next exchange begins anew, because there is no token.
    let Some(Payload::WorkerHandshakeChallengeRequest(request)) = decode(&asked.bytes).payload else { panic!() };
    assert_eq!(request.purpose, WorkerHandshakePurpose::ISSUE);
    world.run(asked);
    assert_eq!(world.take(), ["trusted", "opened"]);

    let mut world = World::trusted(TrustMode::Warn);
    let asked = fail(&mut world);
    assert_eq!(world.take(), ["failed: the scheduler cannot be reached: timeout"]);
    assert!(world.admits() && world.is_known(), "the token is valid until it expires");
    world.run(asked);
    assert_eq!(world.take(), ["renewed"]);
}

#[test]
fn s14_a_token_that_expires_closes_a_worker_that_enforces() {
    for mode in [TrustMode::Warn, TrustMode::Enforce] {
        let mut world = World::trusted(mode);
        world.now = START.plus_secs(900);
        assert_eq!(world.admits(), mode == TrustMode::Warn, "before the timer is handled too");
        world.session.handle_timeout(world.now);
        world.poll();
        let expected: &[&str] = if mode == TrustMode::Warn { &["expired"] } else { &["expired", "closed"] };
        assert_eq!(world.take(), expected);
        assert!(world.session.token(world.now).is_none());
    }
}

#[test]
fn s14_a_token_of_an_earlier_connection_proves_nothing_and_is_renewed() {
    let mut world = World::trusted(TrustMode::Enforce);
    world.session.disconnect(world.now);
    assert!(!world.admits() && world.session.token(world.now).is_some());
    assert_eq!(world.session.state(), TrustState::Idle);
    let asked = world.connect();
    let Some(Payload::WorkerHandshakeChallengeRequest(request)) = decode(&asked.bytes).payload else { panic!() };
    assert_eq!(request.purpose, WorkerHandshakePurpose::RENEW);
    assert!(!world.admits());
    world.run(asked);
    assert_eq!(world.take(), ["renewed", "opened"]);
    // A reply that is under way when the bus goes away is not awaited any more.
    world.session.disconnect(world.now);
    let asked = world.connect();
    world.session.disconnect(world.now);
    assert_eq!(world.session.replied(world.now, asked.id, Ok(Bytes::new())), Err(NotAwaited));
    world.session.stop(world.now);
    assert!(world.session.token(world.now).is_none() && world.session.poll_timeout().is_none());
}

/// The failure of an exchange whose challenge is changed and signed again.
fn with_challenge(change: impl FnOnce(&mut nuncio_core::cap::BusPacket)) -> Vec<String> {
    let mut world = World::new(TrustMode::Enforce);
    let asked = world.connect();
    let reply = forge(&world.ask(&asked), &scheduler_key(), change);
    assert!(world.reply(&asked, reply).is_none(), "such a challenge is not answered");
    assert!(!world.admits());
    world.take()
}

#[test]
fn s14_a_challenge_repeats_the_request_and_names_the_enrolled_identity() {
    type Change = fn(&mut nuncio_core::cap::WorkerHandshakeChallenge);
    let changes: [(&str, Change); 7] = [
        ("request_id", |challenge| challenge.request_id = "other".into()),
        ("worker_id", |challenge| challenge.worker_id = "other".into()),
        ("proof_key_id", |challenge| challenge.proof_key_id = "other".into()),
        ("client_nonce", |challenge| challenge.client_nonce = vec![0; 32]),
        ("agent_id", |challenge| challenge.agent_id = "other".into()),
        ("tenant_id", |challenge| challenge.tenant_id = "other".into()),
        ("sdk_version", |challenge| challenge.sdk_version = "other".into()),
    ];
    for (field, change) in changes {
        let said = with_challenge(|packet| change(challenge_of(packet)));
        assert_eq!(said, [format!("failed: {field} of the scheduler's answer is not what it should be")]);
    }
    let said = with_challenge(|packet| challenge_of(packet).purpose = WorkerHandshakePurpose::RENEW);
    assert!(said[0].starts_with("failed: purpose"), "{said:?}");
    let said = with_challenge(|packet| challenge_of(packet).audience = "Cordum-Scheduler".into());
    assert!(said[0].starts_with("failed: audience"), "{said:?}");
    let said = with_challenge(|packet| {
        packet.trace_id = "other".into();
        challenge_of(packet).trace_id = "other".into();
    });
    assert!(said[0].starts_with("failed: trace_id"), "{said:?}");
    assert!(with_challenge(|packet| packet.sender_id = "other".into())[0].starts_with("failed: sender_id"));
}

#[test]
fn s14_clocks_may_differ_by_sixty_seconds_inclusive_and_a_challenge_expires() {
    let at = |seconds: i64, micros: i64| {
        Some(Timestamp::from_time(nuncio_core::time::Time(
            START.0.checked_add_signed(seconds * 1_000_000 + micros).unwrap(),
        )))
    };
    for (made, accepted) in [(at(60, 0), true), (at(60, 1), false), (at(-60, 0), true), (at(-60, -1), false)] {
        let mut world = World::new(TrustMode::Enforce);
        let asked = world.connect();
        let reply = forge(&world.ask(&asked), &scheduler_key(), |packet| packet.created_at = made.clone());
        assert_eq!(world.reply(&asked, reply).is_some(), accepted, "{made:?}");
    }
    let said = with_challenge(|packet| {
        let challenge = challenge_of(packet);
        (challenge.issued_at, challenge.expires_at) = (at(-10, 0), at(0, 0));
    });
    assert!(said[0].starts_with("failed: challenge.expires_at"), "{said:?}");
    let said = with_challenge(|packet| {
        let challenge = challenge_of(packet);
        (challenge.issued_at, challenge.expires_at) = (at(61, 0), at(62, 0));
    });
    assert!(said[0].starts_with("failed: challenge.issued_at"), "{said:?}");
}

/// The failure of an exchange whose result is changed and signed again.
fn with_result(mut world: World, change: impl FnOnce(&mut nuncio_core::cap::BusPacket)) -> Vec<String> {
    let asked = if world.admits() { world.next().1.unwrap() } else { world.connect() };
    let reply = world.ask(&asked);
    let answer = world.reply(&asked, reply).unwrap();
    let reply = forge(&world.ask(&answer), &scheduler_key(), change);
    assert!(world.reply(&answer, reply).is_none());
    assert!(!world.admits());
    world.take()
}

fn result_of(packet: &mut nuncio_core::cap::BusPacket) -> &mut WorkerHandshakeResult {
    let Some(Payload::WorkerHandshakeResult(result)) = &mut packet.payload else { panic!() };
    result
}

#[test]
fn s14_a_result_repeats_the_challenge_byte_for_byte_and_its_token_is_live() {
    let fresh = || World::new(TrustMode::Enforce);
    let said = with_result(fresh(), |packet| challenge_of(packet).server_nonce = vec![0; 32]);
    assert!(said[0].starts_with("failed: challenge of"), "{said:?}");
    let said = with_result(fresh(), |packet| {
        result_of(packet).issued_at = Some(Timestamp::from_time(nuncio_core::time::Time(START.0 - 60_000_001)));
    });
    assert!(said[0].starts_with("failed: issued_at"), "{said:?}");
    let said = with_result(fresh(), |packet| {
        let result = result_of(packet);
        result.issued_at = Some(Timestamp::from_time(nuncio_core::time::Time(START.0 - 1)));
        result.token_expires_at = Some(Timestamp::from_time(START));
    });
    assert!(said[0].starts_with("failed: token_expires_at"), "{said:?}");
    // A renewal has to bring another token.
    let world = World::trusted(TrustMode::Enforce);
    let before = world.session.token(world.now).cloned().unwrap();
    let said = with_result(world, |packet| packet.auth_token = before);
    assert_eq!(said, ["failed: auth_token of the scheduler's answer is not what it should be", "closed"]);
}

#[test]
fn s14_only_the_pinned_keys_of_the_scheduler_are_believed_and_only_the_right_kind_of_answer() {
    let other = P256Signer::from_bytes(&[3; 32]).unwrap();
    let mut world = World::new(TrustMode::Warn);
    let asked = world.connect();
    let forged = forge(&world.ask(&asked), &other, |_| {});
    world.reply(&asked, forged);
    assert_eq!(world.take(), ["failed: the signature is not that of a known key over this packet"]);
    assert!(!world.admits(), "a wrong answer is no scheduler that cannot be reached");

    let mut world = World::new(TrustMode::Warn);
    let asked = world.connect();
    let echoed = asked.bytes.clone();
    world.reply(&asked, echoed);
    assert!(world.take()[0].starts_with("failed: there is no key of"));
    let mut world = World::new(TrustMode::Warn);
    let asked = world.connect();
    world.reply(&asked, Bytes::new());
    assert_eq!(world.take().len(), 1);
}

#[test]
fn s14_settings_are_checked_and_show_no_secret() {
    let keys = || settings_keys("server", 1);
    let refused = |names, keys| TrustSettings::new(names, Arc::new(worker_key()), keys).unwrap_err();
    let long = TrustNames { agent_id: "a".repeat(257), ..names() };
    assert_eq!(refused(long, keys()), InvalidTrust::Name("agent_id"));
    assert_eq!(
        refused(TrustNames { tenant_id: "two words".into(), ..names() }, keys()),
        InvalidTrust::Name("tenant_id")
    );
    assert_eq!(refused(names(), Keyring::default()), InvalidTrust::NoKeys);
    assert_eq!(refused(names(), settings_keys("", 1)), InvalidTrust::Name("the id of a scheduler's key"));
    let mut many = settings_keys("a", 8);
    many.add("b", scheduler_key().public_key()).unwrap();
    assert!(matches!(refused(names(), many), InvalidTrust::Keys(_)));
    let paced = |timeout, attempts, interval| {
        let pace = TrustPace { timeout: secs(timeout), attempts, renew_interval: secs(interval) };
        settings().with_pace(pace).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(paced(60, 10, 60), Ok(()));
    for (timeout, attempts, interval) in [(0, 3, 30), (61, 3, 30), (10, 0, 30), (10, 11, 30), (10, 3, 0), (10, 3, 61)] {
        assert!(paced(timeout, attempts, interval).is_err());
    }
    assert!(settings().with_sdk_version("two words").is_err());
    let world = World::trusted(TrustMode::Enforce);
    let token = world.session.token(world.now).map(Secret::expose).unwrap().to_owned();
    assert!(!format!("{:?} {:?}", world.session, world.authority).contains(&token));
}

fn settings_keys(name: &str, count: usize) -> Keyring {
    let mut keys = Keyring::default();
    for _ in 0..count {
        keys.add(name, scheduler_key().public_key()).unwrap();
    }
    keys
}
