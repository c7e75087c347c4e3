//! The limits of connections that have no session yet: the oldest of them makes way, so that no hello is locked out.

use nuncio_core::arcp::Refused;
use nuncio_tests::world::{OnAuthenticate, World};
use serde_json::json;

use crate::s_limits::assert_limit;

#[test]
fn limit_ungreeted() {
    let mut w = World::with(|config| config.limits.ungreeted = 2);
    let a = w.open();
    let b = w.open();
    // The newest is not locked out: the oldest makes way.
    let c = w.open();
    assert_limit(&w.recv(a), "ungreeted", 2);
    assert!(w.closed(a).is_some());
    w.hello(c, "tok-alice", &[]);
    w.expect(c, "session.welcome");
    w.hello(b, "tok-alice", &[]);
    w.expect(b, "session.welcome");
    let d = w.open();
    w.hello(d, "tok-alice", &[]);
    w.expect(d, "session.welcome");
}

#[test]
fn limit_ungreeted_displaces_the_oldest_while_the_host_is_asked_too() {
    let mut w = World::with(|config| config.limits.ungreeted = 1);
    w.on_authenticate = OnAuthenticate::Hold;
    let a = w.open();
    w.hello(a, "tok-alice", &[]);
    let b = w.open();
    assert_limit(&w.recv(a), "ungreeted", 1);
    assert!(w.closed(a).is_some());
    assert_eq!(w.runtime.admit(w.now, a, "alice"), Err(Refused::Stale));
    assert!(w.closed(b).is_none());
}

/// However many connections without a session there are, a client that says hello gets its session.
#[test]
fn limit_ungreeted_locks_no_hello_out() {
    let mut w = World::with(|config| {
        config.limits.ungreeted = 10;
        config.limits.connections = 20;
    });
    for _ in 0..10 {
        w.login("tok-alice");
    }
    for _ in 0..100 {
        w.open();
    }
    for _ in 0..10 {
        w.login("tok-bob");
    }
}

#[test]
fn limit_ungreeted_per_address() {
    let mut w = World::with(|config| config.limits.ungreeted_per_address = 2);
    let theirs = w.open_from("192.0.2.1");
    let mapped = w.open_from("::ffff:192.0.2.1");
    let other = w.open_from("192.0.2.2");
    let nobody = [w.open(), w.open(), w.open()];
    // An address displaces its own connections only.
    let newest = w.open_from("192.0.2.1");
    assert_limit(&w.recv(theirs), "ungreeted_per_address", 2);
    assert!(w.closed(theirs).is_some());
    for conn in [mapped, other, newest].into_iter().chain(nobody) {
        assert!(w.closed(conn).is_none());
    }
    // One that was welcomed does not count.
    for _ in 0..5 {
        let conn = w.open_from("192.0.2.1");
        w.hello(conn, "tok-alice", &[]);
        w.expect(conn, "session.welcome");
    }
}

#[test]
fn limit_ungreeted_per_address_takes_a_network_of_64_bits_for_one_address() {
    let mut w = World::with(|config| config.limits.ungreeted_per_address = 1);
    let a = w.open_from("2001:db8:0:1::1");
    let other = w.open_from("2001:db8:0:2::1");
    w.open_from("2001:db8:0:1:ffff::2");
    assert_limit(&w.recv(a), "ungreeted_per_address", 1);
    assert!(w.closed(other).is_none());
}

#[test]
fn limit_hello_bytes() {
    let mut w = World::with(|config| config.limits.hello_bytes = 2_000);
    let a = w.open();
    w.send_bytes(a, "x".repeat(2_001).as_bytes());
    assert_limit(&w.recv(a), "hello_bytes", 2_000);
    assert_eq!(w.closed(a), Some(1009));
    // Once welcomed, a connection may send frames of the usual size.
    let b = w.login("tok-alice");
    w.submit(b, json!({"agent": "echo", "input": "x".repeat(3_000)}));
}

#[test]
fn limit_ungreeted_bytes() {
    let mut w = World::with(|config| config.limits.ungreeted_bytes = 1_000);
    let (a, b, c) = (w.open(), w.open(), w.open());
    w.buffered(b, 400);
    w.buffered(c, 500);
    w.buffered(c, 600);
    assert!(w.closed(b).is_none());
    // The oldest that holds something makes way, and nobody else.
    w.buffered(c, 601);
    assert_limit(&w.recv(b), "ungreeted_bytes", 1_000);
    assert!(w.closed(b).is_some());
    for conn in [a, c] {
        assert!(w.closed(conn).is_none());
    }
    // What a welcomed connection holds does not count.
    w.hello(c, "tok-alice", &[]);
    w.expect(c, "session.welcome");
    w.buffered(c, 5_000);
    w.buffered(a, 1_000);
    assert!(w.closed(a).is_none());
    // One that holds more than all may is refused itself.
    w.buffered(a, 1_001);
    assert_limit(&w.recv(a), "ungreeted_bytes", 1_000);
}
