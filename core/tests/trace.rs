//! Trace ids and trace contexts (§11).
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use nuncio_core::trace::{SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState};
use proptest::prelude::*;

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn s11_a_trace_id_is_32_lower_case_hex_digits_and_not_zero() {
    assert_eq!(TraceId::parse(ID).unwrap().to_string(), ID);
    for wrong in [
        "",
        "4bf92f3577b34da6a3ce929d0e0e473",
        "4bf92f3577b34da6a3ce929d0e0e47361",
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "4bf92f3577b34da6a3ce929d0e0e473g",
        "00000000000000000000000000000000",
        "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        " 4bf92f3577b34da6a3ce929d0e0e473",
        "éééééééééééééééé",
        PARENT,
    ] {
        assert_eq!(TraceId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn s11_a_whole_traceparent_gives_its_trace_id() {
    assert_eq!(TraceId::parse_lenient(PARENT), TraceId::parse(ID));
    assert_eq!(TraceId::parse_lenient(ID), TraceId::parse(ID));
    assert_eq!(TraceId::parse_lenient("trace_01"), None);
    assert_eq!(TraceId::parse_lenient("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), None);
}

#[test]
fn w3c_version_00_is_read_strictly() {
    assert_eq!(TraceParent::parse(PARENT).unwrap().to_string(), PARENT);
    for wrong in [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "",
    ] {
        assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn w3c_later_versions_are_read_as_far_as_version_00_goes() {
    for later in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-holds",
    ] {
        assert_eq!(TraceParent::parse(later), TraceParent::parse(PARENT), "{later}");
    }
    assert_eq!(TraceParent::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.future"), None);
}

#[test]
fn w3c_reserved_flags_are_dropped() {
    let flags = |byte| TraceParent::parse(&format!("{}{byte:02x}", PARENT.strip_suffix("01").unwrap())).unwrap().flags;
    assert_eq!(flags(0xff), TraceFlags::from_byte(0x03));
    assert!(flags(0x01).sampled());
    assert!(!flags(0xfe).sampled());
}

#[test]
fn w3c_a_tracestate_is_512_printable_bytes_at_most() {
    assert!(TraceState::parse(&"a".repeat(512)).is_some());
    assert_eq!(TraceState::parse(&"a".repeat(513)), None);
    for wrong in ["", "a=b\r\nset-cookie: x", "a=é", "a=\0"] {
        assert_eq!(TraceState::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn s11_the_extension_carries_traceparent_and_tracestate() {
    let json = format!(r#"{{"traceparent":"{PARENT}","tracestate":"rojo=00f067aa0ba902b7,x=\"q\""}}"#);
    let context = TraceContext::from_json(&json).unwrap();
    assert_eq!(context.state.as_ref().map(TraceState::as_str), Some(r#"rojo=00f067aa0ba902b7,x="q""#));
    assert_eq!(context.to_json(), json);
    assert_eq!(TraceContext::EXTENSION, "x-vendor.opentelemetry.tracecontext");
}

#[test]
fn s11_only_an_unreadable_tracestate_is_dropped() {
    for tracestate in ["null", "\"\"", "\"a\\nb\""] {
        let json = format!(r#"{{"traceparent":"{PARENT}","tracestate":{tracestate},"baggage":{{}}}}"#);
        let context = TraceContext::from_json(&json).unwrap();
        assert_eq!(context.to_json(), format!(r#"{{"traceparent":"{PARENT}"}}"#));
    }
    for unreadable in ["null", "{}", "[]", "7", r#"{"traceparent":7}"#, r#"{"traceparent":"00-1-2-3"}"#, "{"] {
        assert_eq!(TraceContext::from_json(unreadable), None, "{unreadable}");
    }
}

proptest! {
    #[test]
    fn traceparents_round_trip(trace: [u8; 16], span: [u8; 8], flags in 0..4_u8) {
        if let (Some(trace_id), Some(span_id)) = (TraceId::from_bytes(trace), SpanId::from_bytes(span)) {
            let parent = TraceParent { trace_id, span_id, flags: TraceFlags::from_byte(flags) };
            prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
            prop_assert_eq!(TraceId::parse(&trace_id.to_string()), Some(trace_id));
            prop_assert_eq!(SpanId::parse(&span_id.to_string()), Some(span_id));
        }
    }

    #[test]
    fn any_text_is_a_context_or_none(text in ".{0,80}") {
        let _ = TraceId::parse_lenient(&text);
        let _ = TraceParent::parse(&text);
        let _ = TraceContext::from_json(&text);
        if let Some(state) = TraceState::parse(&text) {
            prop_assert_eq!(state.as_str(), text);
        }
    }
}
