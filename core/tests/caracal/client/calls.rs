//! Calls: answers, retries, lost answers, composed calls, limits, and the end of a client.

use nuncio_core::caracal::{
    CallFailure, ClientEvent, ClientOutput, ClientRefused, CreatedEdge, EdgeId, Generation, Metadata, NewEdge, Spawn,
    TransportFailure,
};

use super::support::{Host, delegate, key, session, spawn};

const HEAD: Generation = Generation::Head;
const MAY: Generation = Generation::May;
const SPAWNED: &str = r#"{"id":"s-1"}"#;

fn host(generation: Generation) -> Host {
    Host::new(generation, |_| {})
}

#[test]
fn s1_1_a_session_is_opened_and_terminated() {
    let mut host = host(MAY);
    let call = host.client.spawn(host.now, spawn()).unwrap();
    let (id, request) = host.request();
    assert_eq!((request.method().as_str(), request.path()), ("POST", "/zones/z1/agents"));
    host.respond(id, 201, SPAWNED);
    assert_eq!(host.event(), ClientEvent::Spawned { call, session: session("s-1"), lease: None });
    let call = host.client.terminate(host.now, session("s-1")).unwrap();
    let (id, request) = host.request();
    assert_eq!((request.method().as_str(), request.path()), ("DELETE", "/zones/z1/agents/s-1"));
    host.respond(id, 404, r#"{"error":"agent_not_found"}"#);
    assert_eq!(host.event(), ClientEvent::Terminated { call, before: true });
    host.idle();
    assert_eq!((host.client.bytes_held(), host.client.poll_timeout()), (0, None));
}

#[test]
fn s1_7_a_lost_spawn_is_repeated_twice_with_the_same_key_and_growing_delays() {
    let mut host = host(HEAD);
    let call = host.client.spawn(host.now, spawn()).unwrap();
    let (id, first) = host.request();
    host.fail(id, TransportFailure::Lost);
    assert!((250_000..350_000).contains(&host.wait()));
    let (id, second) = host.request();
    assert_eq!(first, second);
    assert!(key(&first).is_some());
    host.respond(id, 500, "");
    assert!((500_000..600_000).contains(&host.wait()));
    let (id, third) = host.request();
    assert_eq!(first, third);
    host.fail(id, TransportFailure::Lost);
    assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::Uncertain });
    host.idle();
}

#[test]
fn a_refusal_of_the_last_attempt_does_not_hide_that_an_earlier_one_was_lost() {
    let mut host = host(HEAD);
    let call = host.client.spawn(host.now, spawn()).unwrap();
    let (id, _) = host.request();
    host.fail(id, TransportFailure::Lost);
    for _ in 0..2 {
        host.wait();
        let (id, _) = host.request();
        host.respond(id, 503, "");
    }
    assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::Uncertain });
}

#[test]
fn a_lost_spawn_is_not_repeated_once_its_key_may_be_forgotten() {
    for (failure, is_repeated) in [(TransportFailure::Lost, false), (TransportFailure::NotSent, true)] {
        let mut host = host(HEAD);
        let call = host.client.spawn(host.now, spawn()).unwrap();
        let (id, _) = host.request();
        host.fail(id, failure);
        // The machine is suspended before the next attempt.
        host.now = host.now.plus_secs(3_601);
        host.client.handle_timeout(host.now);
        if is_repeated {
            host.request();
        } else {
            assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::Uncertain });
        }
        host.idle();
    }
}

#[test]
fn b1_every_logical_spawn_has_a_key_of_its_own() {
    let mut host = host(HEAD);
    host.client.spawn(host.now, spawn()).unwrap();
    host.client.spawn(host.now, spawn()).unwrap();
    let (first, second) = (host.request().1, host.request().1);
    assert_ne!(key(&first), key(&second));
}

#[test]
fn a_spawn_that_a_coordinator_of_0_1_may_have_carried_out_is_not_repeated() {
    for (status, why) in [(502, Some(CallFailure::Uncertain)), (504, Some(CallFailure::Uncertain)), (500, None)] {
        let mut host = host(MAY);
        let call = host.client.spawn(host.now, spawn()).unwrap();
        let (id, _) = host.request();
        host.respond(id, status, "");
        let ClientEvent::Failed { call: failed, why: reason } = host.event() else { panic!("{status}") };
        assert_eq!(failed, call);
        match why {
            Some(why) => assert_eq!(reason, why),
            None => assert!(matches!(reason, CallFailure::Refused(_)), "a failed validation is a 500 there"),
        }
    }
    let mut host = host(MAY);
    let call = host.client.delegate(host.now, delegate("s")).unwrap();
    let (id, _) = host.request();
    host.fail(id, TransportFailure::Lost);
    assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::Uncertain });
}

#[test]
fn a_call_that_was_not_sent_is_repeated_for_every_coordinator() {
    let mut host = host(MAY);
    let call = host.client.spawn(host.now, spawn()).unwrap();
    for _ in 0..3 {
        let (id, _) = host.request();
        host.fail(id, TransportFailure::NotSent);
        if host.client.poll_timeout().is_some() {
            host.wait();
        }
    }
    assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::Unreachable });
}

#[test]
fn s1_7_a_delegation_is_repeated_once() {
    let mut host = host(HEAD);
    let call = host.client.delegate(host.now, delegate("s")).unwrap();
    let (id, first) = host.request();
    host.respond(id, 503, "");
    host.wait();
    let (id, second) = host.request();
    assert_eq!(key(&first), key(&second));
    host.respond(id, 503, "");
    assert!(matches!(host.event(), ClientEvent::Failed { call: failed, .. } if failed == call));
}

#[test]
fn s1_7_retry_after_is_honoured_up_to_its_limit() {
    for (value, at_least) in [
        ("3", 3_000_000),
        ("0", 0),
        ("99999999999999999999", 10_000_000),
        ("Sun, 17 May 2026 06:40:04 GMT", 4_000_000),
        ("Sun, 17 May 2020 06:40:04 GMT", 0),
        ("soon", 250_000),
    ] {
        let mut host = host(MAY);
        host.client.spawn(host.now, spawn()).unwrap();
        let (id, _) = host.request();
        host.respond_later(id, 429, Some(value), r#"{"error":"rate_limited"}"#);
        let waited = host.wait();
        assert!((at_least..at_least + 100_000).contains(&waited), "{value}: {waited}");
        host.request();
    }
}

#[test]
fn s1_1_a_limit_of_the_coordinator_is_not_repeated() {
    let mut host = host(HEAD);
    host.client.spawn(host.now, spawn()).unwrap();
    let (id, _) = host.request();
    host.respond_later(id, 429, Some("1"), r#"{"error":"session_zone_limit_exceeded"}"#);
    assert!(matches!(host.event(), ClientEvent::Failed { why: CallFailure::Refused(fault), .. }
        if fault.is("session_zone_limit_exceeded")));
}

#[test]
fn an_unanswered_request_is_given_up_and_its_late_answer_ignored() {
    let mut host = host(MAY);
    let call = host.client.terminate(host.now, session("s")).unwrap();
    let (first, _) = host.request();
    assert_eq!(host.wait(), 10_000_000);
    assert!(matches!(host.next(), Some(ClientOutput::Abort(id)) if id == first));
    host.respond(first, 204, "");
    host.idle();
    host.wait();
    let (second, _) = host.request();
    host.fail(first, TransportFailure::Lost);
    host.respond(second, 204, "");
    assert_eq!(host.event(), ClientEvent::Terminated { call, before: false });
    host.respond(second, 204, "");
    host.idle();
}

#[test]
fn a_revocation_whose_answer_was_lost_has_succeeded_if_the_edge_is_gone() {
    let mut host = host(MAY);
    let call = host.client.revoke(host.now, EdgeId::new("e").unwrap()).unwrap();
    let (id, _) = host.request();
    host.fail(id, TransportFailure::Lost);
    host.wait();
    let (id, _) = host.request();
    host.respond(id, 404, r#"{"error":"delegation_not_found"}"#);
    assert!(matches!(host.event(), ClientEvent::Revoked { call: revoked, .. } if revoked == call));
    host.client.revoke(host.now, EdgeId::new("e").unwrap()).unwrap();
    let (id, _) = host.request();
    host.respond(id, 404, r#"{"error":"delegation_not_found"}"#);
    assert!(matches!(host.event(), ClientEvent::Failed { .. }), "an edge that was never there is an error");
}

#[test]
fn an_answer_that_cannot_be_read_fails_the_call() {
    let mut host = host(HEAD);
    host.client.spawn(host.now, spawn()).unwrap();
    let (id, _) = host.request();
    host.respond(id, 201, "{}");
    assert!(matches!(host.event(), ClientEvent::Failed { why: CallFailure::Malformed(_), .. }));
}

fn child() -> Spawn {
    Spawn { parent: Some(session("parent")), ..spawn() }
}

fn edge() -> NewEdge {
    NewEdge { scopes: vec!["x".into()], ..NewEdge::default() }
}

#[test]
fn s1_6_a_session_is_opened_with_an_edge_into_it() {
    let mut host = host(MAY);
    assert_eq!(host.client.delegate_to_spawn(host.now, spawn(), edge()), Err(ClientRefused::NoParent));
    let call = host.client.delegate_to_spawn(host.now, child(), edge()).unwrap();
    let (first, _) = host.request();
    host.respond(first, 201, SPAWNED);
    let (second, request) = host.request();
    assert!(request.body().unwrap().contains(r#""source_session_id":"parent","target_session_id":"s-1""#));
    host.respond(first, 404, "");
    host.idle();
    host.respond(second, 201, r#"{"id":"e-1"}"#);
    let created = CreatedEdge { edge: EdgeId::new("e-1").unwrap(), scopes: Vec::new(), expires_at: None };
    assert_eq!(host.event(), ClientEvent::SpawnedWithEdge { call, session: session("s-1"), edge: created });
}

#[test]
fn b4_a_session_whose_edge_cannot_be_created_is_terminated() {
    let mut host = host(MAY);
    let call = host.client.delegate_to_spawn(host.now, child(), edge()).unwrap();
    let (id, _) = host.request();
    host.respond(id, 201, SPAWNED);
    let (id, _) = host.request();
    host.respond(id, 400, r#"{"error":"delegation_expiry_required"}"#);
    assert!(matches!(host.event(), ClientEvent::Failed { call: failed, .. } if failed == call));
    let (id, request) = host.request();
    assert_eq!((request.method().as_str(), request.path()), ("DELETE", "/zones/z1/agents/s-1"));
    host.respond(id, 204, "");
    host.idle();
    assert_eq!(host.client.bytes_held(), 0);
}

#[test]
fn calls_bytes_and_sessions_beyond_their_limits_are_refused() {
    let mut host = Host::new(MAY, |config| {
        config.limits.calls = 3;
        config.limits.call_bytes = 4_096;
        config.limits.sessions = 2;
    });
    let metadata = Metadata::new(&format!(r#"{{"a":"{}"}}"#, "x".repeat(4_096))).unwrap();
    let large = Spawn { metadata: Some(metadata), ..spawn() };
    assert_eq!(host.client.spawn(host.now, large), Err(ClientRefused::TooManyCalls));
    host.client.spawn(host.now, spawn()).unwrap();
    host.client.spawn(host.now, spawn()).unwrap();
    assert_eq!(host.client.spawn(host.now, spawn()), Err(ClientRefused::TooManySessions));
    assert_eq!(host.client.acquire_lease(host.now, session("s")), Err(ClientRefused::TooManySessions));
    host.client.inbound(host.now, session("s")).unwrap();
    assert_eq!(host.client.inbound(host.now, session("s")), Err(ClientRefused::TooManyCalls));
    assert!(host.client.bytes_held() <= 4_096);
}

#[test]
fn a_closed_client_finishes_its_terminations_and_keeps_no_session() {
    let mut host = Host::without_token(MAY, |_| {});
    let list = host.client.inbound(host.now, session("s")).unwrap();
    assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { rejected: false })));
    let end = host.client.terminate(host.now, session("s")).unwrap();
    host.client.close(host.now);
    assert_eq!(host.event(), ClientEvent::Failed { call: list, why: CallFailure::Closed });
    assert_eq!(host.client.spawn(host.now, spawn()), Err(ClientRefused::Closed));
    host.client.token(host.now, super::support::token("t"), None);
    let (id, _) = host.request();
    host.respond(id, 204, "");
    assert_eq!(host.event(), ClientEvent::Terminated { call: end, before: false });
    assert_eq!(host.event(), ClientEvent::Closed);
    host.idle();

    let mut host = Host::new(MAY, |_| {});
    let call = host.client.spawn(host.now, spawn()).unwrap();
    let (id, _) = host.request();
    host.client.close(host.now);
    host.respond(id, 201, SPAWNED);
    assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::Closed });
    let (id, request) = host.request();
    assert_eq!(request.path(), "/zones/z1/agents/s-1");
    host.respond(id, 204, "");
    assert_eq!(host.event(), ClientEvent::Closed);
}
