//! The settings of a coordinator: its zones, what it enforces, and its limits.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::caracal::wire::ids::{ApplicationId, ZoneId};
use crate::caracal::wire::request::spawn::{Generation, Ttl};

/// What a coordinator enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// No edge is wider than the edge by which its source acts; an edge ends with the edge that it follows and with the
    /// sessions at its ends; and the idempotency keys that the SDK 0.1.1 derives from a session's parent do not merge
    /// its children.
    #[default]
    Strict,
    /// What the deployed coordinators of the generation enforce. Those of 0.1 do not compare an edge with another one, keep
    /// the edges of a session that has ended, and answer any idempotency key with a live session of the same parent.
    Deployed,
}

/// A resource that edges can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its id, such as `resource://payments`.
    pub id: Box<str>,
    /// The application that owns it.
    pub application: ApplicationId,
    /// The scopes that it has.
    pub scopes: Vec<Box<str>>,
}

/// A zone: applications whose sessions see each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// The id of the zone.
    pub id: ZoneId,
    /// Its applications.
    pub applications: Vec<ApplicationId>,
    /// Its resources. Without a list, every resource exists and has every scope.
    pub resources: Option<Vec<Resource>>,
}

/// The settings of a [`Coordinator`](super::Coordinator).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoordinatorConfig {
    /// The generation of clients that it serves. Default: [`Generation::May`].
    pub generation: Generation,
    /// What it enforces. Default: [`Enforcement::Strict`].
    pub enforcement: Enforcement,
    /// The zones. Default: none.
    pub zones: Vec<ZoneConfig>,
    /// Whether changes are stored. Default: no, and a restart forgets everything.
    pub journal: bool,
    /// The lifetime of a session that asks for none. Default: one hour.
    pub default_ttl: Ttl,
    /// The time for which the lease of a service is valid (1.0). Default: 120 s.
    pub lease: Duration,
    /// How long ended sessions and edges are shown. Default: 7 days.
    pub retention: Duration,
    /// How long a repeated idempotency key gets the first answer. Default: 7 days.
    pub receipt_retention: Duration,
    /// The same for a key that an SDK has generated (`idempotency-key-kind: generated`). Default: 24 hours.
    pub generated_receipt_retention: Duration,
    /// The bounds of what the coordinator holds.
    pub limits: CoordinatorLimits,
}

/// The limits of a [`Coordinator`](super::Coordinator).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CoordinatorLimits {
    /// Bytes of the body of a request. Default: 64 KiB.
    pub body_bytes: usize,
    /// Bytes of the metadata of a session. Default: 16 KiB.
    pub metadata_bytes: usize,
    /// Sessions of a zone that have not ended. Default: 50.
    pub sessions_per_zone: usize,
    /// Sessions of an application that have not ended. Default: 200.
    pub sessions_per_application: usize,
    /// Sessions directly below a session that have not ended. Default: 10.
    pub children: usize,
    /// The levels of sessions below one without a parent. Default: 10.
    pub depth: u32,
    /// The longest chain of delegations, if an edge does not limit it itself (0.1). Default: 10.
    pub hops: u32,
    /// Edges of a zone that are active. Default: 1000.
    pub edges_per_zone: usize,
    /// Sessions of a zone that have ended and are still shown; the oldest are forgotten first. Default: 1000.
    pub ended_sessions: usize,
    /// Edges of a zone that are no longer active and are still shown. Default: 1000.
    pub ended_edges: usize,
    /// Idempotency receipts of an application. Default: 10 000.
    pub receipts_per_application: usize,
    /// Bytes of the receipts of a zone. Default: 16 MiB.
    pub receipt_bytes: usize,
    /// Items of a page of a listing. Default: 500.
    pub list_page: usize,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for CoordinatorConfig {
    fn default() -> CoordinatorConfig {
        CoordinatorConfig {
            generation: Generation::May,
            enforcement: Enforcement::Strict,
            zones: Vec::new(),
            journal: false,
            default_ttl: Ttl::from_secs(3_600).unwrap_or(Ttl::MAX),
            lease: Duration::from_mins(2),
            retention: DAY.saturating_mul(7),
            receipt_retention: DAY.saturating_mul(7),
            generated_receipt_retention: DAY,
            limits: CoordinatorLimits {
                body_bytes: 64 << 10,
                metadata_bytes: 16 << 10,
                sessions_per_zone: 50,
                sessions_per_application: 200,
                children: 10,
                depth: 10,
                hops: 10,
                edges_per_zone: 1_000,
                ended_sessions: 1_000,
                ended_edges: 1_000,
                receipts_per_application: 10_000,
                receipt_bytes: 16 << 20,
                list_page: 500,
            },
        }
    }
}

impl CoordinatorConfig {
    /// Returns these settings with changes.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut CoordinatorConfig)) -> CoordinatorConfig {
        change(&mut self);
        self
    }

    /// Returns whether the rules that deployed coordinators do not enforce are enforced.
    pub(super) fn is_strict(&self) -> bool {
        self.enforcement == Enforcement::Strict
    }

    pub(super) fn is_head(&self) -> bool {
        self.generation == Generation::Head
    }
}
