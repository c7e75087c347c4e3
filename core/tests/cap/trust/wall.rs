//! The wall clocks of both sides of a trust session, which may be set.

use nuncio_core::cap::{Payload, TrustMode, WorkerHandshakePurpose, WorkerHandshakeRejectionReason};
use nuncio_core::time::Time;

use super::support::{START, World, decode, secs};

const HOUR: u64 = 3_600_000_000;

fn moved(now: Time, by: i64) -> Time {
    Time(now.0.checked_add_signed(by).unwrap())
}

impl World {
    /// Sets the wall clock of the worker.
    fn set_worker(&mut self, by: i64) {
        self.session.handle_wall(self.now, moved(self.now, by));
    }

    /// Sets the wall clock of the scheduler.
    fn set_scheduler(&mut self, by: i64) {
        self.authority.handle_wall(self.now, moved(self.now, by));
    }

    fn set_both(&mut self, by: i64) {
        self.set_worker(by);
        self.set_scheduler(by);
    }
}

#[test]
fn s14_a_token_is_over_when_the_wall_clock_is_set_ahead_and_is_asked_for_at_once() {
    for mode in [TrustMode::Enforce, TrustMode::Warn] {
        let mut world = World::trusted(mode);
        world.set_both(HOUR.cast_signed());
        assert!(world.session.token(world.now).is_none() && !world.is_known());
        assert_eq!(world.admits(), mode == TrustMode::Warn);
        let mut waited = 0;
        let asked = loop {
            let (millis, asked) = world.next();
            waited += millis;
            if let Some(asked) = asked {
                break asked;
            }
        };
        assert!(waited <= 1, "it waits for {waited} ms");
        let expected: &[&str] = if mode == TrustMode::Warn { &["expired"] } else { &["expired", "closed"] };
        assert_eq!(world.take(), expected);
        world.run(asked);
        assert!(world.admits() && world.is_known());
        let expires_at = world.authority.session(world.now, "w").unwrap().expires_at;
        assert_eq!(expires_at, moved(world.now.plus_secs(900), HOUR.cast_signed()), "by the wall clock");
    }
}

#[test]
fn s14_a_wall_clock_that_is_set_back_gives_no_time_back() {
    let mut world = World::trusted(TrustMode::Enforce);
    world.set_both(-HOUR.cast_signed());
    // The renewal neither stalls nor comes early.
    assert_eq!(world.next().0, 450_000);
    world.now = START.plus_secs(899);
    assert!(world.admits() && world.is_known());
    world.now = START.plus_secs(900);
    assert!(!world.admits() && !world.is_known());
    // What was over stays over.
    let mut world = World::trusted(TrustMode::Enforce);
    let token = world.session.token(world.now).cloned().unwrap();
    world.set_both(HOUR.cast_signed());
    world.set_both(0);
    assert!(world.session.token(world.now).is_none() && !world.authority.admits(world.now, "w", &token));
}

#[test]
fn s14_a_step_ahead_brings_the_renewal_forward_with_the_end() {
    let mut world = World::trusted(TrustMode::Enforce);
    world.set_both(800_000_000);
    // 100 s are left, of which a minute is the margin.
    let (waited, asked) = world.next();
    assert_eq!(waited, 40_000);
    let asked = asked.unwrap();
    let Some(Payload::WorkerHandshakeChallengeRequest(request)) = decode(&asked.bytes).payload else { panic!() };
    assert_eq!(request.purpose, WorkerHandshakePurpose::RENEW);
    world.run(asked);
    assert_eq!(world.take(), ["renewed"]);
}

#[test]
fn s14_requests_and_answers_are_judged_by_the_wall_clocks_as_they_are_now() {
    // The scheduler's clock alone is wrong.
    let mut world = World::new(TrustMode::Enforce);
    world.set_scheduler(HOUR.cast_signed());
    let asked = world.connect();
    world.run(asked);
    assert_eq!(world.rejection(), Some(WorkerHandshakeRejectionReason::CLOCK_SKEW));
    assert!(!world.admits());
    // Both are wrong by as much.
    world.take();
    world.set_worker(HOUR.cast_signed());
    let (waited, asked) = world.next();
    assert_eq!(waited, 30_000, "pauses do not follow the wall clock");
    world.run(asked.unwrap());
    assert_eq!(world.take(), ["trusted", "opened"]);
    // A session that was given when both were wrong is over as early as it would have been.
    world.set_both(0);
    world.now = world.now.plus_secs(900);
    assert!(!world.admits() && !world.is_known());
}

#[test]
fn s14_a_challenge_expires_by_the_wall_clock_and_no_later_than_without_a_step() {
    for (step, passed, accepted) in [
        (0, 29, true),
        (HOUR.cast_signed(), 0, false),
        (-HOUR.cast_signed(), 29, true),
        (-HOUR.cast_signed(), 30, false),
    ] {
        let mut world = World::new(TrustMode::Enforce);
        let asked = world.connect();
        let reply = world.ask(&asked);
        let answer = world.reply(&asked, reply).unwrap();
        // The answer is made before the clock of the scheduler is set, and the scheduler's clock is right when it comes.
        world.set_scheduler(step);
        world.now = world.now.plus(secs(passed));
        world.set_scheduler(0);
        world.authority.handle_request(world.now, &answer.subject, &answer.bytes).unwrap();
        assert_eq!(world.authority.session(world.now, "w").is_some(), accepted, "{step} µs, {passed} s");
    }
}

#[test]
fn s14_a_request_that_came_before_is_refused_after_the_wall_clock_was_set_ahead_and_back() {
    let mut world = World::new(TrustMode::Enforce);
    let asked = world.connect();
    world.ask(&asked);
    world.set_scheduler(HOUR.cast_signed());
    // Another request comes meanwhile, whose worker has the same wrong clock.
    let mut other = World::new(TrustMode::Enforce);
    other.set_worker(HOUR.cast_signed());
    let later = other.connect();
    world.ask(&later);
    world.set_scheduler(0);
    while world.rejection().is_some() {}
    world.ask(&asked);
    assert_eq!(world.rejection(), Some(WorkerHandshakeRejectionReason::REPLAY_DETECTED));
}
