//! Lifetimes of sessions, and leases of services with their fencing (§2.2).

use core::time::Duration;

use nuncio_core::caracal::{
    CallFailure, ClientEvent, ClientOutput, EndReason, Generation, Kind, Lease, LeaseGeneration, Spawn,
    TransportFailure, Ttl,
};

use super::support::{Host, START, delegate, session, spawn};

fn lease_body(generation: u64, secs: u64) -> String {
    let at = START.plus_secs(secs).to_rfc3339();
    format!(
        r#"{{"agent_session_id":"s","status":"active","lease_generation":{generation},"heartbeat_deadline_at":"{at}"}}"#
    )
}

fn renewed(generation: u64, secs: u64, status: &str) -> String {
    format!(r#"{{"agent":{}}}"#, lease_body(generation, secs).replace("active", status))
}

/// A client with the service `s`, whose lease ends in two minutes.
fn service() -> Host {
    let mut host = Host::new(Generation::Head, |_| {});
    host.client.spawn(host.now, Spawn { kind: Kind::Service, ..spawn() }).unwrap();
    let (id, _) = host.request();
    host.respond(id, 201, &lease_body(1, 120));
    assert!(matches!(host.event(), ClientEvent::Spawned { lease: Some(_), .. }));
    host
}

fn ended(why: EndReason) -> ClientEvent {
    ClientEvent::Ended { session: session("s"), why }
}

#[test]
fn s1_7_a_lease_is_renewed_after_a_third_of_what_remains() {
    let mut host = service();
    let mut end = 120;
    for until in [240, 360] {
        let third = START.plus_secs(end).since(host.now) / 3;
        let waited = host.wait();
        assert!((third / 10 * 9..=third / 10 * 11).contains(&waited), "{waited} of {third}");
        end = until;
        let (id, request) = host.request();
        assert_eq!(request.path(), "/zones/z1/agents/s/heartbeat");
        assert_eq!(request.body(), Some(r#"{"status":"healthy","lease_generation":1}"#));
        host.respond(id, 200, &renewed(1, until, "active"));
        host.idle();
    }
}

#[test]
fn s2_2_a_lease_that_is_not_renewed_lapses() {
    let mut host = service();
    let mut waited = 0;
    loop {
        waited += host.wait();
        match host.next() {
            Some(ClientOutput::Request { id, .. }) => host.fail(id, TransportFailure::Lost),
            Some(ClientOutput::Event(event)) => break assert_eq!(event, ended(EndReason::LeaseLapsed)),
            other => assert!(other.is_none(), "{other:?}"),
        }
    }
    assert_eq!(waited, 120_000_000);
    assert_eq!((host.client.bytes_held(), host.client.poll_timeout()), (0, None));
}

#[test]
fn s2_2_a_lease_of_another_holder_ends_the_session_once() {
    for (status, body) in [
        (409, r#"{"error":"session_lease_fenced"}"#.to_owned()),
        (409, r#"{"error":"session_lease_expired"}"#.to_owned()),
        (404, r#"{"error":"session_not_found"}"#.to_owned()),
        (200, renewed(2, 240, "active")),
        (200, renewed(1, 240, "terminated")),
    ] {
        let mut host = service();
        host.wait();
        let (id, _) = host.request();
        host.respond(id, status, &body);
        assert_eq!(host.event(), ended(EndReason::LeaseLost), "{body}");
        host.idle();
        assert_eq!(host.client.poll_timeout(), None);
    }
}

#[test]
fn s2_2_a_suspended_service_keeps_its_lease_and_is_resumed() {
    let mut host = service();
    for (status, event) in [
        ("suspended", Some(ClientEvent::Suspended(session("s")))),
        ("suspended", None),
        ("active", Some(ClientEvent::Resumed(session("s")))),
    ] {
        host.wait();
        let (id, _) = host.request();
        host.respond(id, 200, &renewed(1, 600, status));
        match event {
            Some(event) => assert_eq!(host.event(), event),
            None => host.idle(),
        }
    }
}

#[test]
fn s8_calls_of_a_session_whose_lease_is_lost_are_stopped_and_uncertain() {
    let mut host = Host::new(Generation::Head, |config| config.request_timeout = Duration::from_mins(5));
    host.client.acquire_lease(host.now, session("s")).unwrap();
    let (id, _) = host.request();
    host.respond(id, 200, r#"{"lease_generation":1}"#);
    host.event();
    let sent = host.client.delegate(host.now, delegate("s")).unwrap();
    let (attempt, _) = host.request();
    let other = host.client.delegate(host.now, delegate("other")).unwrap();
    let (others, _) = host.request();
    host.wait();
    let (beat, _) = host.request();
    let delayed = host.client.delegate(host.now, delegate("s")).unwrap();
    let (id, _) = host.request();
    host.respond_later(id, 503, Some("10"), "");
    host.respond(beat, 409, r#"{"error":"session_lease_fenced"}"#);
    assert!(matches!(host.next(), Some(ClientOutput::Abort(id)) if id == attempt));
    assert_eq!(host.event(), ClientEvent::Failed { call: sent, why: CallFailure::Uncertain });
    assert_eq!(host.event(), ClientEvent::Failed { call: delayed, why: CallFailure::LeaseLost });
    assert_eq!(host.event(), ended(EndReason::LeaseLost));
    host.idle();
    host.respond(others, 201, r#"{"id":"e"}"#);
    assert!(matches!(host.event(), ClientEvent::Delegated { call, .. } if call == other));
}

#[test]
fn s2_2_a_termination_names_the_lease_and_stops_the_heartbeats() {
    let mut host = service();
    host.client.terminate(host.now, session("s")).unwrap();
    let (id, request) = host.request();
    assert_eq!(request.body(), Some(r#"{"lease_generation":1}"#));
    host.respond(id, 409, r#"{"error":"session_lease_fenced"}"#);
    assert!(matches!(host.event(), ClientEvent::Terminated { before: true, .. }));
    assert_eq!(host.client.poll_timeout(), None);
}

#[test]
fn s2_2_a_lease_is_taken_over_in_a_new_generation() {
    let mut host = Host::new(Generation::Head, |_| {});
    let call = host.client.acquire_lease(host.now, session("s")).unwrap();
    let (id, request) = host.request();
    assert_eq!(request.path(), "/zones/z1/agents/s/lease");
    host.respond(id, 200, r#"{"lease_generation":4}"#);
    let lease = Lease { generation: LeaseGeneration::new(4).unwrap(), deadline: None };
    assert_eq!(host.event(), ClientEvent::LeaseAcquired { call, lease });
    assert!((36_000_000..=44_000_000).contains(&host.wait()), "it is held for two minutes if its end is not told");
    let (_, request) = host.request();
    assert_eq!(request.body(), Some(r#"{"status":"healthy","lease_generation":4}"#));
}

#[test]
fn s2_2_a_session_ends_with_its_lifetime() {
    let mut host = Host::new(Generation::May, |_| {});
    host.client.spawn(host.now, Spawn { ttl: Ttl::from_secs(60), ..spawn() }).unwrap();
    let (id, _) = host.request();
    host.now = host.now.plus_secs(5);
    host.respond(id, 201, r#"{"id":"s"}"#);
    host.event();
    assert_eq!(host.wait(), 55_000_000, "it counts from when it was asked for");
    assert_eq!(host.event(), ended(EndReason::Expired));
    assert_eq!(host.client.bytes_held(), 0);
}

#[test]
fn a_lease_whose_end_is_not_told_lasts_for_two_minutes() {
    let mut host = Host::new(Generation::Head, |_| {});
    host.client.spawn(host.now, Spawn { kind: Kind::Service, ..spawn() }).unwrap();
    let (id, _) = host.request();
    host.respond(id, 201, r#"{"agent_session_id":"s","lease_generation":1}"#);
    host.event();
    let mut waited = 0;
    loop {
        waited += host.wait();
        match host.next() {
            Some(ClientOutput::Request { id, .. }) => host.fail(id, TransportFailure::Lost),
            Some(ClientOutput::Event(event)) => break assert_eq!(event, ended(EndReason::LeaseLapsed)),
            other => assert!(other.is_none(), "{other:?}"),
        }
    }
    assert_eq!(waited, 120_000_000);
}
