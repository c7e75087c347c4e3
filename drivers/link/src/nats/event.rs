use bytes::Bytes;

use super::info::NatsInfo;
use super::subject::InvalidSubject;

/// An event of a [`NatsLink`](super::NatsLink).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsEvent {
    /// What the server says about itself: once at the start, and again when it changes.
    Info(Box<NatsInfo>),
    /// The server has accepted the login.
    Ready,
    /// A message of a subscription.
    Message(NatsMessage),
    /// A message of a subscription that cannot be represented, because its subject or reply subject is not UTF-8.
    Unreadable {
        /// The subscription.
        sid: u64,
        /// The length of its payload in bytes.
        bytes: usize,
    },
    /// The server has taken everything that was queued before this [`flush`](super::NatsLink::flush).
    Flushed(FlushId),
    /// An error that the server reports, such as `Permissions Violation for Publish to "a"`. The server closes the
    /// connection after most errors, but not after this kind.
    Error(String),
    /// The link has ended. Nothing follows.
    Closed(NatsClosed),
}

/// Identifies a [`flush`](super::NatsLink::flush) of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlushId(pub(super) u64);

/// A message of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsMessage {
    /// The subscription.
    pub sid: u64,
    /// The subject that it was published on.
    pub subject: String,
    /// Where an answer is expected. It comes from the sender, and need not be a valid subject.
    pub reply: Option<String>,
    /// The status of the server or of a stream, from the first line of the headers.
    pub status: Option<u16>,
    /// The content.
    pub payload: Bytes,
}

impl NatsMessage {
    /// Returns whether the message is the server's answer to a request on a subject without subscribers.
    pub fn is_no_responders(&self) -> bool {
        self.status == Some(503) && self.payload.is_empty()
    }
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsClosed {
    /// The server refused the client, before or after its login. The text is the server's.
    #[error("the server refuses the connection: {0:?}")]
    Refused(String),
    /// The stream ended. The text is the last error that the server has reported.
    #[error("the server has closed the connection{}", match .0 { Some(error) => format!(": {error:?}"), None => String::new() })]
    Ended(Option<String>),
    /// The server has not answered several pings.
    #[error("the server has not answered {0} pings")]
    Silent(u32),
    /// The server broke the protocol.
    #[error(transparent)]
    Fault(#[from] NatsFault),
    /// The driver called [`NatsLink::close`](super::NatsLink::close).
    #[error("the connection was closed")]
    Closed,
}

/// How a server broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsFault {
    /// A line is too long.
    #[error("the server sent a line of more than {max} bytes")]
    LineTooLong {
        /// The limit.
        max: usize,
    },
    /// A message is too large.
    #[error("the server sent a message of {bytes} bytes, and at most {max} are accepted")]
    PayloadTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The first line is not `INFO`.
    #[error("the server does not speak NATS: its first line is not INFO")]
    NotNats,
    /// The JSON of `INFO` cannot be read.
    #[error("the server's INFO cannot be read: {0}")]
    Info(String),
    /// A line that does not belong to the protocol, or not here.
    #[error("the server sent {0}")]
    Line(&'static str),
    /// Bytes came in plain text before the TLS handshake; they may be those of someone in between.
    #[error("the server sent bytes in plain text between its INFO and the TLS handshake")]
    BeforeTls,
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsRefused {
    /// The link is not in the state for it.
    #[error("the connection is not ready")]
    NotReady,
    /// A subject or queue group is not valid.
    #[error("{text:?} is not a valid {what}: {error}")]
    Subject {
        /// The text.
        text: String,
        /// What it was to be: a subject, a reply subject, or a queue group.
        what: &'static str,
        /// What is wrong.
        error: InvalidSubject,
    },
    /// The payload is larger than the server accepts.
    #[error("the message has {bytes} bytes, and the server accepts at most {max}")]
    PayloadTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit of the server.
        max: usize,
    },
    /// Too many bytes wait to be written, so no message is added.
    #[error("too many bytes wait to be written")]
    OutputFull,
    /// Too many flushes wait for their answers.
    #[error("too many flushes wait for their answers")]
    TooManyFlushes,
}
