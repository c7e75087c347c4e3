//! Headers: limits, several lines, the guide's form, baggage of others, and what cannot be sent (§1.3, §7).

use nuncio_core::caracal::{
    Baggage, BearerToken, EdgeId, Envelope, HeaderValue, Hop, InboundTrace, InvalidHeader, SessionId, TooManyHops,
};

use super::fixtures::exchange;

fn foreign(baggage: &Baggage) -> Vec<&str> {
    baggage.foreign.members().collect()
}

#[test]
fn s1_3_headers_of_the_python_sdk_are_read_and_written_again() {
    let mut written = 0;
    for number in ["27", "50", "53", "55", "65"] {
        let (request, _) = exchange(number);
        let envelope = Envelope::read(request.headers());
        assert_eq!(envelope.token.unwrap().to_authorization().expose(), request.header("authorization").unwrap());
        assert_eq!(envelope.trace.unwrap().parent.unwrap().to_string(), request.header("traceparent").unwrap());
        assert_eq!(envelope.baggage.to_header(Hop::MAX).unwrap().expose(), request.header("baggage").unwrap());
        written += 1;
    }
    assert_eq!(written, 5);
}

#[test]
fn s7_3_members_separated_by_semicolons_are_read_as_the_guide_prints_them() {
    let baggage = Baggage::read(["caracal.agent_session=a;caracal.delegation_edge=b; caracal.hop = 2"]);
    assert_eq!(baggage.session, SessionId::new("a").ok());
    assert_eq!(baggage.edge, EdgeId::new("b").ok());
    assert_eq!(baggage.hop, Hop::new(2));
    let baggage = Baggage::read(["tenant=x;caracal.hop=2"]);
    assert_eq!(baggage.hop, Hop::ZERO, "a property of another tool's member is that tool's own");
    assert_eq!(foreign(&baggage), ["tenant=x;caracal.hop=2"]);
}

#[test]
fn s1_3_baggage_of_other_tools_is_kept_with_its_properties_and_sorted() {
    let baggage = Baggage::read(["z=1;p=2, a=%41 ,caracal.hop=1,CARACAL.HOP=4,caracal.new=5,a=b,no value"]);
    assert_eq!(foreign(&baggage), ["CARACAL.HOP=4", "a=b", "caracal.new=5", "z=1;p=2"]);
    assert_eq!(baggage.to_header(Hop::MAX).unwrap().expose(), "caracal.hop=1,CARACAL.HOP=4,a=b,caracal.new=5,z=1;p=2");
    let callers = Baggage::read(["a=mine,b=1,caracal.hop=9"]);
    let merged = baggage.foreign.merged(&callers.foreign);
    assert_eq!(merged.members().collect::<Vec<_>>(), ["CARACAL.HOP=4", "a=mine", "b=1", "caracal.new=5", "z=1;p=2"]);
}

#[test]
fn s1_3_members_that_cannot_be_sent_on_are_dropped() {
    let baggage = Baggage::read(["a=\r\nevil: 1,b b=1,c=é,=x,d=1"]);
    assert_eq!(foreign(&baggage), ["d=1"]);
}

#[test]
fn s1_3_a_header_beyond_its_limits_is_ignored_as_a_whole() {
    let members = |count: usize| (0..count).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
    let with = |rest: &str| Baggage::read([format!("caracal.hop=3,{rest}").as_str()]);
    assert_eq!(with(&members(63)).hop, Hop::new(3));
    assert_eq!(with(&members(64)), Baggage::default());
    assert_eq!(Baggage::read(["caracal.hop=3", &members(64)]), Baggage::default(), "the lines count together");
    let padding = |bytes: usize| format!("k={}", "v".repeat(bytes - 16));
    assert_eq!(with(&padding(8_192)).hop, Hop::new(3));
    assert_eq!(with(&padding(8_193)), Baggage::default());
    assert_eq!(Baggage::read(["caracal.hop=3", &padding(8_193)]), Baggage::default());
    let semicolons = vec!["caracal.hop=3"; 65].join(";");
    assert_eq!(Baggage::read([semicolons.as_str()]), Baggage::default(), "the guide's form counts as well");
}

#[test]
fn s1_3_what_is_sent_keeps_the_limits() {
    let id = "é".repeat(128);
    let many = (0..64).map(|at| format!("key{at:02}={}", "v".repeat(110))).collect::<Vec<_>>().join(",");
    let mut baggage = Baggage::read([many.as_str()]);
    assert_eq!(foreign(&baggage).len(), 64);
    baggage.session = SessionId::new(&id).ok();
    baggage.edge = EdgeId::new(&id).ok();
    baggage.parent_edge = EdgeId::new(&id).ok();
    let sent = baggage.to_header(Hop::MAX).unwrap();
    assert!(sent.expose().len() <= 8_192 && sent.expose().len() > 8_000, "{}", sent.expose().len());
    let again = Baggage::read([sent.expose()]);
    assert_eq!((again.session, again.edge), (baggage.session, baggage.edge));
}

#[test]
fn s7_4_hops_are_clamped_when_read_and_refused_above_the_limit_when_sent() {
    for (text, hops) in [("0", 0), ("10", 10), ("32", 32), ("33", 32), ("99999999999999999999", 32), ("-4", 0)] {
        assert_eq!(Hop::read(text), Hop::new(hops), "{text}");
    }
    for malformed in ["", "x", "1.0", "_1", "1_", "1__0", "+-1", "٣", "0x1"] {
        assert_eq!(Hop::read(malformed), Hop::ZERO, "{malformed}");
    }
    assert_eq!(Hop::MAX.next(), Hop::MAX);
    let baggage = Baggage { hop: Hop::new(11), ..Baggage::default() };
    let refused = TooManyHops { hop: Hop::new(11), limit: Hop::DEFAULT_LIMIT };
    assert_eq!(baggage.to_header(Hop::DEFAULT_LIMIT), Err(refused));
    assert_eq!(refused.to_string(), "the call would be hop 11, and at most 10 are allowed");
    assert_eq!(baggage.to_header(Hop::new(11)).unwrap().expose(), "caracal.hop=11");
}

#[test]
fn several_lines_are_joined_and_other_repeated_headers_are_ambiguous() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let envelope = Envelope::read([
        ("BAGGAGE", "caracal.agent_session=a"),
        ("authorization", "Bearer t"),
        ("Authorization", "Bearer t"),
        ("traceparent", trace),
        ("tracestate", "a=1"),
        ("baggage", "caracal.hop=1"),
    ]);
    assert_eq!((envelope.baggage.session, envelope.baggage.hop), (SessionId::new("a").ok(), Hop::new(1)));
    assert_eq!(envelope.token, BearerToken::new("t").ok(), "the same field twice is one");
    assert_eq!(envelope.state.unwrap().as_str(), "a=1");
    let envelope =
        Envelope::read([("authorization", "Bearer t"), ("authorization", "Bearer u"), ("tracestate", "a=1")]);
    assert_eq!((envelope.token, envelope.trace, envelope.state), (None, None, None));
}

#[test]
fn s1_3_a_trace_without_a_valid_parent_is_joined_without_one() {
    for (text, has_parent) in [
        ("00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-03", true),
        ("ff-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01", false),
        ("00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0000000000000000-01", false),
    ] {
        assert_eq!(InboundTrace::parse(text).unwrap().parent.is_some(), has_parent, "{text}");
    }
    assert_eq!(InboundTrace::parse("00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01\n"), None, "B13");
}

#[test]
fn no_value_can_hold_a_line_break_and_tokens_are_never_printed() {
    assert_eq!(HeaderValue::new("a\r\nb"), Err(InvalidHeader::NotPrintable));
    assert_eq!(HeaderValue::new("é"), Err(InvalidHeader::NotPrintable));
    assert_eq!(HeaderValue::new(" a"), Err(InvalidHeader::Blank));
    assert_eq!(HeaderValue::new(""), Err(InvalidHeader::Blank));
    assert_eq!(HeaderValue::new("a".repeat(8_193)), Err(InvalidHeader::TooLong));
    assert_eq!(BearerToken::new(&"a".repeat(BearerToken::MAX_BYTES + 1)), Err(InvalidHeader::TooLong));
    assert_eq!(BearerToken::new("a\nb"), Err(InvalidHeader::NotPrintable));
    assert_eq!(BearerToken::from_authorization("Bearer a\u{7f}b"), None);
    let token = BearerToken::new("hush").unwrap();
    let value = token.to_authorization();
    assert!(value.is_secret());
    let envelope = Envelope::read([("authorization", "Bearer hush")]);
    for printed in [format!("{token:?}"), format!("{value:?}"), format!("{envelope:?}")] {
        assert!(!printed.contains("hush"), "{printed}");
    }
}
