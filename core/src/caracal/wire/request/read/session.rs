//! The bodies of calls about one session: its end, and its heartbeat.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::body::{Body, Issue};
use crate::caracal::wire::request::session::LeaseGeneration;
use crate::caracal::wire::request::spawn::Generation;

/// The largest whole number that JSON numbers have without rounding.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// A heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeartbeatBody {
    /// The registered service that the session is an instance of.
    pub(crate) service: Option<Box<str>>,
    pub(crate) active_invocations: u64,
    /// 1.0 only.
    pub(crate) lease: Option<LeaseGeneration>,
}

impl HeartbeatBody {
    /// Reads a body.
    pub(crate) fn read(mut body: Body<'_>, generation: Generation) -> Result<HeartbeatBody, Vec<Issue>> {
        let service = body.text("service_id").map(|service| service.as_str().into());
        body.word("status", &["starting", "healthy", "degraded", "unhealthy"]);
        let active_invocations = body.integer("active_invocations", 0, MAX_SAFE).unwrap_or(0);
        body.object("metadata", "record");
        let mut lease = None;
        if generation == Generation::Head {
            lease = body.integer("lease_generation", 1, MAX_SAFE).and_then(LeaseGeneration::new);
            if body.raw("lease_generation").is_none() {
                body.custom("lease_generation", "Invalid input: expected number, received undefined");
            }
        }
        body.finish(Some(HeartbeatBody { service, active_invocations, lease }))
    }
}

/// Reads the generation of the lease that a termination names.
pub(crate) fn terminated_lease(mut body: Body<'_>) -> Result<Option<LeaseGeneration>, Vec<Issue>> {
    let lease = body.integer("lease_generation", 1, MAX_SAFE).and_then(LeaseGeneration::new);
    body.finish(Some(lease))
}
