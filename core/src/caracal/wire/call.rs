//! A call to a coordinator, its request and its answer: [`Call`].

use alloc::vec::Vec;

use super::answer::MalformedAnswer;
use super::answer::edge::{self, CreatedEdge, InboundEdge, Revoked};
use super::answer::fault::CoordinatorFault;
use super::answer::session::{self, Lease, SessionStatus};
use super::header::{Header, HeaderValue};
use super::ids::{EdgeId, SessionId, ZoneId};
use super::key::IdempotencyKey;
use super::request::delegate::Delegate;
use super::request::session::{LeaseGeneration, acquire_lease, heartbeat, terminate};
use super::request::spawn::{Generation, Spawn};
use super::request::{Request, edge as edges};
use super::token::BearerToken;

/// A call to a coordinator.
///
/// ```
/// use nuncio_core::caracal::{
///     Answer, ApplicationId, BearerToken, Call, Generation, IdempotencyKey, SessionId, Spawn, ZoneId,
/// };
///
/// let call = Call::Spawn(Spawn::new(ApplicationId::new("app-a")?));
/// let (zone, token) = (ZoneId::new("z1")?, BearerToken::new("token")?);
/// let request = call.request(Generation::May, &zone, &token, IdempotencyKey::from_random(7));
/// assert_eq!((request.method().as_str(), request.path()), ("POST", "/zones/z1/agents"));
/// assert_eq!(request.body(), Some(r#"{"application_id":"app-a","kind":"instance"}"#));
///
/// let answer = call.read(201, br#"{"id":"s-1","status":"active"}"#)?;
/// assert_eq!(answer, Answer::Spawned { session: SessionId::new("s-1")?, lease: None });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub enum Call {
    /// Opens an agent session.
    Spawn(Spawn),
    /// Ends a session and those below it.
    Terminate {
        /// The session.
        session: SessionId,
        /// The generation of its lease, for a service that has one.
        lease: Option<LeaseGeneration>,
    },
    /// Renews the lease of a service (1.0 only).
    Heartbeat {
        /// The session.
        session: SessionId,
        /// The generation of its lease.
        lease: LeaseGeneration,
    },
    /// Takes the lease of a service over, in a new generation that fences off the old one (1.0 only).
    AcquireLease {
        /// The session.
        session: SessionId,
    },
    /// Creates an edge between two sessions.
    Delegate(Delegate),
    /// Revokes an edge and those after it.
    Revoke {
        /// The edge.
        edge: EdgeId,
    },
    /// Lists the edges into a session.
    Inbound {
        /// The session.
        session: SessionId,
    },
}

/// The answer to a [`Call`], with one variant for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The session was opened.
    Spawned {
        /// The session.
        session: SessionId,
        /// Its lease, for a service of a coordinator of the generation 1.0.
        lease: Option<Lease>,
    },
    /// The session has ended.
    Terminated {
        /// Whether it had ended before, or was no longer the caller's to end.
        before: bool,
    },
    /// The lease was renewed.
    Renewed {
        /// The state of the session.
        status: SessionStatus,
        /// The lease. Coordinators without leases report none.
        lease: Option<Lease>,
    },
    /// The lease was taken over.
    Acquired(Lease),
    /// The edge was created.
    Delegated(CreatedEdge),
    /// The edge was revoked.
    Revoked(Revoked),
    /// The edges into the session.
    Inbound(Vec<InboundEdge>),
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The coordinator refused it.
    #[error(transparent)]
    Refused(CoordinatorFault),
    /// The coordinator carried it out and its answer cannot be read.
    #[error(transparent)]
    Malformed(#[from] MalformedAnswer),
}

impl Call {
    /// Writes the request.
    ///
    /// Only coordinators of the generation 1.0 get the idempotency key. Those before it compare the parent of a session
    /// instead of the key, so that any key merges the children of one parent into one session.
    pub fn request(&self, generation: Generation, zone: &ZoneId, token: &BearerToken, key: IdempotencyKey) -> Request {
        let request = match self {
            Call::Spawn(spawn) => spawn.request(generation, zone),
            Call::Terminate { session, lease } => terminate(zone, session, *lease),
            Call::Heartbeat { session, lease } => heartbeat(zone, session, *lease),
            Call::AcquireLease { session } => acquire_lease(zone, session),
            Call::Delegate(delegate) => delegate.request(zone),
            Call::Revoke { edge } => edges::revoke(zone, edge),
            Call::Inbound { session } => edges::inbound(zone, session),
        };
        let request = request.authorized(token);
        match (generation, self) {
            (Generation::Head, Call::Spawn(_)) => request
                .with(Header::new("idempotency-key", key.to_header()))
                .with(Header::new("idempotency-key-kind", HeaderValue::trusted("generated"))),
            (Generation::Head, Call::Delegate(_)) => request.with(Header::new("idempotency-key", key.to_header())),
            (_, _) => request,
        }
    }

    /// Reads the answer. Both generations are understood, whichever the request was written for.
    ///
    /// A redirect is a refusal: following it could send the token elsewhere.
    pub fn read(&self, status: u16, body: &[u8]) -> Result<Answer, CallError> {
        if !(200..300).contains(&status) {
            let fault = CoordinatorFault::read(status, body);
            let terminates = matches!(self, Call::Terminate { .. });
            return if terminates && fault.is_terminated() {
                Ok(Answer::Terminated { before: true })
            } else {
                Err(CallError::Refused(fault))
            };
        }
        Ok(match self {
            Call::Spawn(_) => {
                let opened = session::opened(body)?;
                Answer::Spawned { session: opened.session, lease: opened.lease }
            }
            Call::Terminate { .. } => Answer::Terminated { before: false },
            Call::Heartbeat { .. } => {
                let renewed = session::renewed(body)?;
                Answer::Renewed { status: renewed.status, lease: renewed.lease }
            }
            Call::AcquireLease { .. } => Answer::Acquired(session::acquired(body)?),
            Call::Delegate(_) => Answer::Delegated(edge::created(body)?),
            Call::Revoke { .. } => Answer::Revoked(edge::revoked(body)?),
            Call::Inbound { .. } => Answer::Inbound(edge::inbound(body)?),
        })
    }

    /// Returns the number of bytes of the call's lists and metadata.
    pub(crate) fn bytes_held(&self) -> usize {
        match self {
            Call::Spawn(spawn) => spawn.bytes_held(),
            Call::Delegate(delegate) => delegate.bytes_held(),
            Call::Terminate { .. }
            | Call::Heartbeat { .. }
            | Call::AcquireLease { .. }
            | Call::Revoke { .. }
            | Call::Inbound { .. } => 0,
        }
    }
}
