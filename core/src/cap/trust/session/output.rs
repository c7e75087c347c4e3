//! The outputs of a trust session.

use alloc::string::String;

use bytes::Bytes;

use crate::cap::signature::rejection::{Rejection, Unsignable};
use crate::cap::wire::subject::Subject;
use crate::cap::wire::trust::WorkerHandshakeRejectionReason;
use crate::time::Time;

/// Names one request to a scheduler, so that a late reply is not taken for the reply to a later request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustRequest(pub(super) u64);

/// An output of a [`TrustSession`](super::TrustSession).
#[derive(Clone, Debug)]
pub enum TrustOutput {
    /// Send a request, whose reply is passed in by [`TrustSession::replied`](super::TrustSession::replied). It carries
    /// secrets, so it is not to be logged or stored.
    Request {
        /// Names the request.
        id: TrustRequest,
        /// The subject.
        subject: Subject,
        /// The packet.
        bytes: Bytes,
    },
    /// Jobs may be taken from now on.
    Opened,
    /// Jobs may no longer be taken.
    Closed,
    /// There is a new token.
    Trusted {
        /// When it expires.
        expires_at: Time,
        /// Whether it has replaced another one.
        is_renewal: bool,
    },
    /// An exchange has failed, with all its attempts. Another one follows.
    Failed {
        /// Why.
        reason: TrustFailure,
    },
    /// The token has expired.
    Expired,
}

/// Why an exchange with a scheduler has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustFailure {
    /// The scheduler cannot be reached; the sentence is for people.
    #[error("the scheduler cannot be reached: {0}")]
    Transport(String),
    /// The scheduler has rejected the worker.
    #[error("the scheduler has rejected the worker: {0:?}")]
    Rejected(WorkerHandshakeRejectionReason),
    /// An answer is malformed, not valid, or not signed by the scheduler.
    #[error(transparent)]
    Answer(#[from] Rejection),
    /// An answer is about something else, or says something else than it should.
    #[error("{0} of the scheduler's answer is not what it should be")]
    Mismatch(&'static str),
    /// A request could not be signed.
    #[error(transparent)]
    Unsignable(#[from] Unsignable),
}

impl TrustFailure {
    /// Returns whether the scheduler could not be reached: another attempt may help at once, and a worker in the mode
    /// `Warn` continues without a session.
    pub const fn is_transport(&self) -> bool {
        matches!(self, TrustFailure::Transport(_))
    }
}

/// The reply is not awaited: its request took too long, or the bus was away. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no reply to this request is awaited")]
pub struct NotAwaited;
