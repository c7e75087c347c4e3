//! Upgrades that succeed, and the client's side of the upgrade.

use std::sync::Arc;

use nuncio_link::{
    Cause, ClientOptions, Forwarded, InvalidHeader, InvalidUrl, Link, LinkEvent, LinkOptions, Request, ServerOptions,
    code,
};

use crate::support::*;

fn opened(events: Vec<LinkEvent>) -> Request {
    match <[LinkEvent; 1]>::try_from(events) {
        Ok([LinkEvent::Open(Some(request))]) => request,
        other => panic!("not a single Open event: {other:?}"),
    }
}

#[test]
fn the_answer_is_a_101_with_the_accept_key_of_the_rfcs_example() {
    let mut link = server();
    assert!(!link.is_open());
    assert!(link.wants_input());

    let request = opened(feed(&mut link, &plain_request()));

    assert!(link.is_open());
    assert_eq!(
        request,
        Request {
            target: "/arcp".to_owned(),
            host: "localhost:7777".to_owned(),
            origin: None,
            subprotocol: None,
            forwarded: None
        },
    );
    let answer = output_text(&mut link).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    assert!(!answer.contains("sec-websocket-protocol"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let mut link = server();
    let long = format!("X-Padding: {}", "a".repeat(4_000));
    let request = opened(feed_bytewise(&mut link, &request("/arcp", "a.example", &[&long])));
    assert_eq!(request.host, "a.example");
}

#[test]
fn request_and_first_frames_may_arrive_in_one_read() {
    let mut link = server();
    let bytes = [plain_request(), text("one"), text("two"), text("three")[..4].to_vec()].concat();
    let events = feed(&mut link, &bytes);
    assert!(matches!(events[0], LinkEvent::Open(Some(_))));
    assert_eq!(events[1..], [frame("one"), frame("two")]);
    assert_eq!(feed(&mut link, &text("three")[4..]), [frame("three")]);
}

#[test]
fn a_query_is_kept_but_is_not_part_of_the_path() {
    let request = opened(feed(&mut server(), &request("/arcp?tenant=a", "a", &[])));
    assert_eq!(request.target, "/arcp?tenant=a");
}

#[test]
fn the_path_is_configured() {
    let options = Arc::new(ServerOptions { path: "/v1/agents".to_owned(), ..options() });
    opened(feed(&mut Link::server(options.clone()), &request("/v1/agents", "a", &[])));
    let closed = only_closed(feed(&mut Link::server(options), &request("/arcp", "a", &[])));
    assert_eq!(closed.cause, Cause::Refused { status: 404 });
}

#[test]
fn the_first_arcp_subprotocol_offered_is_selected() {
    for (offer, agreed) in [
        ("Sec-WebSocket-Protocol: graphql-ws, arcp.v1, arcp", Some("arcp.v1")),
        ("Sec-WebSocket-Protocol: arcp", Some("arcp")),
        ("Sec-WebSocket-Protocol: mqtt", None),
    ] {
        let mut link = server();
        let request = opened(feed(&mut link, &request("/arcp", "a", &[offer])));
        assert_eq!(request.subprotocol.as_deref(), agreed);
        let answer = output_text(&mut link);
        match agreed {
            Some(agreed) => assert!(answer.contains(&format!("sec-websocket-protocol: {agreed}\r\n")), "{answer}"),
            None => assert!(!answer.contains("sec-websocket-protocol"), "{answer}"),
        }
    }
}

#[test]
fn headers_of_proxies_say_how_the_request_has_come() {
    use Forwarded::{Tls, Unknown};
    for (lines, expected) in [
        (&[][..], None),
        (&["X-Forwarded-Proto: https"][..], Some(Tls)),
        (&["X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: HTTPS, wss"], Some(Tls)),
        (&["Forwarded: for=10.0.0.1;Proto=https;by=_x, for=10.0.0.2; proto=\"https\""], Some(Tls)),
        (&["Forwarded: proto=https", "X-Forwarded-Proto: https"], Some(Tls)),
        (&["X-Forwarded-Proto: http"], Some(Unknown)),
        (&["X-Forwarded-Proto: https, http"], Some(Unknown)),
        (&["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], Some(Unknown)),
        (&["X-Forwarded-Proto: "], Some(Unknown)),
        (&["X-Forwarded-Proto: https\u{e4}"], Some(Unknown)),
        (&["X-Forwarded-For: 10.0.0.1"], Some(Unknown)),
        (&["X-Real-IP: 10.0.0.1"], Some(Unknown)),
        (&["Via: 1.1 proxy"], Some(Unknown)),
        (&["Forwarded: for=10.0.0.1"], Some(Unknown)),
        (&["Forwarded: proto=https, for=10.0.0.2"], Some(Unknown)),
        (&["Forwarded: proto=http", "X-Forwarded-Proto: https"], Some(Unknown)),
        (&["Forwarded: proto=https", "X-Forwarded-Proto: http"], Some(Unknown)),
    ] {
        let request = opened(feed(&mut server(), &request("/arcp", "a", lines)));
        assert_eq!(request.forwarded, expected, "{lines:?}");
    }
}

#[test]
fn an_offer_of_compression_is_ignored() {
    // Python's `websockets` and Node's `ws` offer it by default.
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    let mut link = server();
    opened(feed(&mut link, &request("/arcp", "a", &[offer])));
    assert!(!output_text(&mut link).to_ascii_lowercase().contains("sec-websocket-extensions"));
}

#[test]
fn a_link_upgraded_elsewhere_writes_no_upgrade_and_reads_frames() {
    let mut link = Link::server_upgraded(LinkOptions::default());
    assert!(link.is_open());
    assert!(link.output().is_empty());
    assert_eq!(feed(&mut link, &text("early")), [LinkEvent::Open(None), frame("early")]);

    let mut link = Link::client_upgraded(LinkOptions::default());
    let early = server_frame(true, TEXT, b"early");
    assert_eq!(feed(&mut link, &early), [LinkEvent::Open(None), frame("early")]);
}

#[test]
fn a_client_writes_its_request_immediately() {
    let options = ClientOptions::new("ws://127.0.0.1:7777/arcp?a=b#c")
        .expect("a URL")
        .header("Origin", "https://a.example")
        .expect("a header");
    let mut link = Link::client(&options);
    assert!(!link.is_open());
    let request = output_text(&mut link);
    assert!(request.starts_with("GET /arcp?a=b HTTP/1.1\r\nHost: 127.0.0.1:7777\r\n"), "{request}");
    assert!(request.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), "{request}");
    assert!(request.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{request}");
    assert!(request.contains("\r\norigin: https://a.example\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n"), "{request}");
    assert_ne!(request, output_text(&mut Link::client(&options)), "each request has its own key");
}

#[test]
fn a_url_names_the_host_the_port_and_tls() {
    for (url, tls, host, port) in [
        ("ws://a.example/arcp", false, "a.example", 80),
        ("wss://a.example", true, "a.example", 443),
        ("WSS://[::1]:7777/arcp", true, "::1", 7777),
    ] {
        let options = ClientOptions::new(url).expect(url);
        assert_eq!((options.tls(), options.host(), options.port()), (tls, host, port), "{url}");
    }
    for url in ["", "/arcp", "a.example/arcp", "ws://", "ws://a:b", "ws://a b/", "ws://ä.example/"] {
        assert!(matches!(ClientOptions::new(url), Err(InvalidUrl::Syntax(_))), "{url}");
    }
    assert!(matches!(ClientOptions::new("http://a/arcp"), Err(InvalidUrl::Scheme(_))));
    assert!(matches!(ClientOptions::new("ws://me:secret@a/arcp"), Err(InvalidUrl::UserInfo)));
}

#[test]
fn headers_that_would_break_the_request_are_refused() {
    let options = ClientOptions::new("ws://a/arcp").expect("a URL");
    let header = |name, value| options.clone().header(name, value).err();
    assert!(matches!(header("a b", "c"), Some(InvalidHeader::Name(_))));
    assert!(matches!(header("a", "b\r\nc: d"), Some(InvalidHeader::Value(_))));
    for name in ["Host", "Upgrade", "Connection", "Content-Length", "Sec-WebSocket-Protocol"] {
        assert!(matches!(header(name, "a"), Some(InvalidHeader::Reserved(_))), "{name}");
    }
}

/// Returns a client's link and the answer of a server that accepts it.
fn client_and_answer() -> (Link, String) {
    let mut client = Link::client(&ClientOptions::new("ws://a/arcp").expect("a URL"));
    let mut server = server();
    feed(&mut server, &output(&mut client));
    (client, output_text(&mut server))
}

#[test]
fn a_response_may_arrive_byte_by_byte_or_with_the_first_frames() {
    let (mut client, answer) = client_and_answer();
    assert_eq!(feed_bytewise(&mut client, answer.as_bytes()), [LinkEvent::Open(None)]);
    assert!(client.is_open());

    let (mut client, answer) = client_and_answer();
    let bytes = [answer.as_bytes(), &server_frame(true, TEXT, b"first")].concat();
    assert_eq!(feed(&mut client, &bytes), [LinkEvent::Open(None), frame("first")]);
}

/// Makes an invalid answer from a valid one and its accept line.
type Change = fn(&str, &str) -> String;

#[test]
fn a_client_checks_what_rfc_6455_requires() {
    let accept_line = |answer: &str| {
        answer
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("sec-websocket-accept"))
            .expect("a valid answer has this line")
            .to_owned()
    };
    let changes: [(&str, Change); 6] = [
        ("another key", |answer, _| answer.replace(": s", ": t").replace("=\r\n", "A\r\n")),
        ("no key", |answer, accept| answer.replace(&format!("{accept}\r\n"), "")),
        ("another protocol", |answer, _| answer.replace("websocket", "h2c")),
        ("no upgrade", |answer, _| answer.replace("connection: Upgrade", "connection: close")),
        ("a subprotocol", |answer, accept| answer.replace(accept, &format!("{accept}\r\nSec-WebSocket-Protocol: a"))),
        ("an extension", |answer, accept| answer.replace(accept, &format!("{accept}\r\nSec-WebSocket-Extensions: a"))),
    ];
    for (name, change) in changes {
        let (mut client, answer) = client_and_answer();
        let bad = change(&answer, &accept_line(&answer));
        assert_ne!(answer, bad, "{name}");
        let events = feed(&mut client, bad.as_bytes());
        assert_closed(events, Cause::Fault, code::PROTOCOL);
        assert!(client.is_finished(), "{name}");
    }
}

#[test]
fn a_client_reports_a_refusal_with_its_status() {
    let (mut client, _) = client_and_answer();
    let events = feed(&mut client, b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater");
    let closed = only_closed(events);
    assert_eq!(closed.cause, Cause::Refused { status: 503 });
    assert!(closed.reason.contains("503"), "{closed:?}");
    assert!(!client.is_open());
}

#[test]
fn a_client_refuses_an_answer_that_is_not_http_or_has_no_end() {
    let (mut client, _) = client_and_answer();
    assert_closed(feed(&mut client, b"SSH-2.0-OpenSSH_9.6\r\n"), Cause::Fault, code::PROTOCOL);

    let (mut client, _) = client_and_answer();
    let endless = format!("HTTP/1.1 101 Switching\r\na: {}", "b".repeat(20_000));
    assert_closed(feed(&mut client, endless.as_bytes()), Cause::Fault, code::PROTOCOL);

    let (mut client, answer) = client_and_answer();
    assert_eq!(feed(&mut client, &answer.as_bytes()[..40]), []);
    client.receive_end();
    assert_closed(drain(&mut client), Cause::Lost, code::ABNORMAL);
}

#[test]
fn a_client_recognises_an_alert_of_tls() {
    const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x32";
    let (mut client, _) = client_and_answer();
    assert_closed(feed(&mut client, ALERT), Cause::Tls, code::PROTOCOL);

    let (mut client, _) = client_and_answer();
    assert_closed(feed_bytewise(&mut client, ALERT), Cause::Tls, code::PROTOCOL);

    let (mut client, _) = client_and_answer();
    assert_closed(feed(&mut client, b"\x15\x04"), Cause::Fault, code::PROTOCOL);
}

#[test]
fn a_client_that_stops_waiting_is_closed_immediately() {
    let (mut client, _) = client_and_answer();
    client.close(code::NORMAL, "no answer in time");
    assert_closed(drain(&mut client), Cause::Us, code::NORMAL);
    assert!(client.is_finished());
}
