//! The wall clocks of all who speak the production profile, which may be set: packets are judged by them as they are now.

use nuncio_core::cap::{BusPacket, DecodeLimits, Subject};
use nuncio_core::time::Time;

use super::production::{World, direct};

const HOUR: i64 = 3_600_000_000;

impl World {
    fn wall(&self, by: i64) -> Time {
        Time(self.now.0.checked_add_signed(by).unwrap())
    }

    fn set_router(&mut self, by: i64) {
        self.router.handle_wall(self.now, self.wall(by));
    }

    fn set_worker(&mut self, by: i64) {
        self.worker.handle_wall(self.now, self.wall(by));
    }

    fn set_client(&mut self, by: i64) {
        let wall = self.wall(by);
        self.clients.iter_mut().for_each(|client| client.handle_wall(self.now, wall));
    }

    /// Sets all wall clocks, and lets the worker have its session renewed.
    fn set_all(&mut self, by: i64) {
        self.set_router(by);
        self.set_worker(by);
        self.set_client(by);
        for _ in 0..3 {
            self.now = self.now.plus_secs(1);
            self.worker.handle_timeout(self.now);
            self.wait(0);
        }
    }
}

#[test]
fn s19_packets_are_judged_by_the_wall_clock_as_it_is_now() {
    let mut world = World::new();
    // The client's clock alone is wrong.
    world.set_client(HOUR);
    let said = world.submit(0, "1");
    assert!(said[0].contains("valid for too long"), "{said:?}");
    world.set_client(-HOUR);
    let said = world.submit(0, "2");
    assert!(said[0].contains("expired"), "{said:?}");
    // All are wrong by as much, as after the machine was asleep.
    for (step, id) in [(HOUR, "3"), (-HOUR, "4"), (0, "5")] {
        world.set_all(step);
        world.take();
        assert!(world.worker.admits(), "{step}");
        assert_eq!(world.submit(0, id), ["SUCCEEDED by w"], "{step}");
        let packet = world.on(&direct()).pop().unwrap();
        let packet = BusPacket::decode(&packet, &DecodeLimits::default()).unwrap();
        let expires_at = packet.signature_metadata.unwrap().expires_at.unwrap().to_time();
        assert_eq!(packet.created_at.unwrap().to_time(), Some(world.wall(step)));
        assert_eq!(expires_at, Some(world.wall(step).plus_secs(299)));
    }
}

/// The clocks of two machines, and those of two processes of one machine, are never read at the same moment.
#[test]
fn s19_a_clock_that_is_a_second_ahead_of_the_others_is_believed_without_a_skew() {
    const SECOND: i64 = 1_000_000;
    for set in [World::set_client, World::set_router, World::set_worker] {
        for ahead in [1, 1_000, SECOND] {
            let mut world = World::new();
            set(&mut world, ahead);
            assert_eq!(world.submit(0, "1"), ["SUCCEEDED by w"], "{ahead} µs");
        }
    }
    let mut world = World::new();
    world.set_client(SECOND + 1);
    let said = world.submit(0, "1");
    assert!(said[0].contains("valid for too long"), "{said:?}");
}

#[test]
fn s19_no_packet_is_admitted_again_after_the_wall_clock_was_set_ahead_and_back() {
    let mut world = World::new();
    assert_eq!(world.submit(0, "1"), ["SUCCEEDED by w"]);
    let before = world.seen.clone();
    world.set_all(HOUR);
    assert_eq!(world.submit(0, "2"), ["SUCCEEDED by w"]);
    world.set_all(0);
    world.take();
    let count = world.seen.len();
    for (subject, bytes) in before {
        if matches!(subject, Subject::JobSubmit | Subject::JobResult | Subject::Direct(_)) {
            assert_eq!(world.again(&subject, &bytes), [""; 0], "{subject}");
        }
    }
    let more: Vec<_> = world.seen[count..].iter().map(|(subject, _)| subject.to_string()).collect();
    assert_eq!(more, [""; 0], "nothing follows");
}

#[test]
fn s19_what_waits_is_sealed_again_if_the_clock_was_set_back() {
    for step in [HOUR, 3_000_000] {
        let mut world = World::new();
        world.set_all(step);
        world.take();
        (world.stores, world.works) = (false, false);
        // The dispatch waits for the store.
        world.submit(0, "1");
        assert!(world.on(&direct()).is_empty());
        world.set_router(0);
        world.set_worker(0);
        let last = world.records.last().map_or(0, |(number, _)| *number);
        world.router.handle_stored(world.now, last);
        world.run();
        let packet = world.on(&direct()).pop().expect("the request is sent");
        let made = BusPacket::decode(&packet, &DecodeLimits::default()).unwrap().created_at.unwrap().to_time();
        assert_eq!(made, Some(world.now), "it is sealed by the clock as it is now, after a step of {step} µs");
        let said = world.take();
        assert!(said.iter().all(|line| !line.starts_with("refused")), "{said:?}");
    }
}
