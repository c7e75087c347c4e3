//! The ways in which a link ends: close codes and reasons, for the driver and for the peer.

use nuncio_link::{Cause, Link, LinkEvent, code};

use crate::support::*;

/// Asserts that these bytes of the peer are a fault, which closes the link with this code.
fn assert_fault(bytes: &[u8], code: u16) {
    let mut link = open_server(100);
    link.receive(&[bytes, &text("after")].concat());
    let closed = only_closed(drain(&mut link));
    assert_eq!((closed.cause, closed.code), (Cause::Fault, code), "{closed:?}");
    assert!(!closed.reason.is_empty());

    assert_eq!(
        output(&mut link),
        server_frame(true, CLOSE, &close_payload(code, &closed.reason)),
        "the peer receives the close"
    );
    assert!(link.is_finished() && !link.is_open() && !link.wants_input());
    assert_eq!(feed(&mut link, &text("later")), [], "nothing is read after a fault");
    assert!(!link.send(b"{}"));
    link.close(code::NORMAL, "");
    link.receive_end();
    assert_eq!(drain(&mut link), []);
    assert!(link.output().is_empty());
}

#[test]
fn a_message_over_the_limit_is_1009() {
    assert_fault(&client_frame(true, TEXT, &[b'a'; 101]), code::TOO_BIG);
    assert_fault(&client_frame(true, BINARY, &[b'a'; 101]), code::TOO_BIG);
    let fragments = [client_frame(false, TEXT, &[b'a'; 60]), client_frame(true, CONTINUATION, &[b'a'; 41])];
    assert_fault(&fragments.concat(), code::TOO_BIG);
    assert_fault(&header(true, TEXT, usize::MAX, 0x80), code::TOO_BIG);

    let mut link = open_server(100);
    let longest = "a".repeat(100);
    assert_eq!(feed(&mut link, &text(&longest)), [frame(&longest)]);
}

#[test]
fn a_message_that_is_not_utf8_is_1007() {
    assert_fault(&client_frame(true, TEXT, b"\xc3\x28"), code::NOT_UTF8);
    assert_fault(&client_frame(true, TEXT, b"cut \xe2\x82"), code::NOT_UTF8);
    assert_fault(&client_frame(true, BINARY, b"\xff"), code::NOT_UTF8);
    let fragments = [client_frame(false, TEXT, b"\xe2\x82"), client_frame(true, CONTINUATION, b"a")];
    assert_fault(&fragments.concat(), code::NOT_UTF8);
    let fragments = [client_frame(false, BINARY, b"\xe2\x82"), client_frame(true, CONTINUATION, b"a")];
    assert_fault(&fragments.concat(), code::NOT_UTF8);
    assert_fault(&client_frame(true, CLOSE, &[0x03, 0xe8, 0xff]), code::NOT_UTF8);
}

#[test]
fn a_broken_protocol_is_1002() {
    let with_first_byte = |first: u8| {
        let mut frame = text("a");
        frame[0] = first;
        frame
    };
    for bytes in [
        server_frame(true, TEXT, b"not masked"),
        with_first_byte(0x80 | 0x40 | TEXT),
        with_first_byte(0x80 | 0x3),
        with_first_byte(0x80 | 0xb),
        client_frame(true, CONTINUATION, b"of nothing"),
        [client_frame(false, TEXT, b"a"), client_frame(true, TEXT, b"b")].concat(),
        client_frame(false, PING, b"in pieces"),
        client_frame(true, PING, &[0; 100]).into_iter().chain(client_frame(false, CLOSE, b"")).collect(),
        client_frame(true, CLOSE, &[0x03]),
    ] {
        // A ping before the fault is still answered.
        let mut link = open_server(100);
        link.receive(&bytes);
        let closed = only_closed(drain(&mut link));
        assert_eq!((closed.cause, closed.code), (Cause::Fault, code::PROTOCOL), "{closed:?}");
        assert!(output(&mut link).ends_with(&server_frame(true, CLOSE, &close_payload(1002, &closed.reason))));
    }
    assert_fault(&server_frame(true, TEXT, b"not masked"), code::PROTOCOL);

    let mut link = open_server(1000);
    assert_closed(feed(&mut link, &client_frame(true, PING, &[0; 126])), Cause::Fault, code::PROTOCOL);
    let mut client = open_client();
    assert_closed(feed(&mut client, &text("masked")), Cause::Fault, code::PROTOCOL);
}

#[test]
fn frames_before_a_fault_are_still_delivered() {
    let mut link = open_server(100);
    let events = feed(&mut link, &[text("good"), client_frame(true, TEXT, b"\xff")].concat());
    assert_eq!(events[0], frame("good"));
    assert_closed(events[1..].to_vec(), Cause::Fault, code::NOT_UTF8);
}

#[test]
fn the_peers_close_is_reported_with_its_reason_and_answered() {
    for (code, reason) in [(1000, "done"), (1001, ""), (1008, "replaced"), (1011, "ä"), (3000, "x"), (4999, "y")] {
        let payload = close_payload(code, reason);
        let mut link = open_server(1000);
        link.send(b"{}");
        let closed = only_closed(feed(&mut link, &client_frame(true, CLOSE, &payload)));
        assert_eq!((closed.cause, closed.code, closed.reason.as_str()), (Cause::Peer, code, reason));
        let expected = [server_frame(true, TEXT, b"{}"), server_frame(true, CLOSE, &payload)].concat();
        assert_eq!(output(&mut link), expected, "queued frames precede the answer");
        assert!(link.is_finished());
        assert!(!link.send(b"{}"));

        let mut client = open_client();
        let closed = only_closed(feed(&mut client, &server_frame(true, CLOSE, &payload)));
        assert_eq!((closed.cause, closed.code, closed.reason.as_str()), (Cause::Peer, code, reason));
        assert_eq!(output(&mut client)[..2], client_frame(true, CLOSE, &payload)[..2]);
    }
}

#[test]
fn every_registered_close_code_is_accepted_and_sent() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let payload = close_payload(code, "überlastet");
        let bytes = [text("before"), client_frame(true, CLOSE, &payload), text("after")].concat();
        for bytewise in [false, true] {
            let mut link = open_server(1000);
            let events = if bytewise { feed_bytewise(&mut link, &bytes) } else { feed(&mut link, &bytes) };
            assert_eq!(events[0], frame("before"));
            let closed = only_closed(events[1..].to_vec());
            assert_eq!((closed.cause, closed.code, &*closed.reason), (Cause::Peer, code, "überlastet"));
            assert_eq!(output(&mut link), server_frame(true, CLOSE, &payload), "{code} is answered");
            assert!(link.is_finished());
        }
        let mut client = open_client();
        let closed = only_closed(feed(&mut client, &server_frame(true, CLOSE, &payload)));
        assert_eq!((closed.cause, closed.code, &*closed.reason), (Cause::Peer, code, "überlastet"));

        let mut link = open_server(1000);
        link.close(code, "überlastet");
        assert_eq!(output(&mut link), server_frame(true, CLOSE, &payload), "{code} is sent");
        assert_closed(feed(&mut link, &client_frame(true, CLOSE, &close_payload(1014, ""))), Cause::Us, code);
        assert!(link.output().is_empty());
    }
}

#[test]
fn a_close_between_the_fragments_of_a_message_ends_the_link() {
    let mut link = open_server(100);
    let bytes = [client_frame(false, TEXT, b"half"), client_frame(true, CLOSE, &close_payload(1014, "gateway"))];
    assert_closed(feed(&mut link, &bytes.concat()), Cause::Peer, 1014);
}

#[test]
fn a_close_that_is_not_well_formed_is_a_fault_whatever_its_code() {
    let payload = close_payload(1014, "x");
    let not_utf8 = [&close_payload(1014, "")[..], b"\xff"].concat();
    for (bytes, code) in [
        (client_frame(false, CLOSE, &payload), code::PROTOCOL),
        (server_frame(true, CLOSE, &payload), code::PROTOCOL),
        (client_frame(true, CLOSE, &not_utf8), code::NOT_UTF8),
    ] {
        let mut link = open_server(100);
        assert_closed(feed(&mut link, &bytes), Cause::Fault, code);
    }
    let mut client = open_client();
    assert_closed(feed(&mut client, &client_frame(true, CLOSE, &payload)), Cause::Fault, code::PROTOCOL);

    let mut link = open_server(100);
    link.receive(&client_frame(true, CLOSE, &payload)[..5]);
    link.receive_end();
    assert_closed(drain(&mut link), Cause::Lost, code::ABNORMAL);
}

#[test]
fn a_control_frame_over_125_bytes_is_refused_by_its_header() {
    for opcode in [CLOSE, PING, PONG] {
        for length in [126, 0xffff, usize::MAX] {
            let mut link = open_server(1 << 20);
            let bytes = [text("before"), header(true, opcode, length, 0x80)[..2].to_vec()].concat();
            let events = feed_bytewise(&mut link, &bytes);
            assert_eq!(events[0], frame("before"));
            assert_closed(events[1..].to_vec(), Cause::Fault, code::PROTOCOL);
        }
        let mut link = open_server(1000);
        let longest = client_frame(true, PING, &[7; 125]);
        assert_eq!(feed_bytewise(&mut link, &longest), []);
        assert_eq!(output(&mut link), server_frame(true, PONG, &[7; 125]));
    }
}

#[test]
fn a_close_without_code_is_1005_and_answered_without_one() {
    let mut link = open_server(100);
    assert_closed(feed(&mut link, &client_frame(true, CLOSE, b"")), Cause::Peer, code::NO_STATUS);
    assert_eq!(output(&mut link), server_frame(true, CLOSE, b""));
}

#[test]
fn a_close_with_a_reserved_code_is_1002() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 2000, 5000] {
        let mut link = open_server(100);
        let closed = only_closed(feed(&mut link, &client_frame(true, CLOSE, &close_payload(code, "x"))));
        assert_eq!(closed.code, code::PROTOCOL, "{code}");
        assert_eq!(output(&mut link)[2..4], code::PROTOCOL.to_be_bytes());
    }
}

#[test]
fn our_close_waits_for_the_peers_and_ignores_frames_before_it() {
    for code in [code::NORMAL, code::PROTOCOL, code::NOT_UTF8, code::POLICY, code::TOO_BIG] {
        let mut link = open_server(100);
        link.send(b"last words");
        link.close(code, "because");
        link.close(code::NORMAL, "a second close changes nothing");
        assert!(!link.is_open() && link.wants_input());
        assert!(!link.send(b"too late"));
        let expected =
            [server_frame(true, TEXT, b"last words"), server_frame(true, CLOSE, &close_payload(code, "because"))];
        assert_eq!(output(&mut link), expected.concat());
        assert!(!link.is_finished());

        let crossing = [text("crossing"), client_frame(true, PING, b"?"), client_frame(true, BINARY, b"\xff")];
        assert_eq!(feed(&mut link, &crossing.concat()), []);
        let closed = only_closed(feed(&mut link, &client_frame(true, CLOSE, &close_payload(code, ""))));
        assert_eq!((closed.cause, closed.code, closed.reason.as_str()), (Cause::Us, code, "because"));
        assert!(link.output().is_empty());
        assert!(link.is_finished());
    }
}

#[test]
fn our_close_also_ends_with_the_connection_or_a_fault() {
    let endings: [fn(&mut Link); 2] = [Link::receive_end, |link| {
        link.receive(&server_frame(true, TEXT, b"x"));
    }];
    for ending in endings {
        let mut link = open_server(100);
        link.close(code::POLICY, "replaced");
        let sent = output(&mut link);
        ending(&mut link);
        assert_closed(drain(&mut link), Cause::Us, code::POLICY);
        assert!(link.output().is_empty(), "one close frame is enough: {sent:?}");
    }
}

#[test]
fn a_reason_is_cut_to_fit_a_close_frame() {
    let mut link = open_server(100);
    link.close(code::NORMAL, &"ä".repeat(100));
    let frame = output(&mut link);
    assert_eq!(frame, server_frame(true, CLOSE, &close_payload(1000, &"ä".repeat(61))));
    assert!(frame.len() <= 2 + 125);
}

#[test]
fn a_reserved_code_is_left_out() {
    for code in [0, 1005, 1006, 1015, 5000] {
        let mut link = open_server(100);
        link.close(code, "x");
        assert_eq!(output(&mut link), server_frame(true, CLOSE, b""));
    }
}

#[test]
fn a_connection_that_ends_without_a_close_is_lost() {
    let mut link = open_server(100);
    link.receive(&[text("whole"), text("cut")[..5].to_vec()].concat());
    link.receive_end();
    let events = drain(&mut link);
    assert_eq!(events[0], frame("whole"));
    assert_closed(events[1..].to_vec(), Cause::Lost, code::ABNORMAL);
    assert!(link.output().is_empty() && link.is_finished());
}

#[test]
fn an_end_is_reported_once() {
    let mut link = open_server(100);
    let close = client_frame(true, CLOSE, b"");
    link.receive(&[close.clone(), close].concat());
    link.receive_end();
    assert!(matches!(drain(&mut link)[..], [LinkEvent::Closed(_)]));
}
