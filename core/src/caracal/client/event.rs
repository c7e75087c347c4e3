//! The outputs of a client, and the inputs of its driver.

use alloc::vec::Vec;

use crate::caracal::wire::answer::MalformedAnswer;
use crate::caracal::wire::answer::edge::{CreatedEdge, InboundEdge, Revoked};
use crate::caracal::wire::answer::fault::CoordinatorFault;
use crate::caracal::wire::answer::session::Lease;
use crate::caracal::wire::ids::SessionId;
use crate::caracal::wire::request::Request;

/// The number of a call that the application has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// The number of one attempt of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    pub(super) call: CallId,
    pub(super) attempt: u32,
}

/// An output of a client. A driver acts on them in their order.
#[derive(Clone, Debug)]
pub enum ClientOutput {
    /// The request is to be sent to the coordinator. [`Client::handle_response`](super::Client::handle_response) or
    /// [`Client::handle_failure`](super::Client::handle_failure) reports what came of it. Redirects are not followed.
    Request {
        /// The number of the attempt.
        id: RequestId,
        /// The request.
        request: Request,
    },
    /// The request was given up. The driver may close its connection; what it reports of it later is ignored.
    Abort(RequestId),
    /// A token is needed. [`Client::token`](super::Client::token) or
    /// [`Client::token_failed`](super::Client::token_failed) answers.
    TokenNeeded {
        /// Whether the coordinator has refused the token before, so that it must not be supplied again.
        rejected: bool,
    },
    /// The event is for the application.
    Event(ClientEvent),
}

/// An event for the application. Every call ends with exactly one that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// A session was opened.
    Spawned {
        /// The call.
        call: CallId,
        /// The session.
        session: SessionId,
        /// Its lease, which the client renews.
        lease: Option<Lease>,
    },
    /// A session was opened together with an edge into it.
    SpawnedWithEdge {
        /// The call.
        call: CallId,
        /// The session.
        session: SessionId,
        /// The edge from its parent.
        edge: CreatedEdge,
    },
    /// A session was terminated.
    Terminated {
        /// The call.
        call: CallId,
        /// Whether it had ended before.
        before: bool,
    },
    /// An edge was created.
    Delegated {
        /// The call.
        call: CallId,
        /// The edge.
        edge: CreatedEdge,
    },
    /// An edge was revoked.
    Revoked {
        /// The call.
        call: CallId,
        /// What the revocation has ended.
        revoked: Revoked,
    },
    /// The edges into a session.
    Inbound {
        /// The call.
        call: CallId,
        /// The edges.
        edges: Vec<InboundEdge>,
    },
    /// The lease of a service was taken over. The client renews it.
    LeaseAcquired {
        /// The call.
        call: CallId,
        /// The lease.
        lease: Lease,
    },
    /// A call has failed.
    Failed {
        /// The call.
        call: CallId,
        /// The reason.
        why: CallFailure,
    },
    /// The coordinator has suspended a service. Its lease is still renewed.
    Suspended(SessionId),
    /// The coordinator has resumed a service.
    Resumed(SessionId),
    /// A session has ended without a call of this client.
    Ended {
        /// The session.
        session: SessionId,
        /// The reason.
        why: EndReason,
    },
    /// The client is closed. This is the last event.
    Closed,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its lifetime has ended, counted from the time of its request.
    Expired,
    /// The coordinator no longer knows it, or has given its lease to another holder.
    LeaseLost,
    /// Its lease has lapsed, because no renewal has succeeded in time.
    LeaseLapsed,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The coordinator refused it.
    #[error(transparent)]
    Refused(CoordinatorFault),
    /// The coordinator carried it out, and its answer cannot be read.
    #[error(transparent)]
    Malformed(MalformedAnswer),
    /// No attempt has reached the coordinator.
    #[error("the coordinator could not be reached")]
    Unreachable,
    /// An attempt may have been carried out, but there is no answer.
    #[error("the coordinator did not answer; the call may have been carried out")]
    Uncertain,
    /// There is no token.
    #[error("there is no token for the coordinator")]
    NoToken,
    /// The lease of the session that the call was made for was lost before it was sent.
    #[error("the lease of the session was lost")]
    LeaseLost,
    /// The client was closed before the call was carried out. A session that was opened for it is terminated.
    #[error("the client was closed before the call was carried out")]
    Closed,
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefused {
    /// The client is closing or closed.
    #[error("the client is closed")]
    Closed,
    /// There are too many open calls, or they hold too many bytes.
    #[error("there are too many open calls")]
    TooManyCalls,
    /// There are too many sessions.
    #[error("there are too many open sessions")]
    TooManySessions,
    /// A session with an edge into it needs a parent.
    #[error("a session that is delegated to needs a parent")]
    NoParent,
}

/// How a request failed without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// No byte of it was sent: there was no connection.
    NotSent,
    /// It may have been carried out: the connection was lost after it was sent.
    Lost,
}

/// The reason of a deadline of [`Client::poll_timeout`](super::Client::poll_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTimer {
    /// A request was not answered.
    Request,
    /// A call is to be tried again.
    Retry,
    /// A token was not supplied.
    Token,
    /// A lease is to be renewed.
    Heartbeat,
    /// A lifetime or a lease ends.
    Session,
}
