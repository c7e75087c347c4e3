//! Contexts: what each operation returns and what is sent (§1.6).

use nuncio_core::caracal::{
    ApplicationId, BearerToken, CallerHeaders, Context, EdgeId, Envelope, Header, Hop, NoBearerToken, SessionId,
    TooManyHops, Trace, ZoneId,
};
use nuncio_core::trace::{SpanId, TraceId};

use super::fixtures::exchange;

const LIMIT: Hop = Hop::DEFAULT_LIMIT;

fn token(text: &str) -> BearerToken {
    BearerToken::new(text).unwrap()
}

fn session(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

fn edge(id: &str) -> EdgeId {
    EdgeId::new(id).unwrap()
}

fn trace(byte: u8) -> Trace {
    Trace::new(TraceId::from_bytes([byte; 16]).unwrap())
}

fn span() -> SpanId {
    SpanId::from_bytes([9; 8]).unwrap()
}

fn own() -> Context {
    Context::new(ZoneId::new("z1").unwrap(), ApplicationId::new("app-a").unwrap(), token("own"))
}

fn inbound(fields: &[(&str, &str)]) -> Result<Context, NoBearerToken> {
    Context::inbound(own().zone().clone(), own().application().clone(), Envelope::read(fields.iter().copied()))
}

fn value<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name() == name).map(|header| header.value().expose())
}

fn baggage(context: &Context) -> String {
    let headers = context.headers(span(), LIMIT, &CallerHeaders::default()).unwrap();
    value(&headers, "baggage").unwrap().to_owned()
}

#[test]
fn s1_6_outside_every_session_the_hop_alone_is_sent() {
    let (recorded, _) = exchange("53");
    assert_eq!(baggage(&own()), recorded.header("baggage").unwrap());
}

#[test]
fn s1_6_a_spawn_keeps_the_hop_and_the_trace_and_makes_the_edge_its_parent_edge() {
    let first = own().spawned(token("own"), session("s-1"), trace(1));
    let delegated = first.delegated(edge("e-1"), LIMIT).unwrap();
    let child = delegated.spawned(token("fresh"), session("s-2"), trace(2));
    assert_eq!((child.session(), child.edge(), child.parent_edge()), (Some(&session("s-2")), None, Some(&edge("e-1"))));
    assert_eq!((child.hop(), child.trace()), (Hop::new(1), Some(&trace(1))));
    assert_eq!(child.token(), &token("fresh"));
    assert_eq!(baggage(&child), "caracal.agent_session=s-2,caracal.parent_edge=e-1,caracal.hop=1");
}

#[test]
fn s1_6_a_delegation_keeps_the_session_and_counts_a_hop() {
    let (first, _) = exchange("27");
    let envelope = Envelope::read(first.headers());
    let source = own().spawned(token("own"), envelope.baggage.session.unwrap(), trace(1));
    let delegated = source.delegated(envelope.baggage.edge.unwrap(), LIMIT).unwrap();
    assert_eq!(baggage(&delegated), first.header("baggage").unwrap());
    let again = delegated.delegated(edge("e-2"), LIMIT).unwrap();
    assert_eq!((again.edge(), again.parent_edge()), (Some(&edge("e-2")), delegated.edge()));
    assert_eq!((again.session(), again.hop()), (source.session(), Hop::new(2)));
    assert_eq!((source.edge(), source.hop()), (None, Hop::ZERO), "a context never changes");
}

#[test]
fn s1_6_a_spawn_that_is_delegated_to_has_its_own_session_and_the_edge() {
    let parent = own().spawned(token("own"), session("s-1"), trace(1)).delegated(edge("e-1"), LIMIT).unwrap();
    let child = parent.delegated_to_spawned(token("own"), session("s-2"), edge("e-2"), trace(2), LIMIT).unwrap();
    assert_eq!(
        baggage(&child),
        "caracal.agent_session=s-2,caracal.delegation_edge=e-2,caracal.parent_edge=e-1,caracal.hop=2"
    );
}

#[test]
fn s7_4_a_delegation_beyond_the_limit_is_refused() {
    let mut context = own().spawned(token("own"), session("s"), trace(1));
    for _ in 0..10 {
        context = context.delegated(edge("e"), LIMIT).unwrap();
    }
    let refused = TooManyHops { hop: Hop::new(11), limit: LIMIT };
    assert_eq!(context.delegated(edge("e"), LIMIT), Err(refused));
    assert!(context.delegated_to_spawned(token("own"), session("t"), edge("e"), trace(1), LIMIT).is_err());
    let full = inbound(&[("authorization", "Bearer t"), ("baggage", "caracal.hop=32")]).unwrap();
    assert!(full.delegated(edge("e"), Hop::MAX).is_err(), "the hop after the largest is above every limit");
    assert!(full.headers(span(), LIMIT, &CallerHeaders::default()).is_err());
}

#[test]
fn s1_6_an_inbound_context_is_sent_on_as_the_python_sdk_sends_it() {
    let (recorded, _) = exchange("65");
    let context =
        Context::inbound(own().zone().clone(), own().application().clone(), Envelope::read(recorded.headers()))
            .unwrap();
    let headers = context.headers(span(), LIMIT, &CallerHeaders::default()).unwrap();
    assert_eq!(value(&headers, "authorization"), recorded.header("authorization"));
    assert_eq!(value(&headers, "baggage"), recorded.header("baggage"));
    let sent = value(&headers, "traceparent").unwrap();
    assert_eq!(
        sent[..36],
        recorded.header("traceparent").unwrap()[..36],
        "the trace stays and the span is the caller's"
    );
    assert_eq!(sent, "00-4bf92f3577b34da6a3ce929d0e0e4736-0909090909090909-01");
}

#[test]
fn b7_an_inbound_request_without_a_token_is_an_error() {
    assert_eq!(inbound(&[("baggage", "caracal.agent_session=s-1")]), Err(NoBearerToken));
    assert_eq!(inbound(&[("authorization", "Basic x")]), Err(NoBearerToken));
}

#[test]
fn b8_a_session_below_an_inbound_one_has_no_parent_of_another_application() {
    let context = inbound(&[("authorization", "Bearer t"), ("baggage", "caracal.agent_session=theirs")]).unwrap();
    assert_eq!((context.session(), context.parent()), (Some(&session("theirs")), None));
    let child = context.spawned(token("own"), session("ours"), trace(1));
    assert_eq!(child.parent(), Some(&session("ours")));
}

#[test]
fn b10_flags_tracestate_and_baggage_of_others_are_kept() {
    let context = inbound(&[
        ("authorization", "Bearer t"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
        ("tracestate", "vendor=1"),
        ("baggage", "tenant=acme,caracal.agent_session=s,caracal.session=sid"),
    ])
    .unwrap();
    let caller = CallerHeaders::read([("Baggage", "tenant=mine,caracal.agent_session=forged"), ("baggage", "user=1")]);
    let headers = context.headers(span(), LIMIT, &caller).unwrap();
    assert_eq!(value(&headers, "traceparent"), Some("00-4bf92f3577b34da6a3ce929d0e0e4736-0909090909090909-00"));
    assert_eq!(value(&headers, "tracestate"), Some("vendor=1"));
    assert_eq!(
        value(&headers, "baggage"),
        Some("caracal.agent_session=s,caracal.session=sid,caracal.hop=0,tenant=mine,user=1")
    );
}

#[test]
fn s1_5_the_callers_authorization_and_traceparent_stay() {
    let (recorded, _) = exchange("51");
    let context = own().spawned(token("own"), session("s"), trace(1));
    let headers = context.headers(span(), LIMIT, &CallerHeaders::read(recorded.headers())).unwrap();
    assert_eq!(value(&headers, "authorization"), None);
    assert_eq!(value(&headers, "traceparent"), None);
    assert_eq!(value(&headers, "baggage"), Some("caracal.agent_session=s,caracal.hop=0,tenant=acme"));
}

#[test]
fn a_context_does_not_print_its_token() {
    let refreshed = own().with_token(token("hush"));
    assert_eq!(refreshed.token(), &token("hush"));
    assert!(!format!("{refreshed:?} {:?}", refreshed.authorization()).contains("hush"));
}
