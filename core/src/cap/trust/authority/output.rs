//! The events of an authority, and the reasons for a refused call.

use alloc::string::String;

use crate::cap::wire::trust::WorkerHandshakeRejectionReason;
use crate::time::Time;

/// Something that has happened at a [`TrustAuthority`](super::TrustAuthority). No event carries anything secret, or a name
/// that was not enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityEvent {
    /// A worker has a new token.
    Trusted {
        /// The worker.
        worker: String,
        /// When the token expires.
        expires_at: Time,
        /// Whether it has replaced another one.
        is_renewal: bool,
    },
    /// A request was rejected.
    Rejected {
        /// The worker that the request names, if this worker is enrolled.
        worker: Option<String>,
        /// What the worker was told.
        reason: WorkerHandshakeRejectionReason,
    },
    /// A request got no reply, because there is no valid reply to it.
    Dropped,
}

/// Why a call of the host was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityRefused {
    /// The router gives no trust sessions.
    #[error("the router gives no trust sessions, so that no worker can be enrolled")]
    Off,
    /// Too many workers are enrolled.
    #[error("{0} workers are enrolled, which is the limit")]
    Limit(usize),
    /// A name of the worker is empty, too long, or not visible ASCII.
    #[error("{0} must have 1 to 256 visible ASCII characters")]
    Name(&'static str),
}
