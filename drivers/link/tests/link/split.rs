//! However the input is split into reads, events and output are the same.

use nuncio_link::{ClientOptions, Link, LinkEvent, LinkOptions};
use proptest::prelude::*;

use crate::support::*;

const MAX_MESSAGE: usize = 300;

/// Generates one piece of what a peer writes: mostly valid, sometimes not.
fn piece(write: fn(bool, u8, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![Just(TEXT), Just(BINARY)];
    let payload = prop_oneof![
        20 => "[a-zä€😀]{0,80}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (280_usize..310).prop_map(|length| vec![b'x'; length]),
    ];
    prop_oneof![
        20 => (data.clone(), payload.clone()).prop_map(move |(kind, payload)| write(true, kind, &payload)),
        8 => (data, payload, 0_usize..80, any::<bool>()).prop_map(move |(kind, payload, cut, ping)| {
            let (first, last) = payload.split_at(cut.min(payload.len()));
            let between = if ping { write(true, PING, b"between") } else { Vec::new() };
            [write(false, kind, first), between, write(true, CONTINUATION, last)].concat()
        }),
        6 => "[a-z]{0,30}".prop_map(move |payload| write(true, PING, payload.as_bytes())),
        1 => Just(write(true, PONG, b"unasked")),
        1 => (900_u16..1100, "[a-z]{0,20}")
            .prop_map(move |(code, reason)| write(true, CLOSE, &close_payload(code, &reason))),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn stream(write: fn(bool, u8, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(write), 0..24).prop_map(|pieces| pieces.concat())
}

/// Generates upgrade requests, some of which are refused.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        10 => "[a-z]{0,60}".prop_map(|value| request("/arcp", "a", &[&format!("X: {value}")])),
        1 => Just(request("/other", "a", &[])),
        1 => Just(request("/arcp", "a b", &[])),
        1 => Just(b"GET /arcp HTTP/1.1\nHost: a\n\n".to_vec()),
        1 => Just(b"\r\n\r\nPOST /arcp HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        1 => (15_000_usize..17_000).prop_map(|length| request("/arcp", "a", &[&"y".repeat(length)])),
        1 => (15_000_usize..17_000).prop_map(|length| {
            request("/arcp", "a", &[&format!("X: {}", "y".repeat(length))])
        }),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![prop::collection::vec(0_usize..6, 0..200), prop::collection::vec(0_usize..400, 0..40),]
}

/// Returns events and output for a stream that arrives in pieces of these lengths, followed by the rest and the end.
fn run(mut link: Link, stream: &[u8], cuts: &[usize]) -> (Vec<LinkEvent>, Vec<u8>) {
    let (mut events, mut written, mut rest) = (drain(&mut link), Vec::new(), stream);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let (now, later) = rest.split_at(cut.min(rest.len()));
        link.receive(now);
        events.extend(drain(&mut link));
        link.take_output(&mut written);
        rest = later;
    }
    link.receive_end();
    events.extend(drain(&mut link));
    link.take_output(&mut written);
    assert!(link.is_finished());
    (events, written)
}

fn assert_same(new: impl Fn() -> Link, stream: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let whole = run(new(), stream, &[]);
    prop_assert!(matches!(whole.0.last(), Some(LinkEvent::Closed(_))), "{:?}", whole.0);
    prop_assert_eq!(&run(new(), stream, cuts), &whole);
    let bytewise = vec![1; stream.len()];
    prop_assert_eq!(&run(new(), stream, &bytewise), &whole);
    Ok(())
}

proptest! {
    #[test]
    fn splits_change_nothing_for_a_server(request in any_request(), frames in stream(client_frame), cuts in cuts()) {
        let new = || {
            let link = LinkOptions { max_message: MAX_MESSAGE };
            Link::server(std::sync::Arc::new(nuncio_link::ServerOptions { link, ..options() }))
        };
        assert_same(new, &[request, frames].concat(), &cuts)?;
    }

    #[test]
    fn splits_change_nothing_for_an_upgraded_client(frames in stream(server_frame), cuts in cuts()) {
        // A client masks its frames at random, so the test compares them as a server reads them.
        let new = || Link::client_upgraded(LinkOptions { max_message: MAX_MESSAGE });
        let (whole, whole_output) = run(new(), &frames, &[]);
        let (split, split_output) = run(new(), &frames, &cuts);
        prop_assert_eq!(&split, &whole);
        prop_assert_eq!(split_output.len(), whole_output.len());
        prop_assert_eq!(read_by_server(&split_output), read_by_server(&whole_output));
    }

    #[test]
    fn splits_change_nothing_for_a_client(
        frames in stream(server_frame),
        cuts in cuts(),
        change in prop_oneof![6 => Just(("", "")), 1 => Just(("101", "404")), 1 => Just(("websocket", "h2c"))],
    ) {
        let mut client = Link::client(&ClientOptions::new("ws://a/arcp").expect("a URL"));
        let mut server = server();
        feed(&mut server, &output(&mut client));
        let answer = output_text(&mut server);
        let answer = if change.0.is_empty() { answer } else { answer.replace(change.0, change.1) };
        // The key is random, so no second link can read the same stream. Its events are those of an upgraded link.
        let (split, _) = run(client, &[answer.as_bytes(), &frames].concat(), &cuts);
        if change.0.is_empty() {
            let (whole, _) = run(Link::client_upgraded(LinkOptions::default()), &frames, &[]);
            prop_assert_eq!(split, whole);
        } else {
            prop_assert!(matches!(split[..], [LinkEvent::Closed(_)]), "{:?}", split);
        }
    }

    #[test]
    fn splits_change_nothing_for_lines(stream in "[ab\r\nä]{0,600}", raw in prop::collection::vec(any::<u8>(), 0..40), cuts in cuts()) {
        let new = || Link::lines(LinkOptions { max_message: 40 });
        assert_same(new, &[stream.as_bytes(), &raw].concat(), &cuts)?;
    }

    #[test]
    fn splits_change_nothing_for_arbitrary_bytes(stream in prop::collection::vec(any::<u8>(), 0..2000), cuts in cuts()) {
        assert_same(|| Link::server_upgraded(LinkOptions { max_message: MAX_MESSAGE }), &stream, &cuts)?;
        assert_same(server, &stream, &cuts)?;
        assert_same(|| Link::lines(LinkOptions { max_message: MAX_MESSAGE }), &stream, &cuts)?;
    }
}

fn read_by_server(bytes: &[u8]) -> Vec<LinkEvent> {
    feed(&mut Link::server_upgraded(LinkOptions { max_message: MAX_MESSAGE }), bytes)
}
