/// How a server broke the protocol, or a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Http1Fault {
    /// The response cannot be read.
    #[error("the server sent a response that is not valid HTTP/1.1: {0}")]
    Malformed(String),
    /// The response is an alert of TLS, so the server expects TLS at this port.
    #[error("the server seems to speak TLS at this port; try an https:// URL")]
    Tls,
    /// The head of the response is too large.
    #[error("the server sent a response with a head of more than {max} bytes")]
    HeadTooLarge {
        /// The limit.
        max: usize,
    },
    /// The body of the response is too large.
    #[error("the server sent a response with a body of more than {max} bytes")]
    BodyTooLarge {
        /// The limit.
        max: usize,
    },
    /// It is not certain where the response ends.
    #[error("the server sent a response whose length is ambiguous: {0}")]
    Length(&'static str),
    /// The server has switched to another protocol.
    #[error("the server switched to another protocol, which was not asked for")]
    Switched,
    /// The bytes answer no request.
    #[error("the server sent bytes without a request")]
    Unasked,
    /// The connection was closed before the response was complete.
    #[error("the server closed the connection before its response was complete")]
    Closed,
}

/// Why a request was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Http1Refused {
    /// Another request waits for its response, or the connection cannot be used any more.
    #[error("the connection is not free for another request")]
    Busy,
    /// The connection sets this header field itself.
    #[error("the header field {0} belongs to the connection, and cannot be set")]
    Field(&'static str),
    /// The request has several `host` fields, or its URL names no host.
    #[error("the request must name exactly one host")]
    Host,
    /// The URL has a user name or a password.
    #[error("the URL must not have a user name or a password")]
    UserInfo,
    /// The path or the query of the URL has a character that is not printable ASCII.
    #[error("the path and the query of the URL must be printable ASCII")]
    Target,
    /// The method is `CONNECT`, or has no body and was given one.
    #[error("the method {0} cannot be sent with this body")]
    Method(String),
    /// The request cannot be written for another reason.
    #[error("the request cannot be written: {0}")]
    Request(String),
}
