//! Pings of both sides.

use std::time::Duration;

use nuncio_core::time::Time;
use nuncio_link::nats::{
    NatsClientFault, NatsClosed, NatsConfig, NatsEvent, NatsLink, NatsServerConfig, NatsServerEvent, NatsServerLink,
};

use crate::support::{INFO, NOW, drain, output, ready};

const INTERVAL: Duration = Duration::from_secs(10);

fn config() -> NatsConfig {
    NatsConfig { ping_interval: INTERVAL, unanswered_pings: 2, ..NatsConfig::default() }
}

#[test]
fn a_silent_server_is_sent_pings_and_then_given_up() {
    let mut link = ready(config());
    let mut now = NOW;
    for _ in 0..2 {
        assert_eq!(link.poll_timeout(), Some(now.plus(INTERVAL)));
        link.handle_timeout(now.plus(Duration::from_micros(9_999_999)));
        assert_eq!(output(&mut link), "", "it is too early");
        now = now.plus(INTERVAL);
        link.handle_timeout(now);
        assert_eq!(output(&mut link), "PING\r\n");
    }
    link.handle_timeout(now.plus(INTERVAL));
    assert_eq!(drain(&mut link), [NatsEvent::Closed(NatsClosed::Silent(2))]);
    assert_eq!(link.poll_timeout(), None);
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut link = ready(config());
    let later = NOW.plus(Duration::from_secs(5));
    link.receive(later, b"M");
    assert_eq!(link.poll_timeout(), Some(later.plus(INTERVAL)));
}

#[test]
fn a_server_that_talks_and_never_answers_pings_is_given_up() {
    let mut link = ready(config());
    let mut now = NOW;
    for _ in 0..2 {
        now = now.plus(INTERVAL);
        link.handle_timeout(now);
        link.receive(now, b"MSG a 1 0\r\n\r\n");
        assert!(matches!(drain(&mut link)[..], [NatsEvent::Message(_)]));
    }
    link.handle_timeout(now.plus(INTERVAL));
    assert_eq!(drain(&mut link), [NatsEvent::Closed(NatsClosed::Silent(2))]);
}

#[test]
fn an_answered_ping_no_longer_counts() {
    let mut link = ready(config());
    let mut now = NOW;
    for _ in 0..10 {
        now = now.plus(INTERVAL);
        link.handle_timeout(now);
        assert_eq!(output(&mut link), "PING\r\n");
        link.receive(now, b"PONG\r\n");
        assert_eq!(drain(&mut link), []);
    }
}

#[test]
fn the_pings_of_the_server_are_answered() {
    let mut link = ready(config());
    link.receive(NOW, b"PING\r\nPING\r\n");
    assert_eq!(drain(&mut link), []);
    assert_eq!(output(&mut link), "PONG\r\nPONG\r\n");
}

/// A server does not take a PONG before CONNECT, and a TLS handshake may have to come next.
#[test]
fn a_ping_before_the_login_is_not_answered() {
    let mut link = NatsLink::new(config(), NOW);
    link.receive(NOW, &[INFO, b"PING\r\n"].concat());
    drain(&mut link);
    assert_eq!(output(&mut link), "");
}

#[test]
fn there_is_no_deadline_before_the_login() {
    let mut link = NatsLink::new(config(), NOW);
    assert_eq!(link.poll_timeout(), None);
    link.handle_timeout(Time::MAX);
    assert_eq!(drain(&mut link), []);
}

fn server() -> NatsServerLink {
    let (connect_within, ping_interval) = (Duration::from_secs(2), INTERVAL);
    let config = NatsServerConfig { connect_within, ping_interval, unanswered_pings: 2, ..NatsServerConfig::default() };
    let mut link = NatsServerLink::new(config, NOW);
    written(&mut link);
    link
}

fn written(link: &mut NatsServerLink) -> String {
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    String::from_utf8(bytes).expect("the output of these tests is text")
}

fn assert_closed(link: &mut NatsServerLink, fault: NatsClientFault, told: &str) {
    assert_eq!(link.poll_event(), Some(NatsServerEvent::Closed(fault.into())));
    assert_eq!(written(link), format!("-ERR '{told}'\r\n"));
    assert_eq!(link.poll_timeout(), None);
}

#[test]
fn a_client_has_to_send_connect_in_time() {
    let mut link = server();
    let due = NOW.plus(Duration::from_secs(2));
    // No other command makes the time longer.
    link.receive(NOW.plus(Duration::from_secs(1)), b"PING\r\n");
    assert_eq!((link.poll_event(), written(&mut link)), (None, "PONG\r\n".to_owned()));
    assert_eq!(link.poll_timeout(), Some(due));
    link.handle_timeout(Time(due.0 - 1));
    assert_eq!(link.poll_event(), None);
    link.handle_timeout(due);
    assert_closed(&mut link, NatsClientFault::NotConnected, "Authentication Timeout");
}

#[test]
fn a_silent_client_is_sent_pings_and_then_closed() {
    let mut link = server();
    link.receive(NOW, b"CONNECT {}\r\n");
    assert_eq!(link.poll_event(), None);
    written(&mut link);
    let mut now = NOW;
    for answer in ["PONG\r\n", "PING\r\n", ""] {
        now = link.poll_timeout().expect("the link is open");
        link.handle_timeout(Time(now.0 - 1));
        assert_eq!(written(&mut link), "", "it is too early");
        link.handle_timeout(now);
        assert_eq!(written(&mut link), "PING\r\n");
        if !answer.is_empty() {
            now = now.plus(Duration::from_secs(1));
            link.receive(now, answer.as_bytes());
            assert_eq!(link.poll_event(), None);
            written(&mut link);
        }
    }
    // Of the last ping there is no answer.
    now = now.plus(INTERVAL);
    link.handle_timeout(now);
    assert_eq!(written(&mut link), "PING\r\n");
    link.handle_timeout(now.plus(INTERVAL));
    assert_closed(&mut link, NatsClientFault::Silent(2), "Stale Connection");
}

#[test]
fn a_client_is_told_of_the_faults_that_the_driver_finds() {
    for (fault, told) in [
        (NatsClientFault::Slow, "Slow Consumer"),
        (NatsClientFault::TooManyConnections { max: 2 }, "maximum connections exceeded"),
    ] {
        let mut link = server();
        link.close(fault);
        link.close(NatsClientFault::NotConnected);
        assert_closed(&mut link, fault, told);
    }
}
