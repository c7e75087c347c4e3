//! Requests to a coordinator (§1.1) and to a token service (§1.2), as they are sent.
//!
//! ```text
//! POST   /zones/{zone}/agents                              spawn.rs
//! DELETE /zones/{zone}/agents/{session}                    session.rs
//! POST   /zones/{zone}/agents/{session}/heartbeat          session.rs, 1.0 only
//! POST   /zones/{zone}/agents/{session}/lease              session.rs, 1.0 only
//! POST   /zones/{zone}/delegations                         delegate.rs
//! PATCH  /zones/{zone}/delegations/{edge}/revoke           edge.rs
//! GET    /zones/{zone}/delegations/inbound/{session}       edge.rs
//! POST   /oauth/2/token                                    token.rs
//! ```

pub(crate) mod delegate;
pub(crate) mod edge;
pub(crate) mod read;
pub(crate) mod session;
pub(crate) mod spawn;
pub(crate) mod token;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::header::{Header, HeaderValue};
use super::ids::ZoneId;
use super::percent::push_encoded;
use super::token::BearerToken;

/// The method of a [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Returns the method as it is written in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// An HTTP request. Its path is to be appended to the base URL of the service, without a trailing slash.
///
/// Neither the tokens of its headers nor its body are part of its `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    path: String,
    headers: Vec<Header>,
    body: Option<Zeroizing<String>>,
}

impl Request {
    fn new(method: Method, path: String) -> Request {
        Request { method, path, headers: Vec::new(), body: None }
    }

    fn with_json(mut self, body: String) -> Request {
        self.headers.push(Header::new("content-type", HeaderValue::trusted("application/json")));
        self.body = Some(Zeroizing::new(body));
        self
    }

    /// Adds the `authorization` header.
    pub(crate) fn authorized(mut self, token: &BearerToken) -> Request {
        self.headers.insert(0, Header::new("authorization", token.to_authorization()));
        self
    }

    /// Adds a header.
    pub(crate) fn with(mut self, header: Header) -> Request {
        self.headers.push(header);
        self
    }

    /// Returns the method.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Returns the path, which begins with `/` and is percent-encoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the header fields. `content-length` and `host` are not among them.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Returns the body, if there is one. It may hold a secret and must not be logged.
    pub fn body(&self) -> Option<&str> {
        self.body.as_ref().map(|body| body.as_str())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body().map(str::len))
            .finish_non_exhaustive()
    }
}

/// Returns the path `/zones/{zone}/…` with escaped segments.
fn zone_path<const N: usize>(zone: &ZoneId, segments: [&str; N]) -> String {
    let mut path = String::from("/zones/");
    push_encoded(&mut path, zone.as_str());
    for segment in segments {
        path.push('/');
        push_encoded(&mut path, segment);
    }
    path
}

/// Writes texts as a JSON array.
fn text_array<T: AsRef<str>>(texts: &[T]) -> String {
    let mut out = String::from("[");
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        crate::json::push_json_str(&mut out, text.as_ref());
    }
    out.push(']');
    out
}
