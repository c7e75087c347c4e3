//! Memory is bounded, whatever the peer does.

use nuncio_link::{Cause, Link, LinkEvent, LinkOptions, code};

use crate::support::*;

const READ: usize = 4096;

/// The most bytes of pongs that a link makes before it stops reading: its limit and one pong of the greatest length.
const PONG_BOUND: usize = 16 * 1024 + 127;

/// Plays the driver for a peer that writes these bytes again and again and reads nothing. Returns how many bytes were
/// read, the most that the link held, and its ends.
fn flood(link: &mut Link, bytes: &[u8], total: usize) -> (usize, usize, Vec<LinkEvent>) {
    let (mut read, mut held, mut ends) = (0, 0, Vec::new());
    for chunk in std::iter::repeat_n(bytes, total / bytes.len()) {
        if !link.wants_input() {
            break;
        }
        link.receive(chunk);
        read += chunk.len();
        while let Some(event) = link.poll_event() {
            if matches!(event, LinkEvent::Closed(_)) {
                ends.push(event);
            }
        }
        held = held.max(link.bytes_held());
    }
    (read, held, ends)
}

#[test]
fn reading_stops_while_a_flood_of_pings_is_unanswered() {
    let mut link = open_server(1 << 20);
    let pings = client_frame(true, PING, &[b'p'; 100]).repeat(40);
    let (read, held, ends) = flood(&mut link, &pings, 50 << 20);
    assert!(read < 64 * 1024, "{read} bytes were read");
    assert!(held < 128 * 1024, "{held} bytes are held");
    assert!(link.output().len() <= PONG_BOUND);
    assert_eq!(ends, []);
    assert!(link.is_open(), "the peer may still read its pongs");
}

#[test]
fn reading_continues_when_pongs_are_written_and_every_ping_is_answered() {
    let mut link = open_server(1 << 20);
    let pings = client_frame(true, PING, &[b'p'; 100]).repeat(400);
    link.receive(&[pings, text("behind")].concat());

    let (mut answered, mut frames) = (0, Vec::new());
    while frames.is_empty() {
        frames.extend(drain(&mut link));
        let waiting = link.output().len();
        assert!(waiting <= PONG_BOUND);
        if frames.is_empty() {
            assert!(!link.wants_input());
        }
        // Sockets write in pieces.
        while !link.output().is_empty() {
            let piece = link.output().len().min(1000);
            link.consume(piece);
        }
        answered += waiting;
    }
    assert_eq!(frames, [frame("behind")]);
    assert_eq!(answered, server_frame(true, PONG, &[b'p'; 100]).len() * 400);
    assert!(link.wants_input());
}

#[test]
fn our_own_frames_do_not_stop_reading() {
    // If both links of a connection stopped reading while their own frames wait, they would wait for each other forever.
    let mut link = open_server(1 << 20);
    for _ in 0..1000 {
        link.send(&[b'a'; 1000]);
    }
    assert!(link.wants_input());
    assert_eq!(feed(&mut link, &text("still read")), [frame("still read")]);
}

#[test]
fn pongs_behind_frames_count_until_they_are_written() {
    let mut link = open_server(1 << 20);
    link.send(&[b'a'; 1000]);
    let pings = client_frame(true, PING, &[b'p'; 100]).repeat(400);
    assert_eq!(feed(&mut link, &pings), []);
    assert!(!link.wants_input());
    link.consume(1004);
    assert!(!link.wants_input(), "only the frame was written");
    let answers = link.output().len();
    link.send(&[b'a'; 1000]);
    link.consume(answers);
    assert_eq!(drain(&mut link), []);
    assert!(link.output().len() > 1004, "more pongs follow while the frame still waits");
}

#[test]
fn garbage_is_not_buffered() {
    let garbage: Vec<u8> = (0..READ).map(|at| u8::try_from((at * 31 + at / 7) % 256).unwrap_or(0)).collect();
    let letters = [b'G'; READ];
    let newlines = [b'\n'; READ];
    for (name, bytes) in [("bytes", &garbage[..]), ("letters", &letters), ("newlines", &newlines)] {
        let mut server = server();
        let (read, held, ends) = flood(&mut server, bytes, 10 << 20);
        assert!(read <= 16 * 1024 + READ, "{name}: {read} bytes were read");
        assert!(held <= 64 * 1024, "{name}: {held} bytes are held");
        assert_eq!(ends.len(), 1, "{name}");

        let mut lines = Link::lines(LinkOptions { max_message: 16 * 1024 });
        assert_eq!(lines.poll_event(), Some(LinkEvent::Open(None)));
        let (_, held, _) = flood(&mut lines, bytes, 10 << 20);
        assert!(held <= 16 * 1024 + READ, "{name}: {held} bytes are held");
    }
    let mut socket = open_server(1 << 20);
    let (_, held, ends) = flood(&mut socket, &garbage, 10 << 20);
    assert_eq!(ends.len(), 1);
    assert!(held <= 64 * 1024, "{held} bytes are held");
}

#[test]
fn a_closed_link_buffers_nothing() {
    let mut link = open_server(100);
    link.receive(&server_frame(true, TEXT, b"a fault"));
    assert_closed(drain(&mut link), Cause::Fault, code::PROTOCOL);
    let held = link.bytes_held();
    for _ in 0..1000 {
        link.receive(&[0; READ]);
    }
    assert_eq!(drain(&mut link), []);
    assert_eq!(link.bytes_held(), held);
}

#[test]
fn a_giant_length_is_refused_before_its_payload() {
    for length in [101, 70_000, u32::MAX as usize, usize::MAX >> 1, usize::MAX] {
        let mut link = open_server(100);
        let head = [header(true, TEXT, length, 0x80), vec![0; 4]].concat();
        assert_closed(feed(&mut link, &head), Cause::Fault, code::TOO_BIG);
        assert!(link.bytes_held() < 1024);
    }
}

/// Until a peer is welcome, it may not make a link hold more than a hello needs.
#[test]
fn a_restrained_link_holds_a_short_message_until_the_peer_is_welcome() {
    let options = LinkOptions { max_message: 1 << 20 };
    let mut link = Link::server_upgraded(options);
    link.restrain(1_000);
    assert_eq!(link.poll_event(), Some(LinkEvent::Open(None)));
    assert_eq!(feed(&mut link, &text(&"h".repeat(1_000))), [frame(&"h".repeat(1_000))]);
    assert_eq!(link.unread(), 0);
    link.welcome(options);
    assert_eq!(feed(&mut link, &text(&"x".repeat(1 << 20))), [frame(&"x".repeat(1 << 20))]);

    for long in [header(true, TEXT, 1_001, 0x80), header(true, TEXT, 1 << 19, 0x80)] {
        let mut link = Link::server_upgraded(options);
        link.restrain(1_000);
        assert_eq!(link.poll_event(), Some(LinkEvent::Open(None)));
        assert_closed(feed(&mut link, &[long, vec![0; 4]].concat()), Cause::Fault, code::TOO_BIG);
    }
    let mut link = server();
    link.restrain(1_000);
    let opened = feed(&mut link, &plain_request());
    assert!(matches!(opened[..], [LinkEvent::Open(Some(_))]), "{opened:?}");
    assert_closed(feed(&mut link, &text(&"x".repeat(1_001))), Cause::Fault, code::TOO_BIG);

    let mut lines = Link::lines(options);
    lines.restrain(1_000);
    assert_eq!(lines.poll_event(), Some(LinkEvent::Open(None)));
    assert_eq!(feed(&mut lines, &[b'x'; 1_000]), []);
    assert_eq!(lines.unread(), 1_000);
    assert_closed(feed(&mut lines, b"x"), Cause::Fault, code::TOO_BIG);
    assert_eq!(lines.unread(), 0);
}

#[test]
fn a_link_counts_what_it_holds_of_a_message() {
    let mut link = open_server(1 << 20);
    let message = client_frame(true, TEXT, &vec![b'x'; 50_000]);
    let (begin, end) = message.split_at(40_000);
    assert_eq!(feed(&mut link, begin), []);
    assert_eq!(link.unread(), 40_000);
    assert_eq!(feed(&mut link, end).len(), 1);
    assert_eq!(link.unread(), 0);
    assert!(!link.has_ended());
    link.receive_end();
    assert!(link.has_ended());
}

/// A peer that was never welcome and does not answer a close frame keeps no memory.
#[test]
fn a_restrained_link_frees_everything_as_it_is_closed() {
    let mut link = Link::server_upgraded(LinkOptions { max_message: 1 << 20 });
    link.restrain(64 << 10);
    assert_eq!(link.poll_event(), Some(LinkEvent::Open(None)));
    assert_eq!(feed(&mut link, &client_frame(true, TEXT, &vec![b'x'; 60_000])[..50_000]), []);
    link.close(1013, "too many connections");
    assert_closed(drain(&mut link), Cause::Us, 1013);
    assert_eq!(link.unread(), 0);
    assert_eq!(output(&mut link), server_frame(true, CLOSE, &close_payload(1013, "too many connections")));
    assert!(link.is_finished());
    assert!(!link.wants_input());
}

/// A large message that will never be complete is not kept while the peer's close frame is awaited.
#[test]
fn a_link_frees_a_large_incomplete_message_as_it_is_closed() {
    let mut link = open_server(1 << 20);
    assert_eq!(feed(&mut link, &client_frame(true, TEXT, &vec![b'x'; 500_000])[..400_000]), []);
    link.close(1013, "too much");
    assert_closed(drain(&mut link), Cause::Us, 1013);
    assert_eq!(link.unread(), 0);
    assert_eq!(output(&mut link), server_frame(true, CLOSE, &close_payload(1013, "too much")));
    assert!(link.is_finished());
}

#[test]
fn a_message_of_endless_small_fragments_ends_at_the_limit() {
    let mut link = open_server(10_000);
    assert_eq!(feed(&mut link, &client_frame(false, TEXT, b"begin")), []);
    let fragments = client_frame(false, CONTINUATION, b"more").repeat(100);
    let (read, _, ends) = flood(&mut link, &fragments, 10 << 20);
    assert_eq!(ends.len(), 1);
    assert!(read < 40_000, "{read} bytes were read");
}

#[test]
fn the_buffer_of_a_long_message_is_released() {
    let mut link = open_server(4 << 20);
    let long = "a".repeat(4 << 20);
    assert_eq!(feed(&mut link, &text(&long)), [frame(&long)]);
    link.send(long.as_bytes());
    let mut writer = Vec::new();
    link.take_output(&mut writer);
    assert!(link.bytes_held() <= 256 * 1024, "{} bytes are held", link.bytes_held());
    writer.clear();
    link.send(b"short");
    link.take_output(&mut writer);
    assert_eq!(writer, server_frame(true, TEXT, b"short"));
    assert!(link.bytes_held() <= 256 * 1024, "{} bytes are held", link.bytes_held());
}

#[test]
fn a_link_that_waits_keeps_only_what_it_has_not_returned() {
    let mut link = open_server(1 << 20);
    let second = text("second");
    let (begun, rest) = second.split_at(1);
    let long = "x".repeat(50_000);
    assert_eq!(feed(&mut link, &[text(&long), begun.to_vec()].concat()).len(), 1);
    link.send(long.as_bytes());
    let mut written = Vec::new();
    link.take_output(&mut written);
    link.send(b"unwritten");

    link.release();
    assert!(link.bytes_held() < 1_000, "{} bytes are held", link.bytes_held());
    assert!(link.output().ends_with(b"unwritten"));
    assert!(matches!(&feed(&mut link, rest)[..], [LinkEvent::Frame(frame)] if frame.as_str() == "second"));
}
