//! Upgrades that are refused, each with a status and a sentence for its reason.

use std::sync::Arc;

use nuncio_link::{
    AllowedOrigin, Cause, DialectCheck, HostPolicy, InvalidPolicy, Link, LinkEvent, OriginPolicy, Refusal,
    ServerOptions, code,
};

use crate::support::*;

/// Checks that these bytes are refused for this reason, in one read or byte by byte, and returns the response's head.
fn refused(options: &ServerOptions, bytes: &[u8], refusal: Refusal) -> String {
    let options = Arc::new(options.clone());
    let mut bytewise = Link::server(options.clone());
    assert_eq!(only_closed(feed_bytewise(&mut bytewise, bytes)).reason, refusal.text());

    let mut link = Link::server(options);
    let closed = only_closed(feed(&mut link, bytes));
    assert_eq!(closed.cause, Cause::Refused { status: refusal.status() }, "{closed:?}");
    assert_eq!((closed.code, closed.reason.as_str()), (code::ABNORMAL, refusal.text()));
    assert!(!link.is_open() && !link.wants_input() && !link.is_finished());

    let response = output_text(&mut link);
    assert_eq!(response, output_text(&mut bytewise));
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {} ", refusal.status())), "{head}");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{head}");
    assert_eq!(body, format!("{}\n", refusal.text()));

    assert!(link.is_finished());
    assert!(!link.send(b"{}"));
    assert_eq!(feed(&mut link, &plain_request()), [], "after a refusal nothing is read");
    head
}

fn accepted(options: &ServerOptions, bytes: &[u8]) {
    let mut link = Link::server(Arc::new(options.clone()));
    let events = feed(&mut link, bytes);
    assert!(matches!(events[..], [LinkEvent::Open(Some(_))]), "{events:?}");
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    let request = String::from_utf8(plain_request()).expect("a request is UTF-8");
    assert!(request.contains(from));
    request.replace(from, to).into_bytes()
}

#[test]
fn another_path_is_404() {
    for target in ["/", "/arcp/", "/ARCP", "/arcp2", "/x/../arcp", "/%61rcp", "*"] {
        refused(&options(), &request(target, "a", &[]), Refusal::Path);
    }
}

#[test]
fn a_request_with_a_body_is_400() {
    for line in [
        "Content-Length: 5",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: x",
        "Transfer-Encoding: chunked",
    ] {
        let bytes = [request("/arcp", "a", &[line]), b"hello".to_vec()].concat();
        refused(&options(), &bytes, Refusal::Body);
    }
    accepted(&options(), &request("/arcp", "a", &["Content-Length: 0"]));
}

#[test]
fn another_method_is_405_and_names_the_allowed_one() {
    for method in ["POST", "HEAD", "OPTIONS"] {
        let head = refused(&options(), &replaced("GET ", &format!("{method} ")), Refusal::Method);
        assert!(head.contains("\r\nallow: get"), "{head}");
    }
}

#[test]
fn a_request_without_upgrade_is_426_and_names_the_protocol() {
    for bytes in [
        b"GET /arcp HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        replaced("Upgrade: websocket", "Upgrade: h2c"),
        replaced("keep-alive, Upgrade", "keep-alive"),
        replaced("HTTP/1.1", "HTTP/1.0"),
    ] {
        let head = refused(&options(), &bytes, Refusal::NoUpgrade);
        assert!(head.contains("\r\nupgrade: websocket"), "{head}");
    }
}

#[test]
fn another_version_is_426_and_names_the_supported_one() {
    for bytes in [replaced("Version: 13", "Version: 8"), replaced("Sec-WebSocket-Version: 13\r\n", "")] {
        let head = refused(&options(), &bytes, Refusal::Version);
        assert!(head.contains("\r\nsec-websocket-version: 13"), "{head}");
    }
}

#[test]
fn a_malformed_request_is_400() {
    for bytes in [
        b"hello\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET /arcp\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        replaced("Host: localhost:7777\r\n", ""),
        replaced("Host: localhost:7777\r\n", "Host: a\r\nHost: b\r\n"),
        replaced("localhost:7777", ""),
        replaced("localhost:7777", "a/b"),
        replaced("localhost:7777", "me@localhost"),
        replaced("localhost:7777", "localhost:99999"),
        replaced("Host: ", "Host : "),
        replaced("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        replaced("Upgrade: websocket", "Upgrade: web\0socket"),
    ] {
        refused(&options(), &bytes, Refusal::Malformed);
    }
}

#[test]
fn a_head_over_the_limit_is_431() {
    let padded = |bytes: usize| request("/arcp", "a", &[&format!("X: {}", "a".repeat(bytes))]);
    let overhead = padded(0).len();
    let limit = ServerOptions::new(HostPolicy::Any).max_head;
    assert_eq!(limit, 16 * 1024);
    accepted(&options(), &padded(limit - overhead));
    refused(&options(), &padded(limit - overhead + 1), Refusal::HeadTooLong);
    refused(&options(), &padded(10 * limit), Refusal::HeadTooLong);

    let many: Vec<String> = (0..200).map(|at| format!("X-{at}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    refused(&options(), &request("/arcp", "a", &many), Refusal::HeadTooLong);
}

#[test]
fn a_loopback_server_accepts_loopback_hosts_only() {
    let options = ServerOptions::new(HostPolicy::Loopback);
    for host in ["localhost", "LOCALHOST:7777", "localhost.", "127.0.0.1", "127.8.8.8:1", "[::1]", "[::1]:7777"] {
        accepted(&options, &request("/arcp", host, &[]));
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]",
        "0.0.0.0",
        "xlocalhost",
        "2130706433",
    ] {
        refused(&options, &request("/arcp", host, &[]), Refusal::Host);
    }
}

#[test]
fn the_host_of_an_absolute_target_overrides_the_header() {
    let options = ServerOptions::new(HostPolicy::Loopback);
    accepted(&options, &request("http://localhost/arcp", "evil.example", &[]));
    refused(&options, &request("http://evil.example/arcp", "localhost", &[]), Refusal::Host);
}

#[test]
fn a_list_of_hosts_may_name_ports() {
    let hosts = HostPolicy::list(["agents.example", "10.0.0.7:7777", "[fd00::7]"]).expect("hosts");
    let options = ServerOptions::new(hosts);
    for host in ["agents.example", "Agents.Example:1", "agents.example.", "10.0.0.7:7777", "[FD00::7]:2"] {
        accepted(&options, &request("/arcp", host, &[]));
    }
    for host in ["example", "x.agents.example", "10.0.0.7", "10.0.0.7:7778", "localhost"] {
        refused(&options, &request("/arcp", host, &[]), Refusal::Host);
    }
    for text in ["", "http://a", "a/b", "a:b", "me@a", ":80"] {
        assert!(matches!(HostPolicy::list([text]), Err(InvalidPolicy::Host(_))), "{text:?}");
    }
}

#[test]
fn web_pages_are_refused_unless_their_origin_is_allowed() {
    let origins = |origins| ServerOptions { origins, ..ServerOptions::new(HostPolicy::Any) };
    let from = |origin: &str| request("/arcp", "a.example:7777", &[&format!("Origin: {origin}")]);
    let without = request("/arcp", "a.example:7777", &[]);

    let none = ServerOptions::new(HostPolicy::Any);
    accepted(&none, &without);
    refused(&none, &from("http://a.example:7777"), Refusal::Origin);

    let any = origins(OriginPolicy::Any);
    accepted(&any, &from("null"));

    let same = origins(OriginPolicy::SameHost);
    accepted(&same, &without);
    accepted(&same, &from("http://A.example:7777"));
    for origin in
        ["null", "http://a.example", "http://b.example:7777", "http://a.example:7777.evil.example", "a.example:7777"]
    {
        refused(&same, &from(origin), Refusal::Origin);
    }
    let default_port = |host, origin| request("/arcp", host, &[&format!("Origin: {origin}")]);
    accepted(&same, &default_port("a.example", "https://a.example"));
    accepted(&same, &default_port("a.example:443", "https://a.example"));
    refused(&same, &default_port("a.example:80", "https://a.example"), Refusal::Origin);

    let list = origins(OriginPolicy::list(["https://console.example", "http://localhost:3000"]).expect("origins"));
    accepted(&list, &without);
    accepted(&list, &from("https://console.example:443"));
    accepted(&list, &from("HTTP://LOCALHOST:3000"));
    for origin in ["http://console.example", "https://console.example.evil.example", "http://localhost", "null"] {
        refused(&list, &from(origin), Refusal::Origin);
    }
    for text in ["", "null", "console.example", "https://", "https://a/", "https://a/b", "https://a?b"] {
        assert!(text.parse::<AllowedOrigin>().is_err(), "{text:?}");
    }
}

#[test]
fn two_origins_are_malformed() {
    let bytes = request("/arcp", "a", &["Origin: http://a", "Origin: http://b"]);
    refused(&options(), &bytes, Refusal::Malformed);
}

#[test]
fn the_driver_may_refuse_before_the_request_is_complete() {
    for (refusal, status) in [(Refusal::Slow, 408), (Refusal::Busy, 503)] {
        let mut link = server();
        assert_eq!(feed(&mut link, b"GET /arcp HT"), []);
        link.refuse(refusal);
        assert!(!link.is_finished());
        let closed = only_closed(drain(&mut link));
        assert_eq!(closed.cause, Cause::Refused { status });
        assert!(output_text(&mut link).starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(link.is_finished());
    }

    let mut link = server();
    link.close(code::NORMAL, "shutting down");
    assert_eq!(only_closed(drain(&mut link)).cause, Cause::Refused { status: 503 });

    let mut link = open_server(100);
    link.refuse(Refusal::Slow);
    assert!(link.is_open() && link.output().is_empty());
}

#[test]
fn a_connection_that_ends_before_its_request_is_lost() {
    let mut link = server();
    assert_eq!(feed(&mut link, b"GET /arcp HT"), []);
    link.receive_end();
    assert_closed(drain(&mut link), Cause::Lost, code::ABNORMAL);
    assert!(link.is_finished());
}

#[test]
fn a_response_repeats_nothing_of_the_request() {
    let secret = "ey-secret";
    let bytes = request(&format!("/{secret}"), secret, &[&format!("Authorization: Bearer {secret}")]);
    let mut link = server();
    feed(&mut link, &bytes);
    assert!(!output_text(&mut link).contains(secret));
    assert!(!format!("{link:?}").contains(secret));
}

#[test]
fn a_dialect_of_the_query_is_checked_and_handed_on() {
    let mut options = options();
    options.dialects = DialectCheck::new(|dialect| dialect == "go-1.1");
    for query in ["dialect=cobol", "a=b&dialect=", "dialect=go-1.1x&dialect=go-1.1"] {
        refused(&options, &request(&format!("/arcp?{query}"), "a", &[]), Refusal::Dialect);
    }
    assert_eq!(Refusal::Dialect.status(), 400);
    let mut link = Link::server(Arc::new(options));
    let events = feed(&mut link, &request("/arcp?a=b&dialect=go-1.1", "a", &[]));
    let [LinkEvent::Open(Some(request))] = &events[..] else { panic!("{events:?}") };
    assert_eq!(request.dialect(), Some("go-1.1"));
}
