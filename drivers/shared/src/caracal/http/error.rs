use std::time::Duration;

use nuncio_link::http1::{Http1Fault, Http1Refused};

use super::origin::InvalidEndpoint;

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The URL cannot be called.
    #[error("the URL cannot be called: {0}")]
    Url(InvalidEndpoint),
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Request(Http1Refused),
    /// There was no connection. The request was not sent.
    #[error("{origin} could not be reached: {reason}")]
    Connect {
        /// The scheme, host and port.
        origin: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection was lost before the response was complete. The request may have been carried out.
    #[error("the connection to {origin} was lost: {reason}")]
    Lost {
        /// The scheme, host and port.
        origin: String,
        /// What went wrong.
        reason: String,
    },
    /// The response breaks the protocol or a limit. The request may have been carried out.
    #[error("{origin}: {fault}")]
    Response {
        /// The scheme, host and port.
        origin: String,
        /// What is wrong.
        fault: Http1Fault,
    },
    /// There was no response in time. The request may have been carried out.
    #[error("{origin} did not answer within {limit:?}")]
    Timeout {
        /// The scheme, host and port.
        origin: String,
        /// The time that was given.
        limit: Duration,
    },
    /// The client's thread has ended.
    #[error("the client is closed")]
    Closed,
}

impl HttpError {
    /// Returns whether the request may have been carried out.
    pub fn is_uncertain(&self) -> bool {
        match self {
            HttpError::Url(_) | HttpError::Request(_) | HttpError::Connect { .. } => false,
            HttpError::Lost { .. } | HttpError::Response { .. } | HttpError::Timeout { .. } | HttpError::Closed => true,
        }
    }
}
