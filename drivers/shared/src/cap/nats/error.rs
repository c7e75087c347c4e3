use std::io;

#[cfg(feature = "tls")]
use crate::auth::TlsError;

/// Why a bus on NATS cannot be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// This driver cannot log in in this way.
    #[error("{0} is understood by the tokio driver only; use a token, or a user and a password")]
    Login(&'static str),
    /// This driver has no durable streams.
    #[error(
        "JetStream is spoken by the tokio driver only; leave the option `jetstream` out, or run the router on tokio"
    )]
    JetStream,
    /// The options name no server.
    #[error("the options name no server")]
    NoServer,
    /// The TLS configuration cannot be made.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server must be spoken to with TLS, and this program was built without the feature `tls`.
    #[error("{0} needs TLS, and this program was built without the driver's feature `tls`")]
    WithoutTls(String),
    /// The URL demands TLS, and the server does not have it.
    #[error("{0} does not speak TLS, which the URL demands")]
    NoTls(String),
    /// The server refused the login.
    #[error("{server} refuses the login: {reason:?}")]
    Refused {
        /// The server, as `HOST:PORT`.
        server: String,
        /// What it says.
        reason: String,
    },
    /// A server is not reached, or what answers is not a NATS server.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// The server, as `HOST:PORT`.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The system gives no thread or no randomness.
    #[error("the system refuses a thread or randomness: {0}")]
    System(#[from] io::Error),
}

impl NatsError {
    /// Returns whether another attempt cannot succeed either, so that the first connection is not tried again.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, NatsError::Unreachable { .. })
    }
}
