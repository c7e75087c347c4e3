//! Bytes into every kind of link, in pieces whose sizes the bytes themselves choose.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nuncio_link::{ClientOptions, HostPolicy, Link, LinkOptions, ServerOptions};

fuzz_target!(|data: &[u8]| {
    let Some((kind, mut rest)) = data.split_first() else { return };
    let options = LinkOptions { max_message: 1 << 16 };
    let mut link = match kind % 5 {
        0 => Link::server(Arc::new(ServerOptions::new(HostPolicy::Any))),
        1 => Link::server_upgraded(options),
        2 => Link::client(&ClientOptions::new("ws://127.0.0.1/arcp").expect("a URL")),
        3 => Link::client_upgraded(options),
        _ => Link::lines(options),
    };
    while let Some(first) = rest.first() {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(*first) + 1));
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
    assert!(link.bytes_held() < 4 << 20);
});
