//! The session that a peer wants to resume, before anything of it is believed.

use crate::arcp::wire::ids::SessionUlid;
use crate::digest::Digest;

/// The claims of a resume.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The session; `None` if it is found by its token.
    pub(crate) session: Option<SessionUlid>,
    /// Whether a session was named that cannot be one of this runtime.
    pub(crate) foreign: bool,
    /// SHA-256 of the resume token.
    pub(crate) token: Digest,
    /// The last event the client has.
    pub(crate) last: u64,
}
