//! The heads of requests and responses: what is written, and which lengths are believed.

use bytes::Bytes;
use tungstenite::http::uri::{Authority, PathAndQuery};
use tungstenite::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};

use super::fault::{Http1Fault, Http1Refused};

/// The fields by which the two ends of a connection agree on where a message ends, and on what follows it.
const CONNECTION_FIELDS: [(HeaderName, &str); 7] = [
    (header::CONNECTION, "connection"),
    (header::CONTENT_LENGTH, "content-length"),
    (header::EXPECT, "expect"),
    (header::TE, "te"),
    (header::TRAILER, "trailer"),
    (header::TRANSFER_ENCODING, "transfer-encoding"),
    (header::UPGRADE, "upgrade"),
];

/// Returns the head of a request as it is written, with the length of its body.
pub(super) fn checked(request: &Request<Bytes>) -> Result<Request<()>, Http1Refused> {
    let (headers, body, method) = (request.headers(), request.body(), request.method());
    if let Some((_, name)) = CONNECTION_FIELDS.iter().find(|(name, _)| headers.contains_key(name)) {
        return Err(Http1Refused::Field(name));
    }
    if *method == Method::CONNECT || (*method == Method::HEAD && !body.is_empty()) {
        return Err(Http1Refused::Method(method.to_string()));
    }
    let uri = request.uri();
    let authority = uri.authority().map(Authority::as_str).filter(|authority| !authority.is_empty());
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(Http1Refused::UserInfo);
    }
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && authority.is_none()) {
        return Err(Http1Refused::Host);
    }
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Http1Refused::Target);
    }
    let mut head = Request::new(());
    *head.method_mut() = method.clone();
    *head.uri_mut() = uri.clone();
    *head.version_mut() = Version::HTTP_11;
    *head.headers_mut() = headers.clone();
    let has_length = !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(method);
    if has_length {
        head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Ok(head)
}

/// Returns a number of bytes in which the head of a request fits.
pub(super) fn written_bytes(head: &Request<()>) -> usize {
    let fields = head.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let uri = head.uri().to_string().len();
    fields.sum::<usize>() + 2 * uri + head.method().as_str().len() + 64
}

/// Refuses a response of which two readers could disagree on where it ends.
pub(super) fn check_length(version: Version, headers: &HeaderMap) -> Result<(), Http1Fault> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if version != Version::HTTP_11 {
        return Err(Http1Fault::Length("HTTP/1.0 has no transfer codings"));
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Http1Fault::Length("it has both a content-length and a transfer-encoding"));
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Http1Fault::Length("its transfer-encoding is not `chunked`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_fits_in_the_bytes_that_it_is_given() {
        let (long, longer) = ("x".repeat(10_000), "y".repeat(20_000));
        let request = Request::post(format!("http://h/{long}?{longer}")).header("x-long", &longer).body(Bytes::new());
        let head = checked(&request.expect("it is valid")).expect("it can be sent");
        // The path, the query, the host and the field are each written once, with a few words around them.
        let bytes = written_bytes(&head);
        assert!((10_000 + 2 * 20_000 + 100..10_000 * 2 + 20_000 * 3 + 1_000).contains(&bytes), "{bytes}");
    }
}
