//! The records of a coordinator. A coordinator changes its state only by applying a record, so a restart that applies
//! the same records gets the same state.

mod compact;
mod decode;
mod encode;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use decode::CoordinatorRecordError;

use super::ids::Uuid;
use crate::caracal::wire::ids::{ApplicationId, AuthorityId, ZoneId};
use crate::caracal::wire::limits::EdgeLimits;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::time::Time;

/// A change of the sessions and edges of a zone. It is written with [`CoordinatorRecord::encode`] and read with
/// [`CoordinatorRecord::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    pub(crate) zone: ZoneId,
    /// The time of the coordinator.
    pub(crate) at: Time,
    /// What the wall clock showed then. The times of the change are those of the wall clock.
    pub(crate) wall: Time,
    pub(crate) change: Change,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A session was opened, perhaps with an edge that it has inherited from its parent.
    Opened {
        session: Arc<SessionOpened>,
        inherited: Option<Arc<EdgeCreated>>,
        receipt: Option<Box<Receipt>>,
    },
    Suspended {
        sessions: Vec<Uuid>,
        reason: Box<str>,
    },
    /// The leases of the services among the sessions are valid until `until`.
    Resumed {
        sessions: Vec<Uuid>,
        until: Time,
    },
    /// The lease of a service was renewed, or taken over in a new generation.
    Leased {
        session: Uuid,
        generation: u64,
        until: Time,
    },
    Delegated {
        edge: Arc<EdgeCreated>,
        receipt: Option<Box<Receipt>>,
    },
    /// Sessions and edges have ended by one cause.
    Ended {
        sessions: Vec<SessionEnded>,
        edges: Vec<Uuid>,
        epoch: u64,
    },
    /// Edges have expired earlier than a restarted coordinator would find out, because the wall clock was set.
    Expired {
        edges: Vec<Uuid>,
    },
    /// Sessions and edges that have ended are no longer kept.
    Forgotten {
        sessions: Vec<Uuid>,
        edges: Vec<Uuid>,
        epoch: u64,
    },
}

/// A session, as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionOpened {
    pub(crate) id: Uuid,
    pub(crate) application: ApplicationId,
    pub(crate) parent: Option<Uuid>,
    pub(crate) authority: AuthorityId,
    pub(crate) is_service: bool,
    pub(crate) labels: Vec<Box<str>>,
    pub(crate) depth: u32,
    pub(crate) ttl_secs: Option<u32>,
    /// A JSON object.
    pub(crate) metadata: Box<str>,
    pub(crate) at: Time,
    /// The end of the first lease of a service.
    pub(crate) lease_until: Option<Time>,
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionEnded {
    pub(crate) id: Uuid,
    /// Whether its lifetime was over.
    pub(crate) expired: bool,
    pub(crate) reason: Box<str>,
}

/// An edge, as it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgeCreated {
    pub(crate) id: Uuid,
    pub(crate) source: Uuid,
    pub(crate) target: Uuid,
    pub(crate) issuer: ApplicationId,
    pub(crate) receiver: ApplicationId,
    /// The edge that the source acts by.
    pub(crate) parent: Option<Uuid>,
    pub(crate) resource: Option<Box<str>>,
    pub(crate) scopes: Vec<Box<str>>,
    pub(crate) limits: EdgeLimits,
    /// The delegations that can begin here, this one included.
    pub(crate) hops: u32,
    pub(crate) expires_at: Time,
    pub(crate) at: Time,
    pub(crate) epoch: u64,
}

/// The answer to a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// The SHA-256 digest of the key.
    pub(crate) key: Digest,
    /// The digest of what was asked for.
    pub(crate) request: Digest,
    /// The body of the answer.
    pub(crate) body: Box<str>,
    pub(crate) expires_at: Time,
}

impl CoordinatorRecord {
    /// The version of the form that [`CoordinatorRecord::encode`] writes.
    pub const VERSION: u32 = 1;

    /// Returns the name of the record's kind, such as `session_opened`.
    pub fn kind(&self) -> &'static str {
        match &self.change {
            Change::Opened { .. } => "session_opened",
            Change::Suspended { .. } => "suspended",
            Change::Resumed { .. } => "resumed",
            Change::Leased { .. } => "leased",
            Change::Delegated { .. } => "delegated",
            Change::Ended { .. } => "ended",
            Change::Expired { .. } => "expired",
            Change::Forgotten { .. } => "forgotten",
        }
    }

    /// Returns the zone whose sessions and edges have changed.
    pub const fn zone(&self) -> &ZoneId {
        &self.zone
    }

    /// Returns the clock of the coordinator when the record was made.
    pub(crate) fn clock(&self) -> Clock {
        let mut clock = Clock::new(self.at);
        clock.set_wall(self.wall);
        clock
    }

    /// Returns the time of the coordinator at which an interval ends that ends at `until` by the wall clock of the record.
    pub(crate) const fn deadline(&self, until: Time) -> Time {
        self.at.plus_micros(until.since(self.wall))
    }

    /// Returns the greatest id of the record, after which new ids continue.
    pub(crate) fn greatest_id(&self) -> Uuid {
        match &self.change {
            Change::Opened { session, inherited, .. } => {
                inherited.as_ref().map_or(session.id, |edge| edge.id.max(session.id))
            }
            Change::Delegated { edge, .. } => edge.id,
            Change::Suspended { .. }
            | Change::Resumed { .. }
            | Change::Leased { .. }
            | Change::Ended { .. }
            | Change::Expired { .. }
            | Change::Forgotten { .. } => Uuid::MIN,
        }
    }
}
