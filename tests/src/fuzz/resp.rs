//! Bytes of a Redis server.

use nuncio_link::resp::{RespConfig, RespFault, RespLink, RespReply, RespRequest};

use super::nats::pieces;

/// How many requests wait for replies.
const REQUESTS: usize = 64;

/// The link does not panic, keeps its memory bounded, and has the same replies however its input is split. The first byte
/// is the size up to which values are kept; each piece begins with its size.
pub fn resp_bytes(data: &[u8]) {
    let Some((max, rest)) = data.split_first() else { return };
    let max = usize::from(*max);
    let pieces = pieces(rest);
    let split = run(max, pieces.iter().copied());
    let whole = pieces.concat();
    assert_eq!(split, run(max, [&whole[..]]), "the replies depend on how the input is split");
}

fn run<'a>(max: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<RespReply>, Option<RespFault>) {
    let config = RespConfig { max_line: 256, ..RespConfig::default() };
    let mut link = RespLink::new(config);
    for _ in 0..REQUESTS {
        link.request(&RespRequest::Ping, max).expect("few requests wait");
    }
    link.take_output(&mut Vec::new());
    let (mut replies, mut received) = (Vec::new(), 0);
    for piece in pieces {
        received = received.max(piece.len());
        link.receive(piece);
        loop {
            match link.poll_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(fault) => return (replies, Some(fault)),
            }
        }
        let bound = 8 * (max + config.max_line + received) + (256 << 10);
        assert!(link.bytes_held() < bound, "{} bytes are held", link.bytes_held());
    }
    (replies, None)
}
