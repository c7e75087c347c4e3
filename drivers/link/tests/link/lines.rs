//! Newline framing: the core's `Lines`, and the link that uses it.

use nuncio_core::arcp::wire::lines::{LineTooLong, Lines, append_line};
use nuncio_link::{Cause, Link, LinkEvent, LinkOptions, code};
use proptest::prelude::*;

use crate::support::*;

fn open_lines(max_message: usize) -> Link {
    let mut link = Link::lines(LinkOptions { max_message });
    assert_eq!(link.poll_event(), Some(LinkEvent::Open(None)));
    link
}

/// Returns the lines that the rules give for a whole stream, and whether a line was too long.
fn expected(stream: &[u8], max_line: usize) -> (Vec<Vec<u8>>, bool) {
    let mut lines = Vec::new();
    for line in stream.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max_line {
            return (lines, true);
        }
        if !line.is_empty() {
            lines.push(line.to_vec());
        }
    }
    (lines, false)
}

fn collect(lines: &mut Lines, into: &mut Vec<Vec<u8>>) -> Option<LineTooLong> {
    while let Some(line) = lines.next_line() {
        match line {
            Ok(line) => into.push(line.to_vec()),
            Err(error) => return Some(error),
        }
    }
    None
}

proptest! {
    #[test]
    fn any_split_gives_the_lines_of_the_whole(
        stream in prop::collection::vec(prop_oneof![4 => Just(b'a'), 1 => Just(b'\n'), 1 => Just(b'\r')], 0..400),
        pieces in prop::collection::vec(0_usize..90, 0..40),
        max_line in 0_usize..12,
    ) {
        let mut lines = Lines::new(max_line);
        let (mut found, mut overrun) = (Vec::new(), None);
        let mut rest = &stream[..];
        for piece in pieces.into_iter().chain([stream.len()]) {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            lines.push(now);
            overrun = overrun.or(collect(&mut lines, &mut found));
            prop_assert!(lines.buffered() <= max_line + 1);
            rest = later;
        }
        lines.finish();
        overrun = overrun.or(collect(&mut lines, &mut found));
        prop_assert_eq!((found, overrun.is_some()), expected(&stream, max_line));
        prop_assert_eq!(lines.next_line(), None);
    }

    #[test]
    fn an_appended_frame_is_read_back_as_one_line(frames in prop::collection::vec("[a\r\n ]{1,200}", 0..20)) {
        let mut stream = Vec::new();
        for frame in &frames {
            append_line(frame.as_bytes(), &mut stream);
        }
        let mut lines = Lines::new(200);
        lines.push(&stream);
        let mut found = Vec::new();
        prop_assert_eq!(collect(&mut lines, &mut found), None);
        let spaced: Vec<Vec<u8>> = frames.iter().map(|frame| frame.replace(['\r', '\n'], " ").into_bytes()).collect();
        prop_assert_eq!(found, spaced);
    }
}

#[test]
fn characters_that_other_readers_take_for_line_ends_are_escaped() {
    let frame = "{\"a\":\"x\u{2028}\u{2029}\u{85}\u{e9}\u{20ac}\"}";
    let mut line = Vec::new();
    append_line(frame.as_bytes(), &mut line);
    assert_eq!(String::from_utf8_lossy(&line), "{\"a\":\"x\\u2028\\u2029\\u0085\u{e9}\u{20ac}\"}\n");
}

#[test]
fn a_line_over_the_limit_is_reported_once_and_ends_the_stream() {
    let mut lines = Lines::new(5);
    lines.push(b"12345\r\n12345\n123456\n1\n");
    assert_eq!(lines.next_line(), Some(Ok(&b"12345"[..])));
    assert_eq!(lines.next_line(), Some(Ok(&b"12345"[..])));
    assert_eq!(lines.next_line(), Some(Err(LineTooLong { max_line: 5 })));
    assert_eq!(lines.next_line(), None);
    lines.push(b"1\n");
    lines.finish();
    assert_eq!(lines.next_line(), None);
    assert_eq!(lines.buffered(), 0);
}

#[test]
fn a_line_is_too_long_before_its_end_is_read() {
    let mut lines = Lines::new(1000);
    lines.push(&[b'a'; 1000]);
    assert_eq!(lines.next_line(), None);
    lines.push(b"a");
    assert_eq!(lines.next_line(), Some(Err(LineTooLong { max_line: 1000 })));
}

#[test]
fn lines_are_frames_and_the_end_is_a_normal_close() {
    let mut link = open_lines(100);
    assert!(link.is_open() && link.wants_input());
    assert_eq!(feed(&mut link, "{\"a\":\"ä\"}\r\n\n{}\n{\"b\"".as_bytes()), [frame("{\"a\":\"ä\"}"), frame("{}")]);
    assert!(link.wants_input());
    assert_eq!(feed(&mut link, b":1}"), []);
    link.receive_end();
    let events = drain(&mut link);
    assert_eq!(events[0], frame("{\"b\":1}"), "the last line needs no newline");
    assert_closed(events[1..].to_vec(), Cause::Peer, code::NORMAL);

    assert!(link.send(b"{}"), "the other direction is still open");
    assert!(!link.is_finished());
    assert_eq!(output(&mut link), b"{}\n");
    link.close(code::NORMAL, "");
    assert!(!link.send(b"{}"));
    assert_eq!(drain(&mut link), [], "the end was already reported");
    assert!(link.is_finished());
}

#[test]
fn a_frame_is_written_as_one_line() {
    let mut link = open_lines(100);
    link.send(b"{\r\n  \"a\": 1\n}");
    link.send(b"{}");
    assert_eq!(output(&mut link), b"{    \"a\": 1 }\n{}\n");
}

#[test]
fn faults_of_lines_have_the_codes_of_websocket() {
    let mut link = open_lines(5);
    let events = feed(&mut link, b"good\n123456\nlater\n");
    assert_eq!(events[0], frame("good"));
    assert_closed(events[1..].to_vec(), Cause::Fault, code::TOO_BIG);
    assert_eq!(feed(&mut link, b"later\n"), []);
    assert!(!link.wants_input());
    assert!(link.send(b"{}"), "an error can still be sent");

    let mut link = open_lines(5);
    assert_closed(feed(&mut link, b"\xff\nlater\n"), Cause::Fault, code::NOT_UTF8);
    assert_eq!(feed(&mut link, b"later\n"), []);
}

#[test]
fn our_close_of_lines_is_reported_at_once() {
    let mut link = open_lines(100);
    link.send(b"{}");
    link.receive(b"{\"unread\":1}\n");
    link.close(code::POLICY, "enough");
    assert_closed(drain(&mut link), Cause::Us, code::POLICY);
    assert!(!link.wants_input() && !link.is_finished());
    assert_eq!(output(&mut link), b"{}\n");
    assert!(link.is_finished());
}
