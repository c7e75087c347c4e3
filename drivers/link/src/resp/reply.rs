use bytes::Bytes;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RespReply {
    /// A short text, such as `OK`.
    Simple(String),
    /// The server refuses the request, such as `WRONGPASS invalid username-password pair`.
    Error(String),
    /// A number.
    Integer(i64),
    /// A value.
    Bulk(Bytes),
    /// There is no value.
    Null,
    /// Several answers.
    Array(Vec<RespReply>),
    /// A value that is larger than the request allows. It was not kept.
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// How a server broke the protocol, or a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespFault {
    /// A line is too long.
    #[error("the server sent a line of more than {max} bytes")]
    LineTooLong {
        /// The limit.
        max: usize,
    },
    /// A line begins with a byte that is no type of RESP2.
    #[error("the server does not speak RESP2: a line begins with the byte {0:#04x}")]
    Type(u8),
    /// The reply is an alert of TLS, so the server expects TLS at this port.
    #[error("the server seems to speak TLS at this port; try a rediss:// URL")]
    Tls,
    /// A number or a length cannot be read.
    #[error("the server sent a {0} that cannot be read")]
    Number(&'static str),
    /// A value is longer than the protocol allows.
    #[error("the server sent a value of {bytes} bytes, and the protocol allows {max}")]
    ValueTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A value does not end where its length says.
    #[error("the server sent a value that is longer than its length says")]
    Value,
    /// An array has too many elements, or is nested too deeply.
    #[error("the server sent an array with too many elements or levels")]
    Array,
    /// The reply answers no request.
    #[error("the server sent a reply without a request")]
    Unasked,
}

/// Why a request was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespRefused {
    /// Too many requests wait for their replies.
    #[error("too many requests wait for their replies")]
    TooManyRequests,
}
