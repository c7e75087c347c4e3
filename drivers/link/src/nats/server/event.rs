use bytes::Bytes;

/// What the client of a [`NatsServerLink`](super::NatsServerLink) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsServerEvent {
    /// Messages on a subject, as a member of a queue group if one is named.
    Subscribe {
        /// The client's name of the subscription.
        sid: String,
        /// The subject, which may have wildcards.
        subject: String,
        /// The queue group.
        group: Option<String>,
    },
    /// No more messages of a subscription.
    Unsubscribe {
        /// The client's name of the subscription.
        sid: String,
    },
    /// A message for all subscribers.
    Publish {
        /// The subject.
        subject: String,
        /// Where an answer is expected.
        reply: Option<String>,
        /// The headers with their version line and the empty line at their end; empty if the message has none.
        headers: Bytes,
        /// The content.
        payload: Bytes,
    },
    /// The link has ended. Nothing follows; what is queued can still be written.
    Closed(NatsServerClosed),
}

/// How a [`NatsServerLink`](super::NatsServerLink) ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsServerClosed {
    /// The stream ended.
    #[error("the client has closed the connection")]
    Ended,
    /// The client broke the protocol, or a limit or deadline of the server, and was told so.
    #[error(transparent)]
    Fault(#[from] NatsClientFault),
}

/// How a client broke the protocol, or a limit or deadline of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsClientFault {
    /// A line is too long.
    #[error("the client sent a line of more than {max} bytes")]
    LineTooLong {
        /// The limit.
        max: usize,
    },
    /// A message is too large.
    #[error("the client published {bytes} bytes, and at most {max} are accepted")]
    PayloadTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A line is none of the protocol.
    #[error("the client sent a line of another protocol")]
    Operation,
    /// A line of the protocol cannot be read.
    #[error("the client sent {0}")]
    Line(&'static str),
    /// The client asks for something that this server does not do.
    #[error("the client asks for {0}, which this server does not do")]
    Unsupported(&'static str),
    /// The client has too many subscriptions.
    #[error("the client subscribed more than {max} times")]
    TooManySubscriptions {
        /// The limit.
        max: usize,
    },
    /// The client sent no CONNECT in time.
    #[error("the client has not sent CONNECT in time")]
    NotConnected,
    /// The client sends nothing.
    #[error("the client has answered none of {0} pings")]
    Silent(u32),
    /// The client does not read the messages that wait for it. The driver decides that.
    #[error("the client does not read the messages that wait for it")]
    Slow,
    /// The server has too many connections. The driver decides that.
    #[error("the server has {max} connections already")]
    TooManyConnections {
        /// The limit.
        max: usize,
    },
}

impl NatsClientFault {
    /// Returns what the client is told, in the words of the protocol where it has some.
    pub(super) fn text(self) -> String {
        match self {
            NatsClientFault::LineTooLong { .. } => "Maximum Control Line Exceeded".to_owned(),
            NatsClientFault::PayloadTooLarge { .. } => "Maximum Payload Violation".to_owned(),
            NatsClientFault::Operation => "Unknown Protocol Operation".to_owned(),
            NatsClientFault::Line(what) => format!("Parser Error: {what}"),
            NatsClientFault::Unsupported(what) => format!("Not Supported: {what}"),
            NatsClientFault::TooManySubscriptions { .. } => "Maximum Subscriptions Exceeded".to_owned(),
            NatsClientFault::NotConnected => "Authentication Timeout".to_owned(),
            NatsClientFault::Silent(_) => "Stale Connection".to_owned(),
            NatsClientFault::Slow => "Slow Consumer".to_owned(),
            NatsClientFault::TooManyConnections { .. } => "maximum connections exceeded".to_owned(),
        }
    }
}
