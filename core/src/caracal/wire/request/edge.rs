//! Requests about edges that exist: revocation, and the edges into a session.

use super::{Method, Request, zone_path};
use crate::caracal::wire::ids::{EdgeId, SessionId, ZoneId};

/// Writes the request that revokes an edge. The edges after it are revoked, and their target sessions terminated.
pub(crate) fn revoke(zone: &ZoneId, edge: &EdgeId) -> Request {
    Request::new(Method::Patch, zone_path(zone, ["delegations", edge.as_str(), "revoke"]))
}

/// Writes the request that lists the edges into a session.
pub(crate) fn inbound(zone: &ZoneId, session: &SessionId) -> Request {
    Request::new(Method::Get, zone_path(zone, ["delegations", "inbound", session.as_str()]))
}
