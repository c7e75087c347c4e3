//! Tokens: asked for once, replaced ahead of their expiry, and refreshed after a refusal.

use nuncio_core::caracal::{CallFailure, ClientEvent, ClientOutput, Generation};

use super::support::{Host, session, spawn, token};

const REFUSED: &str = r#"{"error":"invalid_token"}"#;

fn bearer(request: &nuncio_core::caracal::Request) -> &str {
    request.headers()[0].value().expose()
}

#[test]
fn s1_7_a_refused_token_is_replaced_once() {
    let mut host = Host::new(Generation::May, |_| {});
    let call = host.client.spawn(host.now, spawn()).unwrap();
    let (id, request) = host.request();
    assert_eq!(bearer(&request), "Bearer token");
    host.respond(id, 401, REFUSED);
    assert!(host.wait() < 250_000);
    assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { rejected: true })));
    host.client.token(host.now, token("fresh"), None);
    let (id, request) = host.request();
    assert_eq!(bearer(&request), "Bearer fresh");
    host.respond(id, 401, REFUSED);
    assert!(
        matches!(host.event(), ClientEvent::Failed { call: failed, why: CallFailure::Refused(_) } if failed == call)
    );
    host.idle();
}

#[test]
fn calls_that_are_refused_together_ask_for_one_token() {
    let mut host = Host::new(Generation::May, |_| {});
    host.client.terminate(host.now, session("a")).unwrap();
    host.client.terminate(host.now, session("b")).unwrap();
    let (first, second) = (host.request().0, host.request().0);
    host.respond(first, 401, REFUSED);
    host.wait();
    assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { rejected: true })));
    host.client.token(host.now, token("fresh"), None);
    host.request();
    host.respond(second, 401, REFUSED);
    host.wait();
    let (_, request) = host.request();
    assert_eq!(bearer(&request), "Bearer fresh", "the refusal was of the token before");
}

#[test]
fn b6_a_termination_uses_the_token_of_its_own_time() {
    let mut host = Host::without_token(Generation::May, |_| {});
    host.client.token(host.now, token("short"), Some(host.now.plus_secs(600)));
    host.client.spawn(host.now, spawn()).unwrap();
    let (id, _) = host.request();
    host.respond(id, 201, r#"{"id":"s"}"#);
    host.event();
    host.now = host.now.plus_secs(541);
    host.client.terminate(host.now, session("s")).unwrap();
    assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { rejected: false })), "a minute ahead of its expiry");
    host.client.token(host.now, token("fresh"), None);
    assert_eq!(bearer(&host.request().1), "Bearer fresh");
}

#[test]
fn a_token_of_a_short_life_is_used_for_half_of_it_and_an_expired_one_never() {
    let mut host = Host::without_token(Generation::May, |_| {});
    host.client.token(host.now, token("short"), Some(host.now.plus_secs(10)));
    host.client.inbound(host.now, session("s")).unwrap();
    host.request();
    host.now = host.now.plus_secs(6);
    let call = host.client.inbound(host.now, session("s")).unwrap();
    assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { .. })));
    host.client.token(host.now, token("old"), Some(host.now));
    assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::NoToken });
}

#[test]
fn calls_fail_if_there_is_no_token_in_time() {
    for answered in [true, false] {
        let mut host = Host::without_token(Generation::May, |_| {});
        let call = host.client.spawn(host.now, spawn()).unwrap();
        assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { .. })));
        if answered {
            host.client.token_failed(host.now);
        } else {
            assert_eq!(host.wait(), 10_000_000);
        }
        assert_eq!(host.event(), ClientEvent::Failed { call, why: CallFailure::NoToken });
        host.idle();
        assert_eq!(host.client.poll_timeout(), None);
    }
}

#[test]
fn a_token_is_replaced_a_minute_before_it_expires() {
    let mut host = Host::without_token(Generation::May, |_| {});
    host.client.token(host.now, token("long"), Some(host.now.plus_secs(600)));
    host.now = host.now.plus_secs(539);
    host.client.inbound(host.now, session("s")).unwrap();
    host.request();
    host.now = host.now.plus_secs(1);
    host.client.inbound(host.now, session("s")).unwrap();
    assert!(matches!(host.next(), Some(ClientOutput::TokenNeeded { .. })));
}
