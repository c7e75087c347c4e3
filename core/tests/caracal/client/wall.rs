//! The wall clock of a client, which may be set: tokens and dates are judged by it as it is now, and intervals do not follow it.

use nuncio_core::caracal::{ClientEvent, ClientOutput, Generation, Kind, Spawn, TransportFailure, Ttl};
use nuncio_core::time::Time;

use super::support::{Host, session, spawn, token};

const HOUR: i64 = 3_600_000_000;

impl Host {
    fn wall(&self, by: i64) -> Time {
        Time(self.now.0.checked_add_signed(by).unwrap())
    }

    /// Sets the wall clock.
    fn set_wall(&mut self, by: i64) {
        self.client.handle_wall(self.now, self.wall(by));
        self.idle();
    }

    /// Whether a call is sent without another token.
    fn has_token(&mut self) -> bool {
        self.client.inbound(self.now, session("s")).unwrap();
        match self.next() {
            Some(ClientOutput::Request { .. }) => true,
            Some(ClientOutput::TokenNeeded { rejected: false }) => false,
            other => panic!("{other:?}"),
        }
    }
}

/// A client with a token for ten minutes.
fn with_token() -> Host {
    let mut host = Host::without_token(Generation::May, |_| {});
    host.client.token(host.now, token("first"), Some(host.now.plus_secs(600)));
    host
}

#[test]
fn s1_7_a_token_is_replaced_before_the_wall_clock_shows_its_expiry() {
    let mut host = with_token();
    assert!(host.has_token());
    host.set_wall(500_000_000);
    host.now = host.now.plus_secs(39);
    assert!(host.has_token());
    host.now = host.now.plus_secs(1);
    assert!(!host.has_token(), "a minute is left by the wall clock");
    // One that has expired by the wall clock is not taken.
    let mut host = with_token();
    host.set_wall(HOUR);
    assert!(!host.has_token());
    host.client.token(host.now, token("old"), Some(host.now.plus_secs(600)));
    assert!(matches!(host.event(), ClientEvent::Failed { .. }));
    assert!(!host.has_token());
    host.client.token(host.now, token("new"), Some(host.wall(HOUR).plus_secs(600)));
    assert!(matches!(host.next(), Some(ClientOutput::Request { .. })));
}

#[test]
fn ours_a_wall_clock_that_is_set_back_gives_a_token_no_time() {
    let mut host = with_token();
    host.set_wall(-HOUR);
    host.now = host.now.plus_secs(539);
    assert!(host.has_token());
    host.now = host.now.plus_secs(1);
    assert!(!host.has_token(), "as if it had not been set back");
    let mut host = with_token();
    host.set_wall(HOUR);
    host.set_wall(0);
    assert!(!host.has_token(), "it was over");
}

#[test]
fn s1_7_a_date_in_retry_after_is_judged_by_the_wall_clock() {
    for step in [0, HOUR, -HOUR] {
        let mut host = Host::new(Generation::May, |_| {});
        host.set_wall(step);
        host.client.inbound(host.now, session("s")).unwrap();
        let (id, _) = host.request();
        // 5 s after the wall clock as it is now.
        let date = http_date(host.wall(step).plus_secs(5));
        host.respond_later(id, 503, Some(&date), "{}");
        let waited = host.wait();
        assert!((4_000_000..=5_200_000).contains(&waited), "{waited} µs after a step of {step} µs");
    }
}

/// Writes a time as HTTP does, for a time of the day on which the tests begin or the next one.
fn http_date(at: Time) -> String {
    let text = at.to_rfc3339();
    let (day, clock) = (&text[8..10], &text[11..19]);
    assert_eq!(&text[..8], "2026-05-", "{text}");
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(day.parse::<usize>().unwrap() - 14) % 7];
    format!("{weekday}, {day} May 2026 {clock} GMT")
}

/// What a client says after the wall clock was set, with the microseconds after which it does.
fn said(prepare: impl Fn() -> Host, step: Option<i64>) -> Vec<(u64, String)> {
    let mut host = prepare();
    let began = host.now;
    if let Some(step) = step {
        host.set_wall(step);
    }
    let mut said = Vec::new();
    while host.client.poll_timeout().is_some() && said.len() < 20 {
        host.wait();
        while let Some(output) = host.next() {
            if let ClientOutput::Request { id, .. } = &output {
                host.fail(*id, TransportFailure::NotSent);
            }
            said.push((host.now.since(began), format!("{output:?}")));
        }
    }
    said
}

#[test]
fn ours_lifetimes_leases_and_pauses_do_not_follow_the_wall_clock() {
    let unmoved = |prepare: &dyn Fn() -> Host| {
        let expected = said(prepare, None);
        assert!(!expected.is_empty());
        for step in [HOUR, -HOUR, 2_000_000] {
            assert_eq!(said(prepare, Some(step)), expected, "the wall clock was set by {step} µs");
        }
    };
    // The lifetime of a session.
    unmoved(&|| {
        let mut host = Host::new(Generation::May, |_| {});
        host.client.spawn(host.now, Spawn { ttl: Ttl::from_secs(60), ..spawn() }).unwrap();
        let (id, _) = host.request();
        host.respond(id, 201, r#"{"id":"s"}"#);
        host.event();
        host
    });
    // The lease of a service, and its heartbeats.
    unmoved(&|| {
        let mut host = Host::new(Generation::Head, |_| {});
        host.client.spawn(host.now, Spawn { kind: Kind::Service, ..spawn() }).unwrap();
        let (id, _) = host.request();
        let end = host.now.plus_secs(120).to_rfc3339();
        let body = format!(
            r#"{{"agent_session_id":"s","status":"active","lease_generation":1,"heartbeat_deadline_at":"{end}"}}"#
        );
        host.respond(id, 201, &body);
        host.event();
        host
    });
    // The time for an answer, and the pauses before a call is repeated.
    unmoved(&|| {
        let mut host = Host::new(Generation::May, |_| {});
        host.client.inbound(host.now, session("s")).unwrap();
        host.request();
        host
    });
    // The time for a token.
    unmoved(&|| {
        let mut host = Host::without_token(Generation::May, |_| {});
        host.client.inbound(host.now, session("s")).unwrap();
        host.next();
        host
    });
}

#[test]
fn s1_7_a_spawn_is_repeated_within_its_time_however_the_wall_clock_is_set() {
    for step in [HOUR, -HOUR] {
        let mut host = Host::new(Generation::Head, |_| {});
        host.client.spawn(host.now, spawn()).unwrap();
        let (id, _) = host.request();
        host.set_wall(step * 2);
        host.fail(id, TransportFailure::Lost);
        host.wait();
        host.request();
    }
}

#[test]
fn ours_the_end_of_a_new_lease_is_judged_by_the_wall_clock() {
    for step in [HOUR, -HOUR] {
        let mut host = Host::new(Generation::Head, |_| {});
        host.set_wall(step);
        host.client.spawn(host.now, Spawn { kind: Kind::Service, ..spawn() }).unwrap();
        let (id, _) = host.request();
        let end = host.wall(step).plus_secs(120).to_rfc3339();
        let body = format!(
            r#"{{"agent_session_id":"s","status":"active","lease_generation":1,"heartbeat_deadline_at":"{end}"}}"#
        );
        host.respond(id, 201, &body);
        host.event();
        let waited = host.wait();
        assert!((36_000_000..=44_000_000).contains(&waited), "it is renewed after a third: {waited} µs");
    }
}
