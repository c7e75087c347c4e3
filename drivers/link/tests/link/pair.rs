//! A client and a server, connected by pipes that split what they carry at any point.

use std::collections::VecDeque;

use nuncio_link::{Cause, ClientOptions, HostPolicy, Link, LinkEvent, LinkOptions, ServerOptions, code};
use proptest::prelude::*;

use crate::support::*;

/// One direction of the connection: the bytes that were written and not yet read.
#[derive(Default)]
struct Pipe(VecDeque<u8>);

impl Pipe {
    fn carry(&mut self, from: &mut Link, to: &mut Link, write: usize, read: usize) {
        let written = from.output().len().min(write);
        self.0.extend(&from.output()[..written]);
        from.consume(written);
        if to.wants_input() {
            let bytes: Vec<u8> = self.0.drain(..read.min(self.0.len())).collect();
            to.receive(&bytes);
        }
    }
}

struct Side {
    link: Link,
    to_send: VecDeque<String>,
    events: Vec<LinkEvent>,
}

impl Side {
    fn new(link: Link, to_send: Vec<String>) -> Self {
        Self { link, to_send: to_send.into(), events: Vec::new() }
    }

    /// Takes some events and sends some frames.
    fn work(&mut self, amount: usize) {
        for _ in 0..=amount {
            self.events.extend(self.link.poll_event());
            if self.link.is_open()
                && let Some(frame) = self.to_send.pop_front()
            {
                assert!(self.link.send(frame.as_bytes()));
            }
        }
    }

    fn frames(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            LinkEvent::Frame(text) => Some(text.as_str()),
            LinkEvent::Open(_) | LinkEvent::Closed(_) => None,
        });
        texts.collect()
    }

    fn end(&self) -> (Cause, u16, &str) {
        match self.events.last() {
            Some(LinkEvent::Closed(closed)) => (closed.cause, closed.code, &closed.reason),
            other => panic!("no end: {other:?}"),
        }
    }
}

/// Runs both sides: first in these steps of any size, then in large ones until both have ended.
fn run(client: Link, server: Link, up: &[String], down: &[String], steps: &[[usize; 5]]) {
    let (mut client, mut server) = (Side::new(client, up.to_vec()), Side::new(server, down.to_vec()));
    let (mut upward, mut downward) = (Pipe::default(), Pipe::default());
    let fair = std::iter::repeat_n([4096; 5], 10_000);
    let mut closing = false;
    for [write_up, read_up, write_down, read_down, work] in steps.iter().copied().chain(fair) {
        client.work(work % 8);
        upward.carry(&mut client.link, &mut server.link, write_up, read_up);
        server.work(work % 8);
        downward.carry(&mut server.link, &mut client.link, write_down, read_down);

        let all = client.frames().len() == down.len() && server.frames().len() == up.len();
        // A link that is closed before it is open writes no close frame, so the client waits until it is open.
        if all && !closing && client.link.is_open() {
            closing = true;
            client.link.close(code::NORMAL, "that was all");
        }
        if client.link.is_finished() && server.link.is_finished() {
            break;
        }
    }
    assert_eq!(server.frames(), up);
    assert_eq!(client.frames(), down);
    assert_eq!(client.end(), (Cause::Us, code::NORMAL, "that was all"));
    assert_eq!(server.end(), (Cause::Peer, code::NORMAL, "that was all"));
    assert!(client.link.is_finished() && server.link.is_finished());
}

fn frames() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        prop_oneof![10 => "[a-zä ]{0,200}", 1 => (60_000_usize..70_000).prop_map(|length| "x".repeat(length))],
        0..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_frame_arrives_in_order(
        up in frames(),
        down in frames(),
        steps in prop::collection::vec(prop::array::uniform5(0_usize..300), 0..100),
    ) {
        let client = Link::client(&ClientOptions::new("ws://[::1]:7777/arcp").expect("a URL"));
        let server = Link::server(std::sync::Arc::new(ServerOptions::new(HostPolicy::Loopback)));
        run(client, server, &up, &down, &steps);
    }
}

#[test]
fn a_conversation_without_frames_ends_as_well() {
    let client = Link::client(&ClientOptions::new("ws://[::1]:7777/arcp").expect("a URL"));
    let server = Link::server(std::sync::Arc::new(ServerOptions::new(HostPolicy::Loopback)));
    run(client, server, &[], &[], &[]);
}

#[test]
fn frames_are_exchanged_over_lines() {
    let (mut left, mut right) = (Link::lines(LinkOptions::default()), Link::lines(LinkOptions::default()));
    assert_eq!(drain(&mut left), [LinkEvent::Open(None)]);
    assert_eq!(drain(&mut right), [LinkEvent::Open(None)]);
    left.send(b"{\"a\":\n1}");
    assert_eq!(feed(&mut right, &output(&mut left)), [frame("{\"a\": 1}")]);
    right.send(b"{}");
    assert_eq!(feed(&mut left, &output(&mut right)), [frame("{}")]);
}
