//! Bytes for every kind of link.

use std::sync::Arc;

use nuncio_link::{ClientOptions, HostPolicy, Link, LinkOptions, ServerOptions};

/// The link does not panic and keeps its memory bounded. The first byte selects the kind of link; each piece begins
/// with its size.
pub fn link_bytes(data: &[u8]) {
    let Some((kind, mut rest)) = data.split_first() else { return };
    let options = LinkOptions { max_message: 1 << 16 };
    let mut link = match kind % 5 {
        0 => Link::server(Arc::new(ServerOptions::new(HostPolicy::Any))),
        1 => Link::server_upgraded(options),
        2 => Link::client(&ClientOptions::new("ws://127.0.0.1/arcp").expect("a URL")),
        3 => Link::client_upgraded(options),
        _ => Link::lines(options),
    };
    while let Some((size, after)) = rest.split_first() {
        let (piece, after) = after.split_at(after.len().min(usize::from(*size) + 1));
        rest = after;
        if link.wants_input() {
            link.receive(piece);
        }
        while link.poll_event().is_some() {}
        let len = link.output().len();
        link.consume(len);
    }
    link.receive_end();
    while link.poll_event().is_some() {}
    assert!(link.bytes_held() < 4 << 20, "{} bytes are held", link.bytes_held());
}
