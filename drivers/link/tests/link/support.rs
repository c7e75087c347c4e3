//! Bytes as a peer writes them, and helpers to feed them to a link.

use std::sync::Arc;

use nuncio_link::{Cause, Closed, HostPolicy, Link, LinkEvent, LinkOptions, OriginPolicy, ServerOptions};

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// Returns a frame as a client writes it. `fin` marks the last frame of a message.
pub(crate) fn client_frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(fin, opcode, payload.len(), 0x80);
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Returns a frame as a server writes it.
pub(crate) fn server_frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(fin, opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

/// Returns the header of a frame with this length, whether or not a payload follows.
pub(crate) fn header(fin: bool, opcode: u8, length: usize, masked: u8) -> Vec<u8> {
    let first = if fin { 0x80 | opcode } else { opcode };
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => vec![first, masked | short],
        (_, Ok(medium)) => [&[first, masked | 0x7e][..], &medium.to_be_bytes()].concat(),
        _ => [&[first, masked | 0x7f][..], &(length as u64).to_be_bytes()].concat(),
    }
}

pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    client_frame(true, TEXT, payload.as_bytes())
}

/// Returns the upgrade request of RFC 6455 §1.3 with additional header lines.
pub(crate) fn request(target: &str, host: &str, more: &[&str]) -> Vec<u8> {
    let mut lines = vec![
        format!("GET {target} HTTP/1.1"),
        format!("Host: {host}"),
        "Upgrade: websocket".to_owned(),
        "Connection: keep-alive, Upgrade".to_owned(),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        "Sec-WebSocket-Version: 13".to_owned(),
    ];
    lines.extend(more.iter().map(|&line| line.to_owned()));
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

pub(crate) fn plain_request() -> Vec<u8> {
    request("/arcp", "localhost:7777", &[])
}

pub(crate) fn options() -> ServerOptions {
    ServerOptions { origins: OriginPolicy::Any, ..ServerOptions::new(HostPolicy::Any) }
}

pub(crate) fn server() -> Link {
    Link::server(Arc::new(options()))
}

/// Returns a server's link after its upgrade.
pub(crate) fn open_server(max_message: usize) -> Link {
    let mut link = Link::server_upgraded(LinkOptions { max_message });
    assert_eq!(link.poll_event(), Some(LinkEvent::Open(None)));
    link
}

pub(crate) fn open_client() -> Link {
    let mut link = Link::client_upgraded(LinkOptions::default());
    assert_eq!(link.poll_event(), Some(LinkEvent::Open(None)));
    link
}

/// Returns all events of the link.
pub(crate) fn drain(link: &mut Link) -> Vec<LinkEvent> {
    std::iter::from_fn(|| link.poll_event()).collect()
}

/// Passes the bytes to the link and returns all events.
pub(crate) fn feed(link: &mut Link, bytes: &[u8]) -> Vec<LinkEvent> {
    link.receive(bytes);
    drain(link)
}

/// Passes the bytes to the link one by one and returns all events.
pub(crate) fn feed_bytewise(link: &mut Link, bytes: &[u8]) -> Vec<LinkEvent> {
    bytes.iter().flat_map(|byte| feed(link, &[*byte])).collect()
}

pub(crate) fn frame(payload: &str) -> LinkEvent {
    LinkEvent::Frame(payload.into())
}

/// Returns the `Closed` that is the only event.
pub(crate) fn only_closed(events: Vec<LinkEvent>) -> Closed {
    match <[LinkEvent; 1]>::try_from(events) {
        Ok([LinkEvent::Closed(closed)]) => closed,
        other => panic!("not a single Closed event: {other:?}"),
    }
}

pub(crate) fn assert_closed(events: Vec<LinkEvent>, cause: Cause, code: u16) {
    let closed = only_closed(events);
    assert_eq!((closed.cause, closed.code), (cause, code), "{closed:?}");
}

pub(crate) fn output(link: &mut Link) -> Vec<u8> {
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    bytes
}

pub(crate) fn output_text(link: &mut Link) -> String {
    String::from_utf8(output(link)).expect("the output is text")
}
