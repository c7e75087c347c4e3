//! The inputs and outputs of a coordinator: requests, outputs, events and timers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::record::CoordinatorRecord;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::ids::{ApplicationId, AuthorityId, EdgeId, SessionId, ZoneId};
use crate::time::Time;

/// Names a request of a client, so that its answer can be told from others. The host chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncomingId(pub u64);

/// Who sends a request, as the host has verified by its token (§2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The zone (`zone_id`).
    pub zone: ZoneId,
    /// The application (`client_id`).
    pub application: ApplicationId,
    /// The subject (`sub`).
    pub subject: Box<str>,
    /// The scopes. [`LIFECYCLE_SCOPE`](crate::caracal::LIFECYCLE_SCOPE) is required.
    pub scopes: Vec<Box<str>>,
    /// The authority record (`sid`).
    pub authority: Option<AuthorityId>,
}

impl Principal {
    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| **held == *scope)
    }

    pub(super) fn is_admin(&self) -> bool {
        self.has_scope("coordinator.admin")
    }

    pub(super) fn owns(&self, application: &ApplicationId) -> bool {
        self.application == *application
    }

    /// Returns whether the principal has the scope `coordinator.{power}:{application}`.
    pub(super) fn may(&self, power: &str, application: &ApplicationId) -> bool {
        self.has_scope(&["coordinator.", power, ":", application.as_str()].concat())
    }

    /// Returns whether the principal may end, suspend or renew the sessions of an application.
    pub(super) fn controls(&self, application: &ApplicationId) -> bool {
        self.owns(application) || self.is_admin() || self.may("spawn_for", application)
    }
}

/// Why the host could not verify the sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// There is no bearer token.
    #[error("the request has no bearer token")]
    Missing,
    /// The token is not valid.
    #[error("the token is not valid")]
    Invalid,
    /// The application or the authority record of the token was revoked.
    #[error("the identity of the token was revoked")]
    Revoked,
}

/// A request of a client.
#[derive(Clone, Copy, Debug)]
pub struct IncomingRequest<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path and, after `?`, the query, as they were sent.
    pub target: &'a str,
    /// The header fields, with names in any case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// Who sends it.
    pub caller: Result<&'a Principal, CredentialFault>,
}

impl<'a> IncomingRequest<'a> {
    /// Returns the values of a header.
    pub(super) fn header(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// An output of a coordinator. A host acts on outputs in the order in which it polls them.
#[derive(Clone, Debug)]
pub enum CoordinatorOutput {
    /// Store a record.
    Store {
        /// The number of the record, counted from 1.
        seq: u64,
        /// The record.
        record: CoordinatorRecord,
    },
    /// Answer a request, after the store with the number `after` is durable.
    Respond {
        /// The request.
        id: IncomingId,
        /// The answer.
        reply: Reply,
        /// The number of a store, or 0.
        after: u64,
    },
    /// An event, to be acted on after the store with the number `after` is durable.
    Event {
        /// The event.
        event: CoordinatorEvent,
        /// The number of a store, or 0.
        after: u64,
    },
}

/// A change of sessions and edges (§2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoordinatorEvent {
    /// A session was opened.
    Started {
        /// Its zone.
        zone: ZoneId,
        /// The session.
        session: SessionId,
        /// The session above it.
        parent: Option<SessionId>,
        /// Its application.
        application: ApplicationId,
    },
    /// A session was suspended.
    Suspended {
        /// Its zone.
        zone: ZoneId,
        /// The session.
        session: SessionId,
        /// `requested` or `service_heartbeat_lost`.
        reason: Box<str>,
    },
    /// A session was resumed.
    Resumed {
        /// Its zone.
        zone: ZoneId,
        /// The session.
        session: SessionId,
    },
    /// A session has ended.
    Ended {
        /// Its zone.
        zone: ZoneId,
        /// The session.
        session: SessionId,
        /// Such as `requested`, `ttl`, `delegation_revoked` or `parent_terminated`.
        reason: Box<str>,
    },
    /// An edge was created.
    EdgeCreated {
        /// Its zone.
        zone: ZoneId,
        /// The edge.
        edge: EdgeId,
        /// The number of changes of the zone's edges.
        epoch: u64,
    },
    /// An edge was revoked.
    EdgeRevoked {
        /// Its zone.
        zone: ZoneId,
        /// The edge.
        edge: EdgeId,
        /// The number of changes of the zone's edges.
        epoch: u64,
    },
    /// The last session of an authority record has ended. The host revokes the record unless it has another use for it.
    AuthorityUnused {
        /// Its zone.
        zone: ZoneId,
        /// The authority record.
        authority: AuthorityId,
    },
}

/// The reason of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoordinatorTimer {
    /// The lifetime of an edge has ended.
    Edge,
    /// The lifetime of a session has ended.
    Session,
    /// The lease of a service lapses.
    Lease,
    /// An idempotency receipt is forgotten.
    Receipt,
    /// An edge that is no longer active is forgotten.
    EndedEdge,
    /// A session that has ended is forgotten.
    EndedSession,
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinatorRefused {
    /// There is no such zone.
    #[error("the coordinator has no such zone")]
    UnknownZone,
    /// The edge does not exist, or is no longer active.
    #[error("the edge is not active")]
    EdgeInactive,
    /// The session does not act by the edge, or a session at an end of it is not active.
    #[error("the session cannot act by the edge")]
    SessionInactive,
}

/// What a session may do by an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeAuthority {
    /// The scopes.
    pub scopes: Vec<Box<str>>,
    /// The resources. An empty list does not limit them.
    pub resources: Vec<Box<str>>,
    /// The actions. An empty list does not limit them (0.1).
    pub actions: Vec<Box<str>>,
    /// The delegations that may follow.
    pub hops: u32,
    /// When the authority ends.
    pub expires_at: Time,
    /// The edges from the first one to this one.
    pub path: Vec<EdgeId>,
    /// The number of changes of the zone's edges.
    pub epoch: u64,
}
