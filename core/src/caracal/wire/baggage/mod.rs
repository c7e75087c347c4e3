//! The `baggage` header (§1.3): Caracal's five members, and the members of other tools beside them.
//!
//! ```text
//! baggage: caracal.agent_session=<id>,caracal.delegation_edge=<id>,caracal.parent_edge=<id>,caracal.hop=<0..32>
//! ```
//!
//! The header is unsigned routing metadata. It never grants authority.

mod foreign;
mod keys;
mod read;
mod write;

pub use foreign::ForeignBaggage;
pub(in crate::caracal) use read::Reader;

use super::hop::Hop;
use super::ids::{AuthorityId, EdgeId, SessionId};

/// The members of a `baggage` header.
///
/// ```
/// use nuncio_core::caracal::{Baggage, Hop};
///
/// // The members may be spread over several lines, and over properties as the integration guide prints them.
/// let baggage = Baggage::read(["tenant=acme, caracal.agent_session=s%2F1;caracal.hop=2", "caracal.delegation_edge=e"]);
/// assert_eq!(baggage.session.as_ref().unwrap().as_str(), "s/1");
/// assert_eq!(
///     baggage.to_header(Hop::DEFAULT_LIMIT)?.expose(),
///     "caracal.agent_session=s%2F1,caracal.delegation_edge=e,caracal.hop=2,tenant=acme",
/// );
/// # Ok::<(), nuncio_core::caracal::TooManyHops>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage {
    /// The agent session of the caller (`caracal.agent_session`).
    pub session: Option<SessionId>,
    /// The delegation edge that the caller acts by (`caracal.delegation_edge`).
    pub edge: Option<EdgeId>,
    /// The edge before it (`caracal.parent_edge`).
    pub parent_edge: Option<EdgeId>,
    /// The authority record of the subject (`caracal.session`, since 1.0.0).
    pub authority: Option<AuthorityId>,
    /// The number of delegations so far (`caracal.hop`).
    pub hop: Hop,
    /// The members of other tools.
    pub foreign: ForeignBaggage,
}
