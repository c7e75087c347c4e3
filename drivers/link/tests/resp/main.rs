//! The Redis connection: requests, replies however they are split, limits, and hostile servers.

mod server;

use std::time::Duration;

use nuncio_link::resp::{RespConfig, RespFault, RespLink, RespRefused, RespReply, RespRequest};
use proptest::prelude::*;

fn config() -> RespConfig {
    RespConfig { max_line: 50, max_elements: 8, max_depth: 2, max_requests: 4 }
}

/// Returns a link that waits for some replies with values of up to `max` bytes.
fn waiting(config: RespConfig, requests: usize, max: usize) -> RespLink {
    let mut link = RespLink::new(config);
    for _ in 0..requests {
        link.request(&RespRequest::Ping, max).expect("few requests wait");
    }
    link.take_output(&mut Vec::new());
    link
}

/// Returns the replies to these pieces, and the fault behind them.
fn play<'a>(mut link: RespLink, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<RespReply>, Option<RespFault>) {
    let mut replies = Vec::new();
    for piece in pieces {
        link.receive(piece);
        loop {
            match link.poll_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(fault) => {
                    assert_eq!(link.poll_reply(), Err(fault.clone()), "a fault stays");
                    return (replies, Some(fault));
                }
            }
        }
    }
    (replies, None)
}

fn fault(bytes: &[u8]) -> Option<RespFault> {
    play(waiting(config(), 1, 20), [bytes]).1
}

#[test]
fn requests_are_arrays_of_values() {
    for (request, expected) in [
        (RespRequest::Ping, "*1\r\n$4\r\nPING\r\n"),
        (RespRequest::Get("a b\r\n"), "*2\r\n$3\r\nGET\r\n$5\r\na b\r\n\r\n"),
        (RespRequest::Length("k"), "*2\r\n$6\r\nSTRLEN\r\n$1\r\nk\r\n"),
        (RespRequest::Delete("k"), "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"),
        (RespRequest::Select(12), "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n"),
        (RespRequest::Auth { user: None, password: "p" }, "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n"),
        (RespRequest::Auth { user: Some("u"), password: "p" }, "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n"),
        (RespRequest::Set { key: "k", value: b"", ttl: None }, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"),
        (
            RespRequest::Set { key: "k", value: b"v", ttl: Some(Duration::from_micros(1500)) },
            "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$1\r\n2\r\n",
        ),
        (
            RespRequest::Set { key: "k", value: b"v", ttl: Some(Duration::ZERO) },
            "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$1\r\n1\r\n",
        ),
        (
            RespRequest::Set { key: "k", value: b"v", ttl: Some(Duration::MAX) },
            "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$19\r\n4611686018427387903\r\n",
        ),
    ] {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        assert_eq!(String::from_utf8(bytes).expect("these are texts"), expected);
    }
}

#[test]
fn replies_are_read_in_their_order() {
    let bytes = b"+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n$0\r\n\r\n*1\r\n:1\r\n*-1\r\n*0\r\n";
    let link = waiting(RespConfig { max_requests: 9, ..config() }, 8, 20);
    let nested = vec![RespReply::Bulk("".into()), RespReply::Array(vec![RespReply::Integer(1)])];
    let expected = vec![
        RespReply::Simple("OK".to_owned()),
        RespReply::Error("ERR no".to_owned()),
        RespReply::Integer(-7),
        RespReply::Bulk("a\r\n".into()),
        RespReply::Null,
        RespReply::Array(nested),
        RespReply::Null,
        RespReply::Array(Vec::new()),
    ];
    assert_eq!(play(link, [&bytes[..]]), (expected, None));
}

#[test]
fn a_value_beyond_the_limit_of_its_request_is_skipped() {
    let value = vec![b'x'; 1000];
    let bytes = [b"$1000\r\n", &value[..], b"\r\n$20\r\n", &value[..20], b"\r\n"].concat();
    for size in [1, 7, 500, bytes.len()] {
        let mut link = waiting(config(), 2, 20);
        let mut replies = Vec::new();
        for piece in bytes.chunks(size) {
            link.receive(piece);
            while let Some(reply) = link.poll_reply().expect("the bytes are well-formed") {
                replies.push(reply);
            }
            assert!(link.bytes_held() < 3 * size + 300, "{} with pieces of {size}", link.bytes_held());
        }
        assert_eq!(replies, [RespReply::TooLarge { bytes: 1000 }, RespReply::Bulk(value[..20].to_vec().into())]);
    }
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let mut link = waiting(config(), 1, usize::MAX);
    link.receive(b"$536870912\r\nabc");
    assert_eq!(link.poll_reply(), Ok(None));
    let mut link = waiting(RespConfig { max_elements: usize::MAX, ..config() }, 1, 20);
    link.receive(b"*1000000000\r\n:1\r\n");
    assert_eq!(link.poll_reply(), Ok(None));
}

#[test]
fn limits_of_replies_hold() {
    let too_long = Some(RespFault::LineTooLong { max: 50 });
    assert_eq!(fault(&[b'+'; 52]), too_long);
    assert_eq!(fault(&[b"+", &[b'x'; 50][..], b"\r\n"].concat()), too_long);
    assert_eq!(fault(&[b"+", &[b'x'; 49][..], b"\r\n"].concat()), None);
    assert_eq!(fault(b"$536870913\r\n"), Some(RespFault::ValueTooLong { bytes: (512 << 20) + 1, max: 512 << 20 }));
    assert_eq!(fault(b"*9\r\n"), Some(RespFault::Array));
    assert_eq!(fault(b"*8\r\n"), None);
    assert_eq!(fault(b"*2\r\n*7\r\n"), Some(RespFault::Array), "all arrays of a reply count");
    assert_eq!(fault(b"*1\r\n*1\r\n*1\r\n"), Some(RespFault::Array));
    let texts = [b"*8\r\n", &b"+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(2)[..]].concat();
    assert_eq!(fault(&texts), Some(RespFault::Array), "texts in arrays count as values");
}

#[test]
fn requests_are_bounded() {
    let mut link = waiting(config(), 4, 0);
    assert_eq!(link.request(&RespRequest::Ping, 0), Err(RespRefused::TooManyRequests));
    assert_eq!((link.output_len(), link.waiting()), (0, 4));
    link.receive(b"+PONG\r\n");
    assert_eq!(link.poll_reply(), Ok(Some(RespReply::Simple("PONG".to_owned()))));
    assert_eq!(link.request(&RespRequest::Ping, 0), Ok(()));
}

#[test]
fn what_waits_to_be_written_and_what_is_held_is_known() {
    let mut link = RespLink::new(RespConfig { max_requests: 1_000, ..config() });
    let ping = "*1\r\n$4\r\nPING\r\n".len();
    for number in 1..=1_000 {
        link.request(&RespRequest::Ping, 0).expect("few requests wait");
        assert_eq!((link.output_len(), link.waiting()), (number * ping, number));
    }
    assert!(link.bytes_held() >= 1_000 * (ping + size_of::<usize>()));
    let mut output = Vec::new();
    link.take_output(&mut output);
    assert_eq!((output.len(), link.output_len()), (1_000 * ping, 0));
    let held = link.bytes_held();
    assert!((1_000 * size_of::<usize>()..1_000 * ping).contains(&held), "{held}");
}

#[test]
fn what_breaks_the_protocol_is_a_fault() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400\r\n"[..], RespFault::Type(b'H')),
        (b"\r\n", RespFault::Type(b'\r')),
        (b"\x15\x03\x01\x00\x02\x02\x46", RespFault::Tls),
        (b"\x15\x04\r\n", RespFault::Type(0x15)),
        (b"%1\r\n", RespFault::Type(b'%')),
        (b":\r\n", RespFault::Number("number")),
        (b":1.5\r\n", RespFault::Number("number")),
        (b":9223372036854775808\r\n", RespFault::Number("number")),
        (b"$x\r\n", RespFault::Number("length")),
        (b"$-2\r\n", RespFault::Number("length")),
        (b"*-2\r\n", RespFault::Number("length")),
        (b"$1\r\nabc\r\n", RespFault::Value),
        (b"$30\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxab", RespFault::Value),
    ] {
        assert_eq!(fault(bytes), Some(expected), "{:?}", bytes.escape_ascii());
    }
    assert_eq!(play(waiting(config(), 0, 0), [&b"+OK\r\n"[..]]).1, Some(RespFault::Unasked));
}

/// Generates what a server may send, with faults.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|value| [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()),
        2 => "[+-][a-z ]{0,20}\r\n".prop_map(String::into_bytes),
        2 => any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        1 => (-2_i32..6).prop_map(|length| format!("*{length}\r\n").into_bytes()),
        1 => Just(b"$-1\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..10),
    ]
}

proptest! {
    #[test]
    fn the_replies_do_not_depend_on_how_the_bytes_are_split(
        pieces in prop::collection::vec(piece(), 0..20),
        size in 1_usize..20,
    ) {
        let bytes = pieces.concat();
        let link = || waiting(RespConfig { max_requests: 30, ..config() }, 30, 20);
        prop_assert_eq!(play(link(), bytes.chunks(size)), play(link(), [&bytes[..]]));
    }
}
