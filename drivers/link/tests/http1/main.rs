//! The HTTP/1.1 connection: requests, responses however they are split, limits, and hostile servers.

use bytes::Bytes;
use nuncio_link::http::{HeaderValue, Method, Request, Response, header};
use nuncio_link::http1::{Http1Config, Http1Fault, Http1Link, Http1Refused};
use proptest::prelude::*;

fn config() -> Http1Config {
    Http1Config { max_head: 256, max_body: 32 }
}

fn get() -> Request<Bytes> {
    Request::get("http://a/").body(Bytes::new()).expect("a request")
}

/// Returns a link that waits for the response to a request.
fn waiting(config: Http1Config, request: &Request<Bytes>) -> Http1Link {
    let mut link = Http1Link::new(config);
    link.request(request).expect("a free connection");
    link.take_output(&mut Vec::new());
    link
}

type Played = (Vec<(u16, Vec<u8>)>, Option<Http1Fault>);

/// Returns the responses that these pieces contain, the fault behind them, and the link. At most `requests` follow the
/// first one.
fn play<'a>(
    mut link: Http1Link,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut requests: usize,
    ends: bool,
) -> (Played, Http1Link) {
    let mut responses = Vec::new();
    let mut poll = |link: &mut Http1Link| {
        loop {
            match link.poll_response() {
                Ok(Some(response)) => {
                    responses.push((response.status().as_u16(), response.body().to_vec()));
                    if requests > 0 && link.request(&get()).is_ok() {
                        link.take_output(&mut Vec::new());
                        requests -= 1;
                    }
                }
                Ok(None) => return None,
                Err(fault) => {
                    assert_eq!(link.poll_response().err().as_ref(), Some(&fault), "a fault stays");
                    assert!(!link.is_reusable());
                    return Some(fault);
                }
            }
        }
    };
    for piece in pieces {
        link.receive(piece);
        if let Some(fault) = poll(&mut link) {
            return ((responses, Some(fault)), link);
        }
    }
    if ends {
        link.receive_end();
        if let Some(fault) = poll(&mut link) {
            return ((responses, Some(fault)), link);
        }
    }
    ((responses, None), link)
}

fn fault(bytes: &[u8]) -> Option<Http1Fault> {
    play(waiting(config(), &get()), [bytes], 0, true).0.1
}

fn written(request: &Request<Bytes>) -> String {
    let mut link = Http1Link::new(config());
    link.request(request).expect("a free connection");
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_request_has_the_host_of_its_url_and_the_length_of_its_body() {
    let body = |text: &'static str| Bytes::from_static(text.as_bytes());
    for (request, expected) in [
        (Request::get("http://a/").body(body("")), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        (Request::get("http://a:80/x?y=%20#z").body(body("")), "GET /x?y=%20 HTTP/1.1\r\nhost: a\r\n\r\n"),
        (Request::get("https://[::1]:8443").body(body("")), "GET / HTTP/1.1\r\nhost: [::1]:8443\r\n\r\n"),
        (
            Request::delete("http://a:1/s").header("authorization", "Bearer t").body(body("")),
            "DELETE /s HTTP/1.1\r\nhost: a:1\r\nauthorization: Bearer t\r\n\r\n",
        ),
        (Request::post("http://a/").body(body("")), "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
        (
            Request::patch("http://a/").header("content-type", "application/json").body(body("{}")),
            "PATCH / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        ),
        (
            Request::get("http://a/").header("host", "b:81").body(body("x")),
            "GET / HTTP/1.1\r\nhost: b:81\r\ncontent-length: 1\r\n\r\nx",
        ),
        (Request::get("/x").header("host", "b").body(body("")), "GET /x HTTP/1.1\r\nhost: b\r\n\r\n"),
        (Request::builder().method("PURGE").uri("http://a/").body(body("")), "PURGE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ] {
        assert_eq!(written(&request.expect("a request")), expected);
    }
}

#[test]
fn a_long_field_is_written_whole() {
    let value = "v".repeat(100_000);
    let request = Request::get("http://a/").header("x-long", &value).body(Bytes::new()).expect("a request");
    assert_eq!(written(&request), format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {value}\r\n\r\n"));
}

#[test]
fn what_could_smuggle_a_request_is_refused() {
    let with = |name: &'static str, value: &'static str| {
        Request::post("http://a/").header(name, value).body(Bytes::from_static(b"x")).expect("a request")
    };
    for name in ["connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"] {
        assert_eq!(Http1Link::new(config()).request(&with(name, "1")), Err(Http1Refused::Field(name)));
    }
    let mut two_hosts = get();
    two_hosts.headers_mut().append(header::HOST, HeaderValue::from_static("a"));
    two_hosts.headers_mut().append(header::HOST, HeaderValue::from_static("b"));
    let method = |method: Method, body: &'static str| {
        Request::builder().method(method).uri("http://a/").body(Bytes::from_static(body.as_bytes())).expect("a request")
    };
    let url = |url: &str| Request::get(url).body(Bytes::new()).expect("a request");
    for (request, refused) in [
        (two_hosts, Http1Refused::Host),
        (url("/x"), Http1Refused::Host),
        (url("http://user:password@a/"), Http1Refused::UserInfo),
        (url("http://a/\u{e9}"), Http1Refused::Target),
        (method(Method::CONNECT, ""), Http1Refused::Method("CONNECT".to_owned())),
        (method(Method::HEAD, "x"), Http1Refused::Method("HEAD".to_owned())),
    ] {
        let mut link = Http1Link::new(config());
        assert_eq!(link.request(&request), Err(refused));
        assert!(link.is_reusable(), "nothing has changed");
    }
    assert!(HeaderValue::from_str("a\r\nx: y").is_err(), "the type refuses line breaks");
}

/// Streams of responses, with what they contain and whether the connection can be used again.
const STREAMS: [(&str, (u16, &str), bool); 11] = [
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", (200, "hello"), true),
    ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", (200, ""), true),
    ("HTTP/1.1 204 No Content\r\n\r\n", (204, ""), true),
    ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", (304, ""), true),
    ("HTTP/1.1 302 Found\r\nlocation: http://b/\r\ncontent-length: 1\r\n\r\nx", (302, "x"), true),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", (200, "hello"), true),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nx-end: 1\r\n\r\n",
        (200, "0123456789"),
        true,
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}",
        (201, "{}"),
        true,
    ),
    ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx", (200, "x"), false),
    ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", (200, "x"), false),
    ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx", (200, "x"), true),
];

#[test]
fn responses_do_not_depend_on_how_they_are_split() {
    for (stream, (status, body), is_reusable) in STREAMS {
        let bytes = stream.as_bytes();
        let expected = (vec![(status, body.as_bytes().to_vec())], None);
        let (each_byte, link) = play(waiting(config(), &get()), bytes.chunks(1), 0, false);
        assert_eq!(each_byte, expected, "{stream}");
        assert_eq!(link.is_reusable(), is_reusable, "{stream}");
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            let (played, link) = play(waiting(config(), &get()), [first, second], 0, false);
            assert_eq!(played, expected, "{stream} at {at}");
            assert_eq!(link.is_reusable(), is_reusable, "{stream} at {at}");
        }
    }
}

#[test]
fn requests_follow_each_other_on_one_connection_and_no_response_precedes_its_request() {
    let pieces = STREAMS.map(|(stream, ..)| stream.as_bytes());
    let kept: Vec<&[u8]> =
        pieces.into_iter().zip(STREAMS).filter(|(_, (.., kept))| *kept).map(|(piece, _)| piece).collect();
    let ((responses, fault), link) = play(waiting(config(), &get()), kept.iter().copied(), kept.len(), false);
    assert_eq!((responses.len(), fault), (kept.len(), None));
    assert!(!link.is_reusable(), "the last request waits");

    let together = [STREAMS[0].0.as_bytes(), STREAMS[0].0.as_bytes()].concat();
    let ((responses, fault), _) = play(waiting(config(), &get()), [&together[..]], 1, false);
    assert_eq!((responses.len(), fault), (1, Some(Http1Fault::Unasked)));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let bytes = b"HTTP/1.1 200 OK\r\n\r\nhello";
    let (played, mut link) = play(waiting(config(), &get()), [&bytes[..]], 0, false);
    assert_eq!(played, (vec![], None));
    link.receive_end();
    let response = link.poll_response().expect("no fault").expect("a response");
    assert_eq!(&response.body()[..], b"hello");
    assert!(!link.is_reusable());
    assert_eq!(link.request(&get()), Err(Http1Refused::Busy));
}

#[test]
fn the_response_to_head_has_no_body() {
    let request = Request::head("http://a/").body(Bytes::new()).expect("a request");
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(play(waiting(config(), &request), [&bytes[..]], 0, false).0, (vec![(200, vec![])], None));
}

#[test]
fn fields_of_a_response_are_kept() {
    let mut link = waiting(config(), &get());
    link.receive(b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nx: 1\r\nx: 2\r\ncontent-length: 0\r\n\r\n");
    let response: Response<Bytes> = link.poll_response().expect("no fault").expect("a response");
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(response.headers().get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn a_response_of_ambiguous_length_is_a_fault() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
    ] {
        let fault = fault(format!("{head}\r\n\r\n").as_bytes());
        assert!(matches!(fault, Some(Http1Fault::Length(_))), "{head}: {fault:?}");
    }
    let contradicting = fault(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n");
    assert!(matches!(contradicting, Some(Http1Fault::Malformed(_))), "{contradicting:?}");
}

#[test]
fn what_is_not_a_response_is_a_fault() {
    for bytes in [
        "nonsense\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ] {
        let fault = fault(bytes.as_bytes());
        assert!(matches!(fault, Some(Http1Fault::Malformed(_))), "{bytes:?}: {fault:?}");
    }
    assert_eq!(fault(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), Some(Http1Fault::Switched));
    assert_eq!(fault(b"HTTP/1.1 204 No Content\r\n\r\nx"), Some(Http1Fault::Unasked));
}

#[test]
fn an_alert_of_tls_is_recognised() {
    let alert = b"\x15\x03\x03\x00\x02\x02\x32";
    assert_eq!(fault(alert), Some(Http1Fault::Tls));
    let ((_, bytewise), _) = play(waiting(config(), &get()), alert.chunks(1), 0, false);
    assert_eq!(bytewise, Some(Http1Fault::Tls));
    assert!(matches!(fault(b"\x15\x04\r\n"), Some(Http1Fault::Malformed(_))));
}

#[test]
fn a_response_that_is_cut_off_is_a_fault() {
    for bytes in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
    ] {
        assert_eq!(fault(bytes.as_bytes()), Some(Http1Fault::Closed), "{bytes:?}");
    }
}

#[test]
fn limits_are_exact_and_hold_before_anything_is_reserved() {
    let Http1Config { max_head, max_body } = config();
    let head = |bytes: usize| {
        let fixed = "HTTP/1.1 204 No Content\r\nx: \r\n\r\n".len();
        format!("HTTP/1.1 204 No Content\r\nx: {}\r\n\r\n", "v".repeat(bytes - fixed))
    };
    assert_eq!(fault(head(max_head).as_bytes()), None);
    assert_eq!(fault(head(max_head + 1).as_bytes()), Some(Http1Fault::HeadTooLarge { max: max_head }));
    let interim = "HTTP/1.1 103 Hints\r\nx: y\r\n\r\n".repeat(20);
    assert_eq!(fault(interim.as_bytes()), Some(Http1Fault::HeadTooLarge { max: max_head }), "interim responses count");

    let body = "b".repeat(max_body + 1);
    let sized = |bytes: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}", &body[..bytes]);
    let chunked = |bytes: usize| {
        let chunk = &body[..bytes];
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n{chunk}\r\n0\r\n\r\n")
    };
    let until_close = |bytes: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}", &body[..bytes]);
    for (fits, exceeds) in [
        (sized(max_body), sized(max_body + 1)),
        (chunked(max_body), chunked(max_body + 1)),
        (until_close(max_body), until_close(max_body + 1)),
    ] {
        assert_eq!(fault(fits.as_bytes()), None);
        assert_eq!(fault(exceeds.as_bytes()), Some(Http1Fault::BodyTooLarge { max: max_body }));
    }
    let claimed = fault(b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n");
    assert_eq!(claimed, Some(Http1Fault::BodyTooLarge { max: max_body }));

    let endless = [
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", "0".repeat(max_head + 1)),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{}", "x: y\r\n".repeat(max_head)),
    ];
    for bytes in endless {
        assert!(matches!(fault(bytes.as_bytes()), Some(Http1Fault::Malformed(_))));
    }
}

#[test]
fn the_bytes_that_are_held_are_those_of_requests_and_responses() {
    let mut link = Http1Link::new(Http1Config::default());
    assert_eq!(link.bytes_held(), 0);
    let request = Request::post("http://a/").body(vec![b'x'; 10_000].into());
    link.request(&request.expect("a request")).expect("a free connection");
    let written = link.bytes_held();
    assert!((10_000..100_000).contains(&written), "{written}");
    link.receive(b"HTTP/1.1 200 OK\r\nx: 1\r\n");
    let with_input = link.bytes_held();
    assert!((written + 10..100_000).contains(&with_input), "{with_input}");
    link.receive(&[b"content-length: 20000\r\n\r\n", &[b'x'; 15_000][..]].concat());
    assert!(link.poll_response().expect("no fault").is_none(), "the body is not complete");
    assert!((written + 15_000..100_000).contains(&link.bytes_held()), "{}", link.bytes_held());
}

#[test]
fn the_debug_form_shows_no_token() {
    let request = Request::get("http://a/").header("authorization", "Bearer s3cret").body(Bytes::new());
    let mut link = Http1Link::new(config());
    link.request(&request.expect("a request")).expect("a free connection");
    assert!(!format!("{link:?}").contains("s3cret"));
}

#[test]
fn a_busy_connection_takes_no_request() {
    let mut link = waiting(config(), &get());
    assert_eq!(link.request(&get()), Err(Http1Refused::Busy));
    link.receive(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert!(link.poll_response().expect("no fault").is_some());
    assert_eq!(link.request(&get()), Ok(()));

    let mut early = Http1Link::new(config());
    early.request(&get()).expect("a free connection");
    early.receive(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
    assert!(early.poll_response().expect("no fault").is_some());
    assert!(!early.is_reusable(), "the request was not written as a whole");

    let mut idle = Http1Link::new(config());
    idle.receive_end();
    assert!(!idle.is_reusable(), "the server has closed the connection");
}

/// Returns a fault without the sentence of a malformed response, which may differ.
fn kind(fault: Option<Http1Fault>) -> Option<Http1Fault> {
    match fault {
        Some(Http1Fault::Malformed(_)) => Some(Http1Fault::Malformed(String::new())),
        other => other,
    }
}

proptest! {
    #[test]
    fn damaged_streams_give_the_same_however_they_are_split(
        stream in 0..STREAMS.len(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ends in any::<bool>(),
    ) {
        let mut bytes = STREAMS[stream].0.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
        let split = play(waiting(config(), &get()), pieces, 1, ends).0;
        let whole = play(waiting(config(), &get()), [&bytes[..]], 1, ends).0;
        prop_assert_eq!((split.0, kind(split.1)), (whole.0, kind(whole.1)));
    }
}
