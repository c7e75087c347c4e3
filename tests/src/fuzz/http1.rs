//! Bytes of an HTTP/1.1 server.

use bytes::Bytes;
use nuncio_link::http::{Method, Request};
use nuncio_link::http1::{Http1Config, Http1Fault, Http1Link};

use super::nats::pieces;

/// The link does not panic, keeps its memory bounded, and has the same response however its input is split. The first byte
/// chooses the limits and the method; each piece begins with its size.
pub fn http1_bytes(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let config = Http1Config {
        max_head: [128, 1 << 12][usize::from(choice & 1)],
        max_body: [16, 1 << 12][usize::from(choice >> 1 & 1)],
    };
    let method = if choice >> 2 & 1 == 0 { Method::GET } else { Method::HEAD };
    let pieces = pieces(rest);
    let split = run(config, &method, pieces.iter().copied());
    let whole = pieces.concat();
    assert_eq!(split, run(config, &method, [&whole[..]]), "the response depends on how the input is split");
}

type Run = (Option<(u16, Bytes)>, Option<Http1Fault>);

fn run<'a>(config: Http1Config, method: &Method, pieces: impl IntoIterator<Item = &'a [u8]>) -> Run {
    let mut link = Http1Link::new(config);
    let request = Request::builder().method(method).uri("http://a/").body(Bytes::new()).expect("a request");
    link.request(&request).expect("a free connection");
    link.take_output(&mut Vec::new());
    let (mut answer, mut received) = (None, 0);
    for piece in pieces {
        received = received.max(piece.len());
        link.receive(piece);
        if let Err(fault) = poll(&mut link, &mut answer) {
            return (answer, Some(fault));
        }
        let bound = 4 * (config.max_head + config.max_body + received) + (256 << 10);
        assert!(link.bytes_held() < bound, "{} bytes are held", link.bytes_held());
    }
    link.receive_end();
    let fault = poll(&mut link, &mut answer).err();
    (answer, fault)
}

/// Takes the response, of which there is one at most. What a malformed response is called may depend on the pieces.
fn poll(link: &mut Http1Link, answer: &mut Option<(u16, Bytes)>) -> Result<(), Http1Fault> {
    loop {
        match link.poll_response() {
            Ok(Some(response)) => {
                assert!(answer.is_none(), "one request has one response");
                assert!(response.body().len() <= 1 << 12);
                *answer = Some((response.status().as_u16(), response.into_body()));
            }
            Ok(None) => return Ok(()),
            Err(Http1Fault::Malformed(_)) => return Err(Http1Fault::Malformed(String::new())),
            Err(fault) => return Err(fault),
        }
    }
}
