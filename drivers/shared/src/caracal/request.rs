//! Requests of the machine as requests of HTTP.

use bytes::Bytes;
use nuncio_core::caracal::{Header, Method, Request};
use nuncio_link::http;
use nuncio_link::http1::Http1Refused;

use super::http::HttpError;
use super::http::origin::Endpoint;

/// Returns a request to a service. Tokens are marked as sensitive, so that nothing prints them.
pub(crate) fn to_http(service: &Endpoint, request: &Request) -> Result<http::Request<Bytes>, HttpError> {
    let method = match request.method() {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    };
    let body = request.body().map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.as_bytes()));
    let mut http = http::Request::new(body);
    *http.method_mut() = method;
    *http.uri_mut() = service.url(request.path()).parse().map_err(|_| HttpError::Request(Http1Refused::Target))?;
    for header in request.headers() {
        let (name, value) = to_field(header).ok_or(HttpError::Request(Http1Refused::Field("a header")))?;
        http.headers_mut().append(name, value);
    }
    Ok(http)
}

static BAGGAGE: http::HeaderName = http::HeaderName::from_static("baggage");
static TRACEPARENT: http::HeaderName = http::HeaderName::from_static("traceparent");

/// Returns a header field. Every value of the machine is printable ASCII, so that there is one for each.
pub(crate) fn to_field(header: &Header) -> Option<(http::HeaderName, http::HeaderValue)> {
    let name = match header.name() {
        "authorization" => http::header::AUTHORIZATION,
        // The http crate knows no others of a context's fields, and checks each byte of them.
        "baggage" => BAGGAGE.clone(),
        "traceparent" => TRACEPARENT.clone(),
        other => http::HeaderName::from_bytes(other.as_bytes()).ok()?,
    };
    let mut value = http::HeaderValue::from_str(header.value().expose()).ok()?;
    value.set_sensitive(header.value().is_secret());
    Some((name, value))
}
