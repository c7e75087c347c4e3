//! Bytes of a Redis server, and of a client of ours.

use nuncio_link::resp::{
    RespClientFault, RespCommand, RespConfig, RespFault, RespLink, RespReply, RespRequest, RespServerConfig,
    RespServerLink,
};

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

/// The server's side, with the same properties for the bytes of a client. The first byte is the size of the largest command.
pub fn resp_server_bytes(data: &[u8]) {
    let Some((max, rest)) = data.split_first() else { return };
    let config = RespServerConfig { max_line: 256, max_words: 8, max_command: usize::from(*max) };
    let pieces = pieces(rest);
    let split = serve(config, pieces.iter().copied());
    let whole = pieces.concat();
    assert_eq!(split, serve(config, [&whole[..]]), "the commands depend on how the input is split");
}

fn serve<'a>(
    config: RespServerConfig,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<RespCommand>, Option<RespClientFault>) {
    let mut link = RespServerLink::new(config);
    let (mut commands, mut received) = (Vec::new(), 0);
    for piece in pieces {
        received = received.max(piece.len());
        link.receive(piece);
        loop {
            match link.poll_command() {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => break,
                Err(fault) => return (commands, Some(fault)),
            }
        }
        let bound = 8 * (config.max_command + config.max_line + received) + (256 << 10);
        assert!(link.bytes_held() < bound, "{} bytes are held", link.bytes_held());
    }
    (commands, None)
}
