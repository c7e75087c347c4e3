//! Which request is for which part.

use nuncio_core::caracal::{IncomingRequest, Reply};

use super::hub::Hub;
use crate::io::clock::wall;
use crate::io::sync::lock;

/// A request that an HTTP server has read.
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path and, after `?`, the query, as they were sent.
    pub target: &'a str,
    /// The header fields, with names in any case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

pub(super) async fn answer(hub: &Hub, request: &HttpRequest<'_>) -> Reply {
    let HttpRequest { method, target, headers, body } = *request;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match (method, path) {
        ("GET", "/health") => Reply::healthy(),
        ("GET", "/.well-known/jwks.json") => {
            let (x, y) = hub.key.coordinates();
            lock(&hub.tokens).public_keys(query, x, y)
        }
        ("POST", "/oauth/2/token") => issue(hub, body),
        _ => {
            let authorization = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            let authorization = authorization.map(|(_, value)| *value);
            let caller = lock(&hub.tokens)
                .authenticate(wall(), authorization, |input, signature| hub.key.verify(input, signature));
            let caller = caller.as_ref().map_err(|fault| *fault);
            let request = IncomingRequest { method, target, headers, body, caller };
            hub.ask(&request).await.unwrap_or_else(Reply::unavailable)
        }
    }
}

fn issue(hub: &Hub, body: &[u8]) -> Reply {
    let exchanged = lock(&hub.tokens).exchange(wall(), body);
    match exchanged {
        Ok(unsigned) => match hub.key.sign(unsigned.signing_input()) {
            Some(signature) => unsigned.issued(&signature),
            None => Reply::unavailable(),
        },
        Err(refused) => refused,
    }
}
