//! What a real nats-server has sent to the Python SDKs.

use std::fs;
use std::path::Path;

use nuncio_link::nats::{NatsClosed, NatsConfig, NatsEvent};

use crate::support::play;

fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nats/data");
    let files = fs::read_dir(folder).expect("the folder of the captures");
    let mut captures: Vec<_> = files
        .map(|file| {
            let path = file.expect("a readable folder").path();
            (path.display().to_string(), fs::read(&path).expect("a readable capture"))
        })
        .collect();
    captures.sort();
    assert_eq!(captures.len(), 9);
    captures
}

#[test]
fn captures_are_read_to_their_end() {
    for (name, bytes) in captures() {
        let events = play(NatsConfig::default(), [&bytes[..]]);
        let [NatsEvent::Info(info), rest @ .., NatsEvent::Closed(NatsClosed::Ended(None))] = &events[..] else {
            panic!("{name}: {events:?}");
        };
        assert_eq!((info.version.as_str(), info.max_payload, info.headers), ("2.9.10", 1 << 20, true), "{name}");
        assert!(rest.contains(&NatsEvent::Ready), "{name}");
        let messages = rest.iter().filter(|event| matches!(event, NatsEvent::Message(_))).count();
        let lines = bytes.windows(5).filter(|window| window == b"\nMSG " || window == b"\nHMSG").count();
        assert_eq!(messages, lines, "{name}");
    }
}

#[test]
fn captures_give_the_same_events_however_they_are_split() {
    for (name, bytes) in captures() {
        let whole = play(NatsConfig::default(), [&bytes[..]]);
        assert_eq!(play(NatsConfig::default(), bytes.chunks(1)), whole, "{name}, byte by byte");
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(play(NatsConfig::default(), [first, second]), whole, "{name}, split at {at}");
        }
    }
}

#[test]
fn no_responders_and_headers_are_read() {
    let (_, bytes) = captures().swap_remove(0);
    let events = play(NatsConfig::default(), [&bytes[..]]);
    let messages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            NatsEvent::Message(message) => Some(message),
            _ => None,
        })
        .collect();
    let [refusal, body] = messages[..] else { panic!("{events:?}") };
    assert!(refusal.is_no_responders() && refusal.sid == 1 && refusal.payload.is_empty());
    assert!(refusal.subject.starts_with("_INBOX."));
    assert!(!body.is_no_responders());
    assert_eq!((body.subject.as_str(), body.sid, body.status, &body.payload[..]), ("h.test", 2, None, &b"body"[..]));
}
