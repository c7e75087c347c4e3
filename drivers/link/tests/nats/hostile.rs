//! Servers that break the protocol, and messages that break it for them.

use nuncio_link::nats::{NatsClosed, NatsConfig, NatsEvent, NatsFault, NatsLink};
use proptest::prelude::*;

use crate::support::{INFO, NOW, drain, output, play, ready};

/// Returns how a ready link ends after these bytes.
fn end(bytes: &[u8]) -> Option<NatsClosed> {
    let config = NatsConfig { max_payload: 100, max_line: 200, ..NatsConfig::default() };
    let mut link = ready(config);
    link.receive(NOW, bytes);
    match drain(&mut link).pop() {
        Some(NatsEvent::Closed(closed)) => {
            assert_eq!(link.poll_event(), None, "nothing follows the end");
            Some(closed)
        }
        _ => None,
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_link() {
    for bytes in [
        &b"\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n",
        b"msg a 1 0\r\n",
        b"PUB a 0\r\n\r\n",
        b"MSG\r\n",
        b"MSG a 1\r\n",
        b"MSG a 1 r 0 0\r\n",
        b"MSG a -1 0\r\n",
        b"MSG a 1 +1\r\n",
        b"MSG a 1 x\r\n",
        b"MSG a 18446744073709551616 0\r\n",
        b"MSG a 1 99999999999999999999999\r\n",
        b"HMSG a 1 5\r\n",
        b"HMSG a 1 5 4\r\n",
        b"HMSG a 1 r 1 2 3 4\r\n",
        b"MSG a 1 2\r\nabc\r\n",
        b"MSG a 1 2\r\nab\n\n",
    ] {
        assert!(matches!(end(bytes), Some(NatsClosed::Fault(NatsFault::Line(_)))), "{:?}", bytes.escape_ascii());
    }
    assert!(matches!(end(b"INFO {\r\n"), Some(NatsClosed::Fault(NatsFault::Info(_)))));
    assert!(matches!(end(b"INFO\r\n"), Some(NatsClosed::Fault(NatsFault::Info(_)))));
}

#[test]
fn lengths_beyond_the_limits_are_refused_before_their_bytes_come() {
    let too_large = |bytes| Some(NatsClosed::Fault(NatsFault::PayloadTooLarge { bytes, max: 100 }));
    assert_eq!(end(b"MSG a 1 101\r\n"), too_large(101));
    assert_eq!(end(b"HMSG a 1 12 113\r\n"), too_large(101));
    assert_eq!(end(b"MSG a 1 100\r\n"), None);
    let too_long = Some(NatsClosed::Fault(NatsFault::LineTooLong { max: 200 }));
    assert_eq!(end(b"HMSG a 1 201 201\r\n"), too_long);
    assert_eq!(end(&[b'M'; 202]), too_long);
    assert_eq!(end(&[b"-ERR '", &[b'x'; 200][..], b"'\r\n"].concat()), too_long);
    assert_eq!(end(&[b'M'; 201]), None, "its end may still come");
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let mut link = ready(NatsConfig::default());
    link.receive(NOW, b"MSG a 1 8388608\r\nabc");
    assert_eq!(drain(&mut link), []);
    assert!(link.bytes_held() < 4096, "{}", link.bytes_held());
}

#[test]
fn the_bytes_that_are_held_are_those_of_input_and_output() {
    let mut link = ready(NatsConfig::default());
    let before = link.bytes_held();
    link.receive(NOW, &[b"MSG a 1 2000\r\n", &[b'x'; 1_000][..]].concat());
    assert_eq!(drain(&mut link), [], "the message is not complete");
    let held = link.bytes_held();
    assert!((1_000..10_000).contains(&held), "{held}, and {before} before");
    for _ in 0..10 {
        link.publish("a", None, &[b'x'; 1_000]).expect("it is valid");
    }
    assert!((10_000 + held..100_000).contains(&link.bytes_held()), "{}", link.bytes_held());
}

#[test]
fn a_flood_of_pings_stops_the_input_until_the_answers_are_written() {
    let mut link = ready(NatsConfig::default());
    for _ in 0..1000 {
        link.receive(NOW, &b"PING\r\n".repeat(1000));
        while link.poll_event().is_some() {}
        if !link.wants_input() {
            break;
        }
    }
    assert!(!link.wants_input());
    assert!(link.output_len() < 20_000, "{}", link.output_len());
    output(&mut link);
    assert!(link.wants_input());
}

/// A publisher chooses subject, reply subject and headers freely, and the server passes them on. It must not be able to
/// break the connections of others.
#[test]
fn what_a_publisher_can_cause_concerns_one_message() {
    let mut link = ready(NatsConfig::default());
    link.receive(NOW, b"MSG a..b 1 c..d 1\r\nx\r\n");
    link.receive(NOW, b"MSG a\xff 1 2\r\nxy\r\nMSG a 1 \xff 0\r\n\r\n");
    link.receive(NOW, b"HMSG a 1 7 8\r\ngarbagex\r\nHMSG a 1 0 0\r\n\r\n");
    let events = drain(&mut link);
    let [NatsEvent::Message(odd), first, second, NatsEvent::Message(garbage), NatsEvent::Message(empty)] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((odd.subject.as_str(), odd.reply.as_deref()), ("a..b", Some("c..d")));
    assert_eq!(*first, NatsEvent::Unreadable { sid: 1, bytes: 2 });
    assert_eq!(*second, NatsEvent::Unreadable { sid: 1, bytes: 0 });
    assert_eq!((garbage.status, &garbage.payload[..]), (None, &b"x"[..]));
    assert_eq!((empty.status, empty.payload.len()), (None, 0));
}

#[test]
fn a_server_that_is_none_is_recognised() {
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"+OK\r\n", b"PONG\r\n", b"MSG a 1 0\r\n\r\n"] {
        let events = play(NatsConfig::default(), [bytes]);
        assert_eq!(events, [NatsEvent::Closed(NatsClosed::Fault(NatsFault::NotNats))], "{:?}", bytes.escape_ascii());
    }
}

#[test]
fn a_refused_login_says_why() {
    for before in [&b""[..], INFO] {
        let bytes = [before, b"-ERR 'Authorization Violation'\r\n"].concat();
        let events = play(NatsConfig::default(), [&bytes[..]]);
        let refused = NatsClosed::Refused("Authorization Violation".to_owned());
        assert_eq!(events.last(), Some(&NatsEvent::Closed(refused)));
    }
}

#[test]
fn an_error_is_reported_and_explains_an_end_that_follows() {
    let mut link = ready(NatsConfig::default());
    link.receive(NOW, b"-ERR 'Permissions Violation for Publish to \"a\"'\r\nPONG\r\n-ERR 'Stale Connection'\r\n");
    link.receive_end();
    let stale = || "Stale Connection".to_owned();
    let expected = [
        NatsEvent::Error("Permissions Violation for Publish to \"a\"".to_owned()),
        NatsEvent::Error(stale()),
        NatsEvent::Closed(NatsClosed::Ended(Some(stale()))),
    ];
    assert_eq!(drain(&mut link), expected);
}

#[test]
fn messages_before_the_login_are_a_fault() {
    let bytes = [INFO, b"MSG a 1 0\r\n\r\n"].concat();
    let events = play(NatsConfig::default(), [&bytes[..]]);
    assert!(matches!(events.last(), Some(NatsEvent::Closed(NatsClosed::Fault(NatsFault::Line(_))))), "{events:?}");
}

/// Bytes in plain text before a handshake would be taken for bytes of the server once TLS is spoken.
#[test]
fn plain_text_before_a_tls_handshake_is_a_fault() {
    let mut link = NatsLink::new(NatsConfig::default(), NOW);
    link.receive(NOW, &[INFO, b"PONG\r\n"].concat());
    assert!(matches!(link.poll_event(), Some(NatsEvent::Info(_))));
    link.start_tls();
    assert_eq!(drain(&mut link), [NatsEvent::Closed(NatsClosed::Fault(NatsFault::BeforeTls))]);
}

#[test]
fn a_link_whose_server_waits_for_the_tls_handshake_goes_on() {
    let mut link = NatsLink::new(NatsConfig::default(), NOW);
    link.receive(NOW, INFO);
    assert!(matches!(link.poll_event(), Some(NatsEvent::Info(_))));
    link.start_tls();
    assert_eq!(drain(&mut link), []);
    assert!(!link.is_ready());
    link.login(NOW).expect("INFO has come");
    link.receive(NOW, b"PONG\r\n");
    assert_eq!(drain(&mut link), [NatsEvent::Ready]);
    assert!(link.is_ready());
}

#[test]
fn clusters_and_host_names_are_understood() {
    let info = b"INFO {\"host\":\"nats.example\",\"port\":4222,\"max_payload\":1,\"connect_urls\":[\"10.0.0.7:4222\"],\
                 \"ldm\":true,\"unknown\":{\"a\":[1]}}\r\n";
    let events = play(NatsConfig::default(), [&info[..]]);
    let Some(NatsEvent::Info(info)) = events.first() else { panic!("{events:?}") };
    assert_eq!((&info.connect_urls[..], info.lame_duck), (&["10.0.0.7:4222".to_owned()][..], true));
}

/// Generates what a server may send, with faults.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => ("[a-z.*>]{1,8}", 0_u64..5, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(subject, sid, payload)| {
            [format!("MSG {subject} {sid} {}\r\n", payload.len()).as_bytes(), &payload, b"\r\n"].concat()
        }),
        2 => ("[a-zA-Z/.0-9 \r\n:]{0,30}", any::<bool>()).prop_map(|(headers, version)| {
            let headers = if version { format!("NATS/1.0{headers}") } else { headers };
            format!("HMSG a 1 {0} {0}\r\n{headers}\r\n", headers.len()).into_bytes()
        }),
        2 => Just(b"PING\r\n".to_vec()),
        2 => Just(b"PONG\r\n".to_vec()),
        1 => Just(b"+OK\r\n".to_vec()),
        1 => "[a-z' ]{0,20}".prop_map(|text| format!("-ERR {text}\r\n").into_bytes()),
        1 => "[a-zA-Z0-9 ]{0,30}\r\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #[test]
    fn the_events_do_not_depend_on_how_the_bytes_are_split(
        pieces in prop::collection::vec(piece(), 0..20),
        size in 1_usize..40,
    ) {
        let config = NatsConfig { max_payload: 30, max_line: 60, ..NatsConfig::default() };
        let bytes = [INFO, b"PONG\r\n", &pieces.concat()].concat();
        let config = NatsConfig { max_line: INFO.len(), ..config };
        let whole = play(config.clone(), [&bytes[..]]);
        prop_assert!(matches!(whole.last(), Some(NatsEvent::Closed(_))));
        prop_assert_eq!(play(config, bytes.chunks(size)), whole);
    }
}
