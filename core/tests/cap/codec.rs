//! Decoding and encoding: exact bytes, bounds, and an error for everything that is not a message.

use std::collections::BTreeMap;

use nuncio_core::cap::{
    AlertSeverity, BusPacket, ComponentRole, DecodeError, DecodeLimits, ErrorCode, Handshake, JobPriority, JobRequest,
    JobStatus, ListValue, MapOrder, Payload, PrivateMap, Secret, Struct, Timestamp, Value, ValueKind,
    WorkerHandshakeResult,
};
use nuncio_core::time::Time;

use crate::support::{all, named};

fn decode(bytes: &[u8]) -> Result<BusPacket, DecodeError> {
    BusPacket::decode(bytes, &DecodeLimits::default())
}

/// Packets whose fields are not in the order in which they are written.
const REORDERED: [&str; 5] = [
    "amb_unknown_low_field",
    "neg_duplicate_payload",
    "pos_go_wire_order",
    "pos_signature_first",
    "pos_unknown_high_field",
];

#[test]
fn every_packet_is_encoded_again_byte_for_byte() {
    let mut exact = 0;
    for fixture in all() {
        let bytes = fixture.packet();
        let Ok(packet) = decode(&bytes) else {
            assert_eq!(fixture.name, "neg_truncated");
            continue;
        };
        let again = packet.encode(MapOrder::Upb);
        if !REORDERED.contains(&fixture.name.as_str()) {
            assert_eq!(again, bytes, "{}", fixture.name);
            exact += 1;
        }
        let unsigned = BusPacket { signature: Vec::new(), ..packet }.encode(MapOrder::Upb);
        assert_eq!(Some(unsigned), fixture.unsigned(), "{}: what the Python SDK signs", fixture.name);
    }
    assert!(exact > 120, "only {exact} packets");
}

#[test]
fn both_map_orders_are_the_same_without_keys_that_begin_others() {
    let differ: Vec<String> = all()
        .into_iter()
        .filter(|fixture| {
            decode(&fixture.packet())
                .is_ok_and(|packet| packet.encode(MapOrder::Upb) != packet.encode(MapOrder::Lexicographic))
        })
        .map(|fixture| fixture.name)
        .collect();
    // The handshakes name the topics job.echo and job.echo.fail.
    for name in differ {
        let has_pair = name.contains("map_prefix") || name.contains("map_defaults") || name.contains("handshake");
        assert!(has_pair, "{name}");
    }
}

#[test]
fn upb_writes_the_longer_of_two_keys_first_if_one_begins_the_other() {
    let labels = ["a", "ab", "b", ""].map(|key| (key.to_owned(), "1".to_owned())).into();
    let request = JobRequest { labels, ..JobRequest::default() };
    let keys = |order| {
        let bytes = request.encode(order);
        let entries: Vec<String> = bytes
            .split(|byte| *byte == 0x7a)
            .skip(1)
            .map(|entry| {
                let length = usize::from(entry[2]);
                String::from_utf8(entry[3..3 + length].to_vec()).unwrap()
            })
            .collect();
        entries
    };
    assert_eq!(keys(MapOrder::Lexicographic), ["", "a", "ab", "b"]);
    assert_eq!(keys(MapOrder::Upb), ["ab", "a", "b", ""]);
}

#[test]
fn fields_have_the_values_that_were_sent() {
    let packet = decode(&named("job_request_full").packet()).unwrap();
    let Some(Payload::JobRequest(request)) = &packet.payload else { panic!("{packet:?}") };
    assert_eq!(packet.created_at.as_ref().unwrap().to_time().unwrap().to_rfc3339(), "2026-01-01T00:00:00.123Z");
    assert_eq!(request.priority, JobPriority::CRITICAL);
    assert!(request.compensation.is_some() && request.meta.is_some() && request.budget.is_some());
    assert!(!request.env.0.is_empty());

    let packet = decode(&named("job_result_failed_retryable").packet()).unwrap();
    let Some(Payload::JobResult(result)) = packet.payload else { panic!() };
    assert_eq!(result.status, JobStatus::FAILED_RETRYABLE);

    let packet = decode(&named("alert_structured").packet()).unwrap();
    let Some(Payload::Alert(alert)) = packet.payload else { panic!() };
    assert!(alert.severity > AlertSeverity::UNSPECIFIED && alert.error_code_enum > ErrorCode::UNSPECIFIED);

    let packet = decode(&named("handshake").packet()).unwrap();
    let Some(Payload::Handshake(handshake)) = packet.payload else { panic!() };
    assert_eq!((handshake.role, handshake.supported_versions), (ComponentRole::WORKER, vec![1]));
    assert!(handshake.capabilities.values().any(|enabled| !enabled), "a false value is kept");

    let packet = decode(&named("job_request_negative").packet()).unwrap();
    let Some(Payload::JobRequest(request)) = packet.payload else { panic!() };
    assert_eq!(request.priority, JobPriority(99));
    assert_eq!(format!("{:?}", request.priority), "JobPriority(99)");
    assert!(request.step_index < 0);
}

#[test]
fn the_envelope_has_the_numbers_of_the_protocol_files() {
    let text = |number: u8, length: u8| vec![number << 3 | 2, length];
    let payload = |number: u8| {
        let tag = u32::from(number) << 3 | 2;
        let bytes = if tag < 128 {
            vec![u8::try_from(tag).unwrap(), 0]
        } else {
            vec![u8::try_from(tag & 0x7f).unwrap() | 0x80, u8::try_from(tag >> 7).unwrap(), 0]
        };
        decode(&bytes).unwrap().payload.map(|payload| payload.name())
    };
    let names = [
        (10, "JobRequest"),
        (11, "JobResult"),
        (12, "Heartbeat"),
        (13, "Alert"),
        (15, "JobProgress"),
        (16, "JobCancel"),
        (17, "Handshake"),
        (19, "WorkerHandshakeChallengeRequest"),
        (20, "WorkerHandshakeChallenge"),
        (21, "WorkerHandshakeAuthenticate"),
        (22, "WorkerHandshakeResult"),
    ];
    for (number, name) in names {
        assert_eq!(payload(number), Some(name));
    }
    assert!(decode(&text(5, 0)).unwrap().signature_metadata.is_some());
    assert!(decode(&text(6, 0)).unwrap().identity.is_some());
    let mut token = vec![0x92, 0x01, 1];
    token.push(b't');
    assert_eq!(decode(&token).unwrap().auth_token, Secret::new("t"));
    assert_eq!(decode(&token).unwrap().encode(MapOrder::Lexicographic), token);
}

#[test]
fn a_payload_stands_by_its_number_between_signature_and_token() {
    let packet = |payload: Payload| BusPacket {
        payload: Some(payload),
        signature: vec![7],
        auth_token: Secret::new("t"),
        ..BusPacket::default()
    };
    let request = JobRequest::default().into();
    let trust = WorkerHandshakeResult::default().into();
    let handshake = Handshake::default().into();
    let encode = |payload| packet(payload).encode(MapOrder::Lexicographic);
    assert_eq!(encode(request), [0x52, 0, 0x72, 1, 7, 0x92, 1, 1, b't']);
    assert_eq!(encode(handshake), [0x72, 1, 7, 0x8a, 1, 0, 0x92, 1, 1, b't']);
    assert_eq!(encode(trust), [0x72, 1, 7, 0x92, 1, 1, b't', 0xb2, 1, 0]);
}

#[test]
fn every_beginning_of_a_packet_is_a_message_or_a_clear_error() {
    for fixture in all().into_iter().filter(|fixture| fixture.name != "job_request_large") {
        let bytes = fixture.packet();
        for end in 0..bytes.len() {
            match decode(&bytes[..end]) {
                Ok(_) | Err(DecodeError::Truncated) => {}
                Err(other) => assert_eq!(fixture.name, "neg_truncated", "{other} at {end}"),
            }
        }
    }
}

#[test]
fn each_fault_has_its_error() {
    let faults: [(&[u8], DecodeError); 9] = [
        (&[0x0a], DecodeError::Truncated),
        (&[0x0a, 5, b'a'], DecodeError::Truncated),
        (&[0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], DecodeError::Varint),
        (&[0x02, 0], DecodeError::FieldNumber),
        (&[0x0e], DecodeError::WireType(6)),
        (&[0x0c], DecodeError::WireType(4)),
        (&[0x0a, 1, 0xff], DecodeError::Utf8 { field: "trace_id" }),
        (&[0x62, 3, 0x1a, 1, 0xff], DecodeError::Utf8 { field: "type" }),
        // The group 31 ends as the group 30.
        (&[0xfb, 1, 0xf4, 1], DecodeError::WireType(4)),
    ];
    for (bytes, fault) in faults {
        assert_eq!(decode(bytes), Err(fault), "{bytes:02x?}");
    }
}

#[test]
fn limits_are_kept() {
    let bytes = named("job_request_large").packet();
    let limited = |change: fn(&mut DecodeLimits)| BusPacket::decode(&bytes, &DecodeLimits::default().with(change));
    assert_eq!(limited(|limits| limits.bytes = 1_000), Err(DecodeError::TooLarge { bytes: bytes.len(), max: 1_000 }));
    assert_eq!(limited(|limits| limits.elements = 1_000), Err(DecodeError::TooManyElements { max: 1_000 }));
    assert!(limited(|limits| limits.elements = 1_001).is_ok());
    assert_eq!(limited(|limits| limits.depth = 2), Err(DecodeError::TooDeep { max: 2 }));
    assert!(limited(|limits| limits.depth = 3).is_ok());

    // Lists within lists, and groups within groups.
    let mut value = Value::default();
    for _ in 0..40 {
        value = Value {
            kind: Some(ValueKind::List(Box::new(ListValue { values: vec![value], ..ListValue::default() }))),
            ..Value::default()
        };
    }
    let nested = Struct { fields: BTreeMap::from([("a".into(), value)]), ..Struct::default() };
    let bytes = nested.encode(MapOrder::Lexicographic);
    let limits = DecodeLimits::default();
    assert_eq!(Struct::decode(&bytes, &limits), Err(DecodeError::TooDeep { max: limits.depth }));
    assert_eq!(Struct::decode(&bytes, &limits.with(|limits| limits.depth = 200)), Ok(nested));
    assert_eq!(decode(&[0xfb, 1].repeat(1_000)), Err(DecodeError::TooDeep { max: limits.depth }));
    let packed = Handshake { supported_versions: vec![1; limits.elements + 1], ..Handshake::default() };
    let bytes = packed.encode(MapOrder::Lexicographic);
    assert_eq!(Handshake::decode(&bytes, &limits), Err(DecodeError::TooManyElements { max: limits.elements }));
}

#[test]
fn unknown_fields_are_kept_at_every_depth_and_can_be_refused() {
    // The field 30 of the packet, and the group 31 of its job request.
    let bytes = [0x52, 6, 0xfb, 1, 0x08, 1, 0xfc, 1, 0xf0, 1, 5];
    let packet = decode(&bytes).unwrap();
    assert_eq!(packet.unknown_fields.as_bytes(), [0xf0, 1, 5]);
    assert_eq!(packet.encode(MapOrder::Lexicographic), bytes);
    let strict = DecodeLimits::default().with(|limits| limits.refuse_unknown = true);
    assert_eq!(BusPacket::decode(&bytes, &strict), Err(DecodeError::UnknownField(31)));
    // A known field with another wire type is unknown as well.
    let wrong = [0x08, 1];
    assert_eq!(decode(&wrong).unwrap().encode(MapOrder::Upb), wrong);
    assert_eq!(BusPacket::decode(&wrong, &strict), Err(DecodeError::UnknownField(1)));
    // A map entry with a third field.
    let entry = [0x52, 10, 0x7a, 8, 0x0a, 1, b'k', 0x12, 1, b'v', 0x18, 1];
    assert_eq!(BusPacket::decode(&entry, &strict), Err(DecodeError::UnknownField(3)));
}

#[test]
fn a_field_that_is_repeated_is_merged_as_protobuf_does() {
    let first = JobRequest { job_id: "a".into(), topic: "t".into(), ..JobRequest::default() };
    let second = JobRequest { job_id: "b".into(), ..JobRequest::default() };
    let twice = [first.encode(MapOrder::Upb), second.encode(MapOrder::Upb)].concat();
    let merged = JobRequest::decode(&twice, &DecodeLimits::default()).unwrap();
    assert_eq!((merged.job_id.as_str(), merged.topic.as_str()), ("b", "t"));
}

#[test]
fn timestamps_are_converted_within_the_range_of_times() {
    let time = Time(1_779_000_000_123_456);
    assert_eq!(Timestamp::from_time(time).to_time(), Some(time));
    assert_eq!(Timestamp::from_time(Time::MAX).to_time(), Some(Time::MAX));
    let invalid = [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0)];
    for (seconds, nanos) in invalid {
        assert_eq!(Timestamp { seconds, nanos, ..Timestamp::default() }.to_time(), None, "{seconds} {nanos}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let request = JobRequest { env: PrivateMap([("KEY".into(), "hunter2".into())].into()), ..JobRequest::default() };
    let packet = BusPacket {
        payload: Some(request.into()),
        auth_token: Secret::new("hunter2"),
        ..decode(&[0xf2, 1, 7, b'h', b'u', b'n', b't', b'e', b'r', b'2']).unwrap()
    };
    let printed = format!("{packet:?}");
    assert!(!printed.contains("hunter2") && printed.contains("KEY"), "{printed}");
}
