//! Bytes of a NATS server, and of a client of ours.

use nuncio_core::time::Time;
use nuncio_link::nats::{NatsConfig, NatsEvent, NatsLink, NatsServerConfig, NatsServerEvent, NatsServerLink};

const NOW: Time = Time(0);

/// The link does not panic, keeps its memory bounded, and has the same events however its input is split. The first byte
/// chooses the limits; each piece begins with its size.
pub fn nats_bytes(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let config = NatsConfig {
        max_payload: [64, 1 << 16][usize::from(choice & 1)],
        max_line: [256, 1 << 12][usize::from(choice >> 1 & 1)],
        ..NatsConfig::default()
    };
    let pieces = pieces(rest);
    let split = run(&config, pieces.iter().copied());
    let whole = pieces.concat();
    assert_eq!(split, run(&config, [&whole[..]]), "the events depend on how the input is split");
}

fn run<'a>(config: &NatsConfig, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<NatsEvent> {
    let mut link = NatsLink::new(config.clone(), NOW);
    let (mut events, mut received) = (Vec::new(), 0);
    for piece in pieces {
        received = received.max(piece.len());
        link.receive(NOW, piece);
        poll(&mut link, &mut events);
        let bound = 4 * (config.max_payload + config.max_line + received) + (256 << 10);
        assert!(link.bytes_held() < bound, "{} bytes are held", link.bytes_held());
    }
    link.receive_end();
    poll(&mut link, &mut events);
    assert!(matches!(events.last(), Some(NatsEvent::Closed(_))), "the end is reported");
    events
}

/// Takes all events and writes the output, without which input may wait.
fn poll(link: &mut NatsLink, events: &mut Vec<NatsEvent>) {
    loop {
        while let Some(event) = link.poll_event() {
            if matches!(event, NatsEvent::Info(_)) {
                // It is refused after the first time.
                drop(link.login(NOW));
            }
            events.push(event);
        }
        if link.output_len() == 0 {
            return;
        }
        link.take_output(&mut Vec::new());
    }
}

/// Splits the input into pieces, each of which begins with its size.
pub(super) fn pieces(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((size, after)) = rest.split_first() {
        let (piece, after) = after.split_at(after.len().min(usize::from(*size) + 1));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The server's side, with the same properties for the bytes of a client.
pub fn nats_server_bytes(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let config = NatsServerConfig {
        max_payload: [64, 1 << 16][usize::from(choice & 1)],
        max_line: [256, 1 << 12][usize::from(choice >> 1 & 1)],
        max_subscriptions: 16,
        ..NatsServerConfig::default()
    };
    let pieces = pieces(rest);
    let split = serve(&config, pieces.iter().copied());
    let whole = pieces.concat();
    assert_eq!(split, serve(&config, [&whole[..]]), "the events depend on how the input is split");
}

/// Returns the events and what was written.
fn serve<'a>(config: &NatsServerConfig, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<NatsServerEvent>, Vec<u8>) {
    let mut link = NatsServerLink::new(config.clone(), NOW);
    let (mut events, mut output, mut received) = (Vec::new(), Vec::new(), 0);
    let mut poll = |link: &mut NatsServerLink| {
        loop {
            events.extend(std::iter::from_fn(|| link.poll_event()));
            if link.output_len() == 0 {
                return;
            }
            let mut bytes = Vec::new();
            link.take_output(&mut bytes);
            output.extend(bytes);
        }
    };
    for piece in pieces {
        received = received.max(piece.len());
        link.receive(NOW, piece);
        poll(&mut link);
        let bound = 4 * (config.max_payload + config.max_line + received) + (256 << 10);
        assert!(link.bytes_held() < bound, "{} bytes are held", link.bytes_held());
    }
    link.receive_end();
    poll(&mut link);
    assert!(matches!(events.last(), Some(NatsServerEvent::Closed(_))), "the end is reported");
    (events, output)
}
