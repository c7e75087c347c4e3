//! Errors of clients.

use std::io;

use nuncio_core::arcp::client::{ClientRefused, CloseReason, RemoteFault, RequestFailure};

use crate::arcp::value::InvalidValue;

/// Why a request of a client was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The session is over.
    #[error(transparent)]
    Ended(#[from] SessionEnd),
    /// A value in it cannot be written as JSON: nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// This side refuses it: nothing was sent.
    #[error(transparent)]
    Refused(#[from] ClientRefused),
    /// The runtime refused it, or did not answer.
    #[error(transparent)]
    Failed(#[from] RequestFailure),
}

impl ClientError {
    /// What the runtime said, if it was the runtime that refused: its code is [`RemoteFault::known`].
    pub fn fault(&self) -> Option<&RemoteFault> {
        match self {
            ClientError::Failed(RequestFailure::Refused(fault)) => Some(fault),
            ClientError::Ended(end) => end.fault(),
            ClientError::Invalid(_) | ClientError::Refused(_) | ClientError::Failed(_) => None,
        }
    }
}

/// Why a client's session is over. Jobs that were accepted go on in their runtime.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The application closed it, or the runtime refused it for good.
    #[error("the session is closed: {0}")]
    Closed(CloseReason),
    /// The first connection failed.
    #[error("the runtime could not be reached: {0}")]
    Unreachable(ConnectError),
    /// A connection was lost and did not come back within the number of attempts.
    #[error("the connection was lost and {attempts} attempts to resume the session failed; the last error was: {last}")]
    GaveUp {
        /// Failed attempts.
        attempts: u32,
        /// How the last one failed.
        last: ConnectError,
    },
    /// The runtime could not be reached for longer than it keeps a session.
    #[error(
        "the connection was lost and the session's resume window of {window_secs} seconds has passed; \
         the last error was: {last}"
    )]
    WindowPassed {
        /// The window the runtime promised.
        window_secs: u64,
        /// How the last attempt failed.
        last: ConnectError,
    },
}

impl SessionEnd {
    /// What the runtime said, if it was the runtime that ended or refused the session.
    pub fn fault(&self) -> Option<&RemoteFault> {
        match self {
            SessionEnd::Closed(CloseReason::Refused(fault))
            | SessionEnd::Unreachable(ConnectError::Refused(fault))
            | SessionEnd::GaveUp { last: ConnectError::Refused(fault), .. }
            | SessionEnd::WindowPassed { last: ConnectError::Refused(fault), .. } => Some(fault),
            SessionEnd::Closed(_)
            | SessionEnd::Unreachable(_)
            | SessionEnd::GaveUp { .. }
            | SessionEnd::WindowPassed { .. } => None,
        }
    }
}

/// Why a connection could not be made, or ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The connector has failed.
    #[error("{0}")]
    Io(std::sync::Arc<io::Error>),
    /// The connection was not made in time.
    #[error("the connection attempt timed out")]
    TimedOut,
    /// The server refused the WebSocket upgrade.
    #[error("the server refused the connection with HTTP status {status}: {reason}")]
    Upgrade {
        /// The HTTP status.
        status: u16,
        /// A sentence.
        reason: String,
    },
    /// The connection ended before the session was live.
    #[error("{0}")]
    Ended(String),
    /// The runtime refused the session for now.
    #[error("{0}")]
    Refused(RemoteFault),
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientBuildError {
    /// The URL is not valid.
    #[error(transparent)]
    Url(#[from] nuncio_link::InvalidUrl),
    /// The system has refused a thread or random numbers.
    #[error("the system refused: {0}")]
    System(#[source] io::Error),
    /// The session could not be opened.
    #[error(transparent)]
    Session(#[from] SessionEnd),
}

impl ClientBuildError {
    /// What the runtime said, if it was the runtime that refused the session.
    pub fn fault(&self) -> Option<&RemoteFault> {
        match self {
            ClientBuildError::Session(end) => end.fault(),
            ClientBuildError::Url(_) | ClientBuildError::System(_) => None,
        }
    }
}
