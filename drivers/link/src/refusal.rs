use tungstenite::{
    handshake::server::write_response,
    http::{HeaderValue, Response, StatusCode, header},
};

use crate::head::HeadError;

/// Why a server does not upgrade a request. Each reason has an HTTP status and a text that tells the client what to
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the request is not HTTP/1.1, does not have exactly one `Host`, or has no valid `Sec-WebSocket-Key`.
    Malformed,
    /// 403: the [`HostPolicy`](crate::HostPolicy) does not allow the `Host`.
    Host,
    /// 403: the [`OriginPolicy`](crate::OriginPolicy) does not allow the `Origin`.
    Origin,
    /// 400: the [`DialectCheck`](crate::DialectCheck) does not know the dialect that the URL asks for.
    Dialect,
    /// 400: the request has a body, which would be read as frames.
    Body,
    /// 404: the path is not that of the endpoint.
    Path,
    /// 405: the method is not GET.
    Method,
    /// 408: the request did not arrive in time. The driver decides this, with [`Link::refuse`](crate::Link::refuse).
    Slow,
    /// 429: too many tokens from the address of the client were refused. The driver decides this, with
    /// [`Link::refuse`](crate::Link::refuse).
    TooManyLogins,
    /// 426: the request is plain HTTP, or HTTP/1.0.
    NoUpgrade,
    /// 426: the request is not for version 13 of the WebSocket protocol.
    Version,
    /// 431: the request's head is longer than the limit, or has more than 124 headers.
    HeadTooLong,
    /// 503: the server accepts no further connection. The driver decides this, with
    /// [`Link::refuse`](crate::Link::refuse) or [`Link::close`](crate::Link::close).
    Busy,
}

impl Refusal {
    /// Returns the HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Dialect | Self::Body => 400,
            Self::Host | Self::Origin => 403,
            Self::Path => 404,
            Self::Method => 405,
            Self::Slow => 408,
            Self::NoUpgrade | Self::Version => 426,
            Self::TooManyLogins => 429,
            Self::HeadTooLong => 431,
            Self::Busy => 503,
        }
    }

    /// Returns the body of the response. It repeats no part of the request.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "this is not a well-formed WebSocket upgrade request; use a ws:// or wss:// client",
            Self::Host => {
                "this server does not answer to the host name of the request; \
                 use a name it is configured for, or add this one to its allowed hosts"
            }
            Self::Origin => {
                "this server does not serve the web page that the request comes from; \
                 add the page's origin to its allowed origins"
            }
            Self::Dialect => {
                "the URL asks for an unknown dialect; leave the parameter dialect out, \
                 or set it to a name such as spec, go-1.1 or java-1.0"
            }
            Self::Body => "an upgrade request has no body; send it without Content-Length and Transfer-Encoding",
            Self::Path => "nothing is served at this path; check the path in the client's URL",
            Self::Method => "only GET requests are upgraded to WebSocket",
            Self::Slow => "the request did not arrive in time; send it at once after connecting",
            Self::TooManyLogins => {
                "too many tokens from this address were refused; wait a minute, and try again with a token that is valid"
            }
            Self::NoUpgrade => "this is a WebSocket endpoint; connect with a ws:// or wss:// client",
            Self::Version => "only version 13 of the WebSocket protocol is spoken here",
            Self::HeadTooLong => "the request's header is too long; send fewer or shorter header fields",
            Self::Busy => "the server has no room for another connection; try again later",
        }
    }

    /// Returns the response, whose body is the [text](Refusal::text) as one line. The response closes the connection.
    pub fn response(self) -> Response<String> {
        let mut response = Response::new(format!("{}\n", self.text()));
        *response.status_mut() = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CONTENT_LENGTH, length.into());
        match self {
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::NoUpgrade => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            Self::Version => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::TooManyLogins => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            Self::Malformed
            | Self::Host
            | Self::Origin
            | Self::Dialect
            | Self::Body
            | Self::Path
            | Self::Slow
            | Self::HeadTooLong
            | Self::Busy => {}
        }
        response
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let response = self.response();
        let written = write_response(&mut *out, &response);
        debug_assert!(written.is_ok(), "a response of constants was not written: {written:?}");
        out.extend_from_slice(response.body().as_bytes());
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed => Self::Malformed,
            HeadError::TooLong => Self::HeadTooLong,
            HeadError::WrongMethod => Self::Method,
            // RFC 9110 §7.8: `Upgrade` in an HTTP/1.0 request is to be ignored.
            HeadError::OldVersion => Self::NoUpgrade,
        }
    }
}
