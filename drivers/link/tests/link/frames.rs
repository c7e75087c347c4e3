//! Messages, fragments and pings.

use crate::support::*;

#[test]
fn text_is_read_in_every_length_form() {
    let mut link = open_server(1 << 20);
    for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let payload = "a".repeat(length);
        assert_eq!(feed(&mut link, &text(&payload)), [frame(&payload)]);
    }
}

#[test]
fn binary_messages_of_utf8_are_read() {
    let mut link = open_server(100);
    let bytes = [
        client_frame(true, BINARY, "{\"a\":\"ä\"}".as_bytes()),
        client_frame(false, BINARY, b"\xc3"),
        client_frame(true, CONTINUATION, b"\xa4"),
    ];
    assert_eq!(feed(&mut link, &bytes.concat()), [frame("{\"a\":\"ä\"}"), frame("ä")]);
}

#[test]
fn fragments_are_joined_and_may_split_a_character() {
    let mut link = open_server(100);
    let bytes = [
        client_frame(false, TEXT, b"\xe2"),
        client_frame(false, CONTINUATION, b""),
        client_frame(true, PING, b"between"),
        client_frame(false, CONTINUATION, b"\x82"),
        client_frame(true, CONTINUATION, b"\xac"),
        text("next"),
    ];
    assert_eq!(feed(&mut link, &bytes.concat()), [frame("€"), frame("next")]);
    assert_eq!(output(&mut link), server_frame(true, PONG, b"between"));
}

#[test]
fn every_ping_is_answered_with_its_payload() {
    let mut link = open_server(100);
    let pings =
        [client_frame(true, PING, b"one"), client_frame(true, PING, b""), text("x"), client_frame(true, PING, b"3")];
    assert_eq!(feed(&mut link, &pings.concat()), [frame("x")]);
    let answers = [server_frame(true, PONG, b"one"), server_frame(true, PONG, b""), server_frame(true, PONG, b"3")];
    assert_eq!(output(&mut link), answers.concat());

    let mut client = open_client();
    assert_eq!(feed(&mut client, &server_frame(true, PING, b"hi")), []);
    let pong = output(&mut client);
    assert_eq!(pong[..2], client_frame(true, PONG, b"hi")[..2]);
    assert_eq!(feed(&mut open_server(100), &pong), [], "a client masks its pong");
}

#[test]
fn a_pong_is_ignored() {
    let mut link = open_server(100);
    assert_eq!(feed(&mut link, &client_frame(true, PONG, b"unasked")), []);
    assert!(link.output().is_empty() && link.wants_input());
}

#[test]
fn a_server_writes_text_frames_without_masks() {
    let mut link = open_server(100);
    let mut expected = Vec::new();
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = "a".repeat(length);
        assert!(link.send(payload.as_bytes()));
        expected.extend(server_frame(true, TEXT, payload.as_bytes()));
    }
    assert_eq!(link.output(), expected);
}

#[test]
fn a_client_writes_text_frames_with_masks() {
    let mut client = open_client();
    let mut server = open_server(1 << 20);
    let payloads: Vec<String> = [0, 1, 125, 126, 65_536].map(|length| "ä".repeat(length)).to_vec();
    for payload in &payloads {
        assert!(client.send(payload.as_bytes()));
    }
    assert_eq!(client.output()[1] & 0x80, 0x80);
    let expected: Vec<_> = payloads.iter().map(|payload| frame(payload)).collect();
    assert_eq!(feed(&mut server, client.output()), expected);
}

#[test]
fn many_frames_are_written_together_and_may_be_consumed_in_pieces() {
    let mut link = open_server(100);
    let mut expected = Vec::new();
    for at in 0..64 {
        let payload = format!("frame {at}");
        link.send(payload.as_bytes());
        expected.extend(server_frame(true, TEXT, payload.as_bytes()));
    }
    assert_eq!(link.output(), expected);

    link.consume(7);
    assert_eq!(link.output(), &expected[7..]);
    link.send(b"one more");
    expected.extend(server_frame(true, TEXT, b"one more"));
    assert_eq!(link.output(), &expected[7..]);

    let mut writer = b"before ".to_vec();
    link.take_output(&mut writer);
    assert_eq!(writer, [b"before ", &expected[7..]].concat());
    assert!(link.output().is_empty());

    link.consume(1);
    assert!(link.output().is_empty(), "consuming too much is harmless");
}

#[test]
fn events_wait_until_they_are_polled() {
    let mut link = open_server(100);
    assert_eq!(link.poll_event(), None);
    assert!(link.wants_input());
    link.receive(&[text("one"), text("two")].concat());
    assert!(!link.wants_input());
    assert_eq!(link.poll_event(), Some(frame("one")));
    assert!(!link.wants_input(), "another may be waiting");
    assert_eq!(link.poll_event(), Some(frame("two")));
    assert_eq!(link.poll_event(), None);
    assert!(link.wants_input());
}
