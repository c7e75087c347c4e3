//! The wall clock of a coordinator, which may be set: edges are judged by it as it is now, and intervals do not follow it.

use nuncio_core::caracal::{Coordinator, Generation};
use nuncio_core::time::Time;
use serde_json::{Value, json};

use super::support::{START, Server, principal, refused};

const HOUR: i64 = 3_600_000_000;

impl Server {
    fn wall(&self, by: i64) -> Time {
        Time(self.now.0.checked_add_signed(by).unwrap())
    }

    /// Sets the wall clock.
    fn set_wall(&mut self, by: i64) {
        self.coordinator.handle_wall(self.now, self.wall(by));
        assert!(self.drain().is_empty());
    }

    /// A coordinator that is started again from the records of this one when the wall clock shows `wall`.
    fn restarted(&self, wall: Time) -> Server {
        let config = self.coordinator.config().clone();
        let (coordinator, restored) = Coordinator::restore(config, [7; 32], wall, self.stored.iter().cloned());
        assert_eq!((restored.repeated, restored.ignored), (0, 0), "{restored:?}");
        let mut server = Server::of(self.coordinator.config().clone());
        (server.coordinator, server.now, server.stored) = (coordinator, restored.now, self.stored.clone());
        server.drain();
        server
    }
}

/// A coordinator with an edge that lives for 60 s, and the session that it leads to.
fn with_edge(generation: Generation) -> (Server, String, String) {
    let mut server = Server::new(generation);
    let (from, to) = (server.session(None), server.session(None));
    let edge = server.edge(&from, &to, &json!({})).unwrap();
    (server, to, edge)
}

const GENERATIONS: [Generation; 2] = [Generation::May, Generation::Head];

#[test]
fn s2_3_an_edge_expires_when_the_wall_clock_is_set_ahead() {
    for generation in GENERATIONS {
        let (mut server, to, edge) = with_edge(generation);
        server.set_wall(59_000_000);
        assert_eq!(server.edge_status(&to, &edge), "active");
        server.wait(1);
        assert_eq!(server.edge_status(&to, &edge), "expired");
        let (mut server, to, edge) = with_edge(generation);
        server.set_wall(HOUR);
        assert_eq!((server.edge_status(&to, &edge).as_str(), server.coordinator.active_edges()), ("expired", 0));
        // What was over stays over, after a restart too.
        server.set_wall(0);
        assert_eq!(server.edge_status(&to, &edge), "expired");
        assert_eq!(server.restarted(server.now).edge_status(&to, &edge), "expired");
    }
}

#[test]
fn s2_3_a_wall_clock_that_is_set_back_gives_an_edge_no_time() {
    for generation in GENERATIONS {
        let (mut server, to, edge) = with_edge(generation);
        server.set_wall(-HOUR);
        server.wait(59);
        assert_eq!(server.edge_status(&to, &edge), "active");
        server.wait(1);
        assert_eq!(server.edge_status(&to, &edge), "expired");
    }
}

#[test]
fn s2_3_an_edge_is_over_no_later_than_the_one_that_it_follows() {
    let (mut server, to, _) = with_edge(Generation::May);
    let third = server.session(None);
    server.set_wall(-HOUR);
    // It may live as long as the first one by the wall clock.
    let expires_at = START.plus_secs(60).to_rfc3339();
    let next = server.edge(&to, &third, &json!({"expires_at": expires_at})).unwrap();
    server.wait(60);
    assert_eq!(server.edge_status(&third, &next), "expired");
}

#[test]
fn s2_3_a_new_edge_is_judged_by_the_wall_clock() {
    let (mut server, to, _) = with_edge(Generation::May);
    let from = server.session(None);
    server.set_wall(HOUR);
    let stated = |at: Time| json!({"expires_at": at.to_rfc3339()});
    let old = server.edge(&from, &to, &stated(server.now.plus_secs(60)));
    assert_eq!(old, refused(400, "delegation_expired"), "{old:?}");
    let new = server.edge(&from, &to, &stated(server.wall(HOUR).plus_secs(60))).unwrap();
    server.wait(59);
    assert_eq!(server.edge_status(&to, &new), "active");
    server.wait(1);
    assert_eq!(server.edge_status(&to, &new), "expired");
}

/// What is there after `secs` seconds with a wall clock that is set by `step` at the beginning.
fn states(prepare: impl Fn() -> (Server, Vec<String>), step: Option<i64>) -> Vec<(u64, Vec<String>)> {
    let (mut server, sessions) = prepare();
    if let Some(step) = step {
        server.set_wall(step);
    }
    let mut seen = Vec::new();
    for secs in 0..200 {
        let states = sessions.iter().map(|session| server.status(session)).collect();
        if seen.last().is_none_or(|(_, before)| *before != states) {
            seen.push((secs, states));
        }
        server.wait(1);
    }
    seen
}

#[test]
fn ours_lifetimes_and_leases_do_not_follow_the_wall_clock() {
    let prepare = || {
        let mut server = Server::new(Generation::Head);
        let task = server.spawn("app-a", &json!({"ttl_seconds": 90})).unwrap();
        let child = server.session(Some(&task));
        let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
        (server, vec![task, child, service])
    };
    let expected = states(prepare, None);
    assert_eq!(expected.iter().map(|(at, _)| *at).collect::<Vec<u64>>(), [0, 90, 120]);
    for step in [HOUR, -HOUR, 2_000_000] {
        assert_eq!(states(prepare, Some(step)), expected, "the wall clock was set by {step} µs");
    }
}

#[test]
fn ours_receipts_do_not_follow_the_wall_clock() {
    for step in [8 * 24 * HOUR, -HOUR] {
        let mut server = Server::new(Generation::Head);
        let body = json!({"application_id": "app-a", "ttl_seconds": 86_400}).to_string();
        let headers = [("idempotency-key", "k")];
        let caller = principal("app-a", &[]);
        server.send(Ok(&caller), "POST", "/agents", &headers, &body);
        server.set_wall(step);
        let again = server.send(Ok(&caller), "POST", "/agents", &headers, &body);
        assert!(again.headers().iter().any(|field| field.name() == "idempotency-replayed"), "{step}");
        let mut server = server.restarted(server.wall(-HOUR));
        let again = server.send(Ok(&caller), "POST", "/agents", &headers, &body);
        assert!(again.headers().iter().any(|field| field.name() == "idempotency-replayed"), "{step}, restarted");
    }
}

#[test]
fn ours_answers_show_the_time_of_the_wall_clock() {
    let mut server = Server::new(Generation::Head);
    for step in [HOUR, -HOUR, 0] {
        server.set_wall(step);
        let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
        let shown = |at: Time| Value::from(at.to_rfc3339());
        let row = server.get(&format!("/agents/{service}")).1;
        assert_eq!(row["started_at"], shown(server.wall(step)));
        assert_eq!(row["heartbeat_deadline_at"], shown(server.wall(step).plus_secs(120)));
        let beat = json!({"lease_generation": 1});
        let answer = server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{service}/heartbeat"), &beat).1;
        assert_eq!(answer["agent"]["last_active_at"], shown(server.wall(step)));
        let task = server.session(None);
        server.terminate(&task);
        let ended = server.get(&format!("/agents/{task}")).1;
        assert_eq!(ended["terminated_at"], shown(server.wall(step)));
        // What was shown stays the same when the clock is set again.
        server.set_wall(2 * HOUR);
        assert_eq!(server.get(&format!("/agents/{task}")).1, ended);
    }
}

#[test]
fn ours_a_restart_goes_on_with_what_has_passed_by_the_wall_clock() {
    for step in [0, HOUR, -HOUR] {
        let mut server = Server::new(Generation::Head);
        server.set_wall(step);
        let task = server.spawn("app-a", &json!({"ttl_seconds": 100})).unwrap();
        let (from, to) = (server.session(None), server.session(None));
        let edge = server.edge(&from, &to, &json!({"ttl_seconds": 100})).unwrap();
        server.now = server.now.plus_secs(10);
        let mut server = server.restarted(server.wall(step));
        server.wait(89);
        assert_eq!((server.status(&task).as_str(), server.edge_status(&to, &edge).as_str()), ("active", "active"));
        server.wait(1);
        let states = (server.status(&task), server.edge_status(&to, &edge));
        assert_eq!(states, ("expired".to_owned(), "expired".to_owned()), "the wall clock was set by {step} µs");
    }
}

#[test]
fn ours_a_restart_after_the_wall_clock_was_set_ahead_and_back_ends_nothing_early() {
    let mut server = Server::new(Generation::Head);
    server.set_wall(HOUR);
    let first = server.spawn("app-a", &json!({"ttl_seconds": 100})).unwrap();
    server.set_wall(0);
    let second = server.spawn("app-a", &json!({"ttl_seconds": 100})).unwrap();
    server.now = server.now.plus_secs(10);
    let mut server = server.restarted(server.now);
    server.wait(89);
    assert_eq!([server.status(&first), server.status(&second)], ["active", "active"]);
    server.wait(1);
    assert_eq!([server.status(&first), server.status(&second)], ["expired", "expired"]);
    // While it was away the clock was set back, and what was left is left.
    let mut server = Server::new(Generation::Head);
    let task = server.spawn("app-a", &json!({"ttl_seconds": 100})).unwrap();
    let mut server = server.restarted(server.wall(-HOUR));
    server.wait(99);
    assert_eq!(server.status(&task), "active");
    server.wait(1);
    assert_eq!(server.status(&task), "expired");
}
