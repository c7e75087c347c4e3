//! Requests of the machine as requests of HTTP.

use bytes::Bytes;
use nuncio_core::caracal::{Method, Request};
use nuncio_link::http;
use nuncio_link::http1::Http1Refused;

use super::fields::to_field;
use super::http::HttpError;
use super::http::origin::Endpoint;

/// Returns a request to a service.
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
