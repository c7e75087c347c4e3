//! The keys of Caracal's own members, and the limits of the header.

use crate::caracal::wire::header::MAX_VALUE_BYTES;

/// The largest number of members of a header.
pub(super) const MAX_MEMBERS: usize = 64;
/// The longest header, in bytes, over all its lines.
pub(super) const MAX_BYTES: usize = MAX_VALUE_BYTES;

/// How the keys of Caracal's own members begin.
pub(super) const PREFIX: &str = "caracal.";
pub(super) const SESSION: &str = "caracal.agent_session";
pub(super) const EDGE: &str = "caracal.delegation_edge";
pub(super) const PARENT_EDGE: &str = "caracal.parent_edge";
pub(super) const AUTHORITY: &str = "caracal.session";
pub(super) const HOP: &str = "caracal.hop";
