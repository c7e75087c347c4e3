//! Requests about one session: its end, its heartbeat and its lease.

use alloc::string::String;
use core::fmt;

use super::{Method, Request, zone_path};
use crate::caracal::wire::ids::{SessionId, ZoneId};
use crate::json::Object;

/// The number of the holder of a service's lease, from 1. A holder with an older number is fenced off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseGeneration(u64);

impl LeaseGeneration {
    /// Returns a generation, or `None` for 0.
    pub const fn new(number: u64) -> Option<LeaseGeneration> {
        if number == 0 { None } else { Some(LeaseGeneration(number)) }
    }

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LeaseGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Writes the request that ends a session. A service with a lease names its generation.
pub(crate) fn terminate(zone: &ZoneId, session: &SessionId, lease: Option<LeaseGeneration>) -> Request {
    let request = Request::new(Method::Delete, zone_path(zone, ["agents", session.as_str()]));
    match lease {
        Some(lease) => request.with_json(Object::new().value("lease_generation", lease).close()),
        None => request,
    }
}

/// Writes the request that renews the lease of a service.
pub(crate) fn heartbeat(zone: &ZoneId, session: &SessionId, lease: LeaseGeneration) -> Request {
    let body: String = Object::new().plain("status", "healthy").value("lease_generation", lease).close();
    Request::new(Method::Post, zone_path(zone, ["agents", session.as_str(), "heartbeat"])).with_json(body)
}

/// Writes the request that takes the lease of a service over, in a new generation.
pub(crate) fn acquire_lease(zone: &ZoneId, session: &SessionId) -> Request {
    Request::new(Method::Post, zone_path(zone, ["agents", session.as_str(), "lease"]))
}
